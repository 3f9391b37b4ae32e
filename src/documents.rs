//! The files of a BOL: how they come in, which there are, and the link to one.
//!
//! What is uploaded is received ([`spool`]), looked into ([`examine`]), matched with its BOL ([`intake`]) and stored
//! (`pending`); what can't be matched waits in the [`inbox`].
//!
//! Bytes are [`crate::storage`]'s; that a link was issued is on record ([`crate::audit`]) before it exists.

pub mod bundle;
mod clamd;
pub mod courier;
mod document;
pub mod examine;
pub mod inbox;
pub mod intake;
mod kind;
mod link;
pub mod migrate;
pub mod pack;
pub mod pending;
pub mod reconcile;
pub mod spool;
mod store;
pub mod sweep;

pub use document::{Document, NewDocument, key_for, of_bol};
pub use kind::Kind;
pub use link::{Desk, Issued, LinkError, Purpose};
pub use store::{StoreError, Stored, store_next_version};
