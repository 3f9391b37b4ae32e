//! The files of a BOL: which there are, and the link to one.
//!
//! Bytes are [`crate::storage`]'s; that a link was issued is on record ([`crate::audit`]) before it exists.

mod document;
mod kind;
mod link;
mod store;

pub use document::{Document, NewDocument, key_for, of_bol};
pub use kind::Kind;
pub use link::{Desk, Issued, LinkError, Purpose};
pub use store::{StoreError, Stored, store_next_version};
