//! The life of a document: the only way from a file to a stored document.
//!
//! A document whose object is not in the storage yet is `pending`, and only the office's tools see it.
//!
//! 1. [`begin`] inserts the row as pending; [`begin_filing`] makes a document of the inbox pending for its BOL. The
//!    caller commits.
//! 2. [`DocumentStore::store`] puts the object, with its SHA-256, under a key that must be new. It holds no database
//!    connection in this step.
//! 3. One transaction marks the row stored and writes the caller's event. If the put fails, [`abort`] undoes step 1.
//!
//! A process that ends in between leaves a pending row. Uploading the same file again resumes it ([`resume`]);
//! otherwise the sweeper ([`super::sweep`]) finishes or aborts it once it is
//! older than [`super::sweep::ABANDONED_AFTER`].
//!
//! Two modes skip the pending state. [`store_in_transaction`] puts the object before the transaction commits, so that a
//! BOL never exists without its PDF. [`register`] makes the row of an object that is already in the storage.
//!
//! [`version`] says which version of a document is current, first and next.

mod begin;
mod finish;
mod in_transaction;
mod put;
mod store;
pub mod version;

pub use begin::{
    Attempt, FileDigest, NewDocument, Pending, begin, begin_filing, register, register_all, release, resume,
};
pub use finish::{Finished, abort, finish, lock_bol, unfile};
pub use in_transaction::{NextVersion, Stored, store_in_transaction};
pub(crate) use store::store_error_into;
pub use store::{DocumentStore, StoreError};
