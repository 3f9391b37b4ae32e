//! The documents of a BOL: how one is stored, which version is current, and the link to it.
//!
//! [`lifecycle`] is the only way from a file to a stored document. What arrives is examined and matched above
//! ([`crate::intake`]); bytes are kept below ([`crate::storage`]). [`crate::audit`] records a link before it exists.

pub mod access;
mod bol_view;
mod document;
pub mod fetcher;
pub mod lifecycle;
mod link;
mod subject;
pub mod sweep;
pub mod zip;

pub use crate::bols::DocumentKind as Kind;
pub use access::DocumentRef;
pub use bol_view::{Access, RelatedBols, Viewed, view};
pub use document::{Document, of_bol};
pub use link::{Issued, LinkError, LinkIssuer, Purpose};
pub use subject::DocumentSubject;
