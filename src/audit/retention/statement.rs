//! What the portal signs when it purges, and why a record of a purge doesn't count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::cutoff;
use crate::audit::seal::{Hash, NoteError, open_statement, sign_statement};
use crate::config::{SealKey, SealKeys};

/// The first line of the signed note.
const KIND: &str = "primetrade purge v1";
/// A record is written in the transaction that signs it. A copy in a later event differs by more than this.
const MAX_RECORDING: TimeDelta = TimeDelta::hours(1);

/// A purge, as the key of the log signs it: what may be missing, and under which retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeStatement {
    /// When it was signed, by the clock of the database.
    pub signed_at: DateTime<Utc>,
    /// All events of the positions are older than this.
    pub before: DateTime<Utc>,
    /// The retention in force.
    pub years: u16,
    /// Ranges of positions in the tree; the end is not included.
    pub positions: Vec<(u64, u64)>,
    /// The size of a checkpoint that contains all positions.
    pub size: u64,
    /// The root of that checkpoint, base64. Ties the statement to this log.
    pub root: String,
}

/// Why the record of a purge doesn't count. Completes "event N records a purge …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurgeFault {
    #[error(
        "that the key of the log did not sign: it was forged, or is older than signed purges. If the purge was yours, set \
         AUDIT_RETENTION_YEARS to the years of that time and run primetrade audit purge, which signs what they permit"
    )]
    Unsigned,
    #[error("whose signed statement can't be trusted: {0}")]
    Signature(#[from] NoteError),
    #[error("of other positions, dates or years than its signed statement")]
    Altered,
    #[error("with the signed statement of another event, signed at {0}")]
    Copied(DateTime<Utc>),
    #[error("of another log: this log has no checkpoint of {0} leaves with the signed root")]
    OtherLog(u64),
    #[error("of events before {before}, which are younger than the {years} years that it was signed under")]
    TooYoung { before: DateTime<Utc>, years: u16 },
    #[error("of positions that can't be purged")]
    Positions,
}

impl PurgeStatement {
    pub fn sign(&self, key: &SealKey) -> Result<String, serde_json::Error> {
        sign_statement(KIND, self, key)
    }

    /// Reads a signed statement, and checks that it permits only what its own retention permits.
    pub fn open(note: &str, keys: &SealKeys) -> Result<Self, PurgeFault> {
        let statement: Self = open_statement(KIND, note, keys)?;
        let Self { signed_at, before, years, ref positions, size, .. } = statement;
        if years == 0 || before > cutoff(signed_at, years) {
            return Err(PurgeFault::TooYoung { before, years });
        }
        if positions.iter().any(|(from, to)| from >= to || *to > size) || i64::try_from(size).is_err() {
            return Err(PurgeFault::Positions);
        }
        Ok(statement)
    }

    /// Whether an event of this time can be the record that was written when the statement was signed.
    pub fn is_recorded_at(&self, at: DateTime<Utc>) -> bool {
        (at - self.signed_at).abs() <= MAX_RECORDING
    }

    /// Whether the events were old enough for a retention of so many years.
    pub fn honors(&self, years: u16) -> bool {
        self.before <= cutoff(self.signed_at, years)
    }

    pub fn has_root(&self, root: &Hash) -> bool {
        self.root == STANDARD.encode(root)
    }
}
