//! Do the database and the storage agree? Both are read once, side by side, in the order of their keys, a page at a time:
//! it takes no more memory for a million keys than for a thousand.
//!
//! Work goes on meanwhile. What looks like a difference is looked at again before it is reported, and what is younger than
//! an upload takes is none.

mod compare;
mod mend;
mod rows;

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::DbError;
use crate::storage::StorageError;

pub use compare::{Depth, compare};
pub use mend::{Adopted, Adopter, Mended, mend};

/// An object may be there before its row is.
const UNDER_WAY: TimeDelta = TimeDelta::minutes(15);
/// A pending row that is older should have been settled.
const STUCK: TimeDelta = TimeDelta::hours(1);
/// So many in a row that can't be looked into, and it is the storage.
const MAX_UNREADABLE: usize = 50;
/// Where other parts of the program keep what is no document.
const NOT_DOCUMENTS: [&str; 2] = ["audit/", crate::storage::CHECKS];

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the storage lists {0:?} behind {1:?}, which is not the order of keys; it can't be compared")]
    OutOfOrder(String, String),
}

crate::db::query_error_into!(ReconcileError);

/// A document, or the copy of one under the key it arrived with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub document: i64,
    pub key: String,
    pub size: u64,
    pub sha256: Vec<u8>,
    /// Since when it has been on its way into the storage, if it is.
    pub pending_since: Option<DateTime<Utc>>,
    /// It isn't what is served, but what the served one was filed from.
    pub is_copy: bool,
}

/// One thing that isn't as it should be.
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
    /// The storage has it, and doesn't give it; with its reason.
    Unreadable(Expected, String),
    /// On its way for more than an hour.
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

    /// For scripts.
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

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Keys that the database names.
    pub expected: u64,
    /// Objects that the storage lists.
    pub listed: u64,
    /// In bytes.
    pub bytes: u64,
    /// In both, and as they should be.
    pub agreed: u64,
    /// Whose checksum was compared too.
    pub checked: u64,
    /// Uploads that were going on.
    pub under_way: u64,
    /// Objects of other parts of the program.
    pub others: u64,
    pub differences: u64,
}
