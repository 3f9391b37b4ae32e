//! Compares the database with the storage. Reads both once, side by side, ordered by key and page by page, in
//! constant memory.
//!
//! The portal may run during the comparison. Before it reports a difference, the comparison checks it again, and it
//! ignores objects that are younger than the longest upload.

mod compare;
mod mend;
mod rows;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::DbError;
use crate::storage::StorageError;

pub use compare::{Comparison, Depth};
pub use mend::{Adopted, Adopter, Mended, mend};

/// Age above which the sweeper should have settled a pending document.
const STUCK: TimeDelta = TimeDelta::hours(1);
/// Consecutive unreadable objects after which the storage itself counts as failed.
const MAX_UNREADABLE: usize = 50;
/// Folders of objects that are not documents.
const NOT_DOCUMENTS: [&str; 2] = ["audit/", crate::storage::CHECKS];

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the storage lists {0:?} after {1:?}, out of order, so it can't be compared")]
    OutOfOrder(String, String),
}

crate::db::query_error_into!(ReconcileError);

/// An object that a row names: the one served, or the inbox original it was filed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub document: i64,
    pub key: String,
    pub size: u64,
    pub sha256: Vec<u8>,
    /// Start of the upload, if the document is pending.
    pub pending_since: Option<DateTime<Utc>>,
    /// Whether this is the inbox original that the document was filed from, not the object that is served.
    pub is_copy: bool,
}

/// One difference between the database and the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A document without its object.
    Missing(Expected),
    /// An object without a document, and its size.
    Orphan {
        key: String,
        size: u64,
    },
    Size {
        expected: Expected,
        found: u64,
    },
    Checksum(Expected),
    /// The storage lists the object but fails to read it, for this reason.
    Unreadable(Expected, String),
    /// The document has been pending for more than an hour.
    Stuck(Expected),
}

impl Difference {
    pub fn key(&self) -> &str {
        match self {
            Self::Orphan { key, .. } => key,
            Self::Missing(expected)
            | Self::Size { expected, .. }
            | Self::Checksum(expected)
            | Self::Unreadable(expected, _)
            | Self::Stuck(expected) => &expected.key,
        }
    }

    /// Returns the name of the kind, for scripts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Orphan { .. } => "orphan",
            Self::Size { .. } => "size",
            Self::Checksum(_) => "checksum",
            Self::Unreadable(..) => "unread",
            Self::Stuck(_) => "pending",
        }
    }
}

/// Totals of the comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Keys that the database names.
    pub expected: u64,
    /// Objects that the storage lists.
    pub listed: u64,
    /// In bytes.
    pub bytes: u64,
    /// Keys in both that agree.
    pub agreed: u64,
    /// Keys whose checksum was compared.
    pub checked: u64,
    /// Uploads in progress.
    pub under_way: u64,
    /// Objects that are not documents.
    pub others: u64,
    pub differences: u64,
}
