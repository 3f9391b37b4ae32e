//! The documents of a BOL: how one is stored, which version is current, and the link to it.
//!
//! [`lifecycle`] is the only way from a file to a stored document, and defines the current version. [`access`] records
//! who views a BOL or gets a document. [`crate::intake`], above, examines and matches uploads; [`crate::storage`], below,
//! keeps the bytes.

pub mod access_record;
mod bol_view;
mod document;
pub mod fetcher;
mod history;
pub mod lifecycle;
mod link;
pub mod lookup_limit;
pub mod selection;
mod subject;
pub mod sweep;
pub mod zip;

pub use crate::bols::DocumentKind as Kind;
pub use access_record::DocumentRef;
pub use bol_view::{RelatedBols, Viewed, view};
pub use document::{Document, of_bol};
pub use history::{Access, History, HistoryPage};
pub use link::{Issued, LinkError, LinkIssuer, Purpose};
pub use subject::DocumentSubject;
