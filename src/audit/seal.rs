//! Seals: events become leaves of one Merkle tree, batch by batch, and each batch ends in a signed checkpoint.
//!
//! Sealing runs in the background, after events are committed. A batch takes only events of transactions older than
//! the oldest open one, in the order of transactions. No later event can therefore belong before them.
//!
//! One process seals at a time. It continues from the last checkpoint in the database, and checks its signature and its
//! tree first.
//!
//! `docs/audit-format.md` specifies leaves, checkpoints and proofs for third parties.

mod backlog;
mod batch;
mod canonical;
mod checkpoint;
mod compact_range;
mod leaf;
mod multiproof;
mod note;
mod overview;
mod publish;
mod range_proof;
mod state;
mod tree;

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio::time::sleep;

pub use backlog::Backlog;
pub use checkpoint::{Checkpoint, Stated};
pub use compact_range::CompactRange;
pub use leaf::Leaf;
pub use multiproof::{Multiproof, ProofNode};
pub use note::{NoteError, open_statement, sign_statement};
pub use overview::{MAX_COUNTED, Overview};
pub use publish::{CHECKPOINT_PREFIX, checkpoint_key, publish, publish_once, size_of_name};
pub use range_proof::{RangeProof, RangeProofError};
pub use state::{Horizon, SealState};
pub use tree::Hash;

use crate::config::SealKeys;
use crate::db::{AdvisoryLock, Database, DbError, try_alone};

/// The pause between two searches for new events.
const INTERVAL: Duration = Duration::from_millis(400);
/// The pause after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(4);
/// The pause after a search through the whole log, which a restored log needs.
const SEARCH_INTERVAL: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Sealing stops: a new checkpoint would hide the damage.
    #[error("sealing has stopped because the last checkpoint, of {size} events, is damaged: {why}")]
    Broken { size: u64, why: String },
    #[error("a checkpoint can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

crate::db::query_error_into!(SealError);

/// Seals new events until the future is dropped.
pub async fn seal(db: Database, keys: SealKeys) {
    let mut last_error = String::new();
    loop {
        let pause = match seal_once(&db, &keys).await {
            Ok(sealed) => {
                if !std::mem::take(&mut last_error).is_empty() {
                    tracing::info!("sealing has resumed");
                }
                sealed.pause()
            }
            Err(error) => {
                let error = error.to_string();
                if error != last_error {
                    tracing::error!(error, "can't seal events");
                    last_error = error;
                }
                RETRY_INTERVAL
            }
        };
        sleep(pause).await;
    }
}

/// Seals all events that can be sealed now. Returns their number, or `None` if another process is sealing.
pub async fn seal_all(db: &Database, keys: &SealKeys) -> Result<Option<u64>, SealError> {
    let mut events = 0;
    loop {
        match seal_once(db, keys).await? {
            Sealed::Skipped => return Ok(None),
            Sealed::Some { events: more, is_behind: true } => events += more,
            Sealed::Some { events: more, .. } => return Ok(Some(events + more)),
            Sealed::Searched => return Ok(Some(events)),
        }
    }
}

/// The result of one attempt to seal a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Another process seals, or there is no key to sign with.
    Skipped,
    Some {
        events: u64,
        is_behind: bool,
    },
    /// The whole log was searched, without result.
    Searched,
}

impl Sealed {
    fn pause(self) -> Duration {
        match self {
            Self::Some { is_behind: true, .. } => Duration::ZERO,
            Self::Some { .. } | Self::Skipped => INTERVAL,
            Self::Searched => SEARCH_INTERVAL,
        }
    }
}

/// Seals one batch, unless another process is sealing.
pub async fn seal_once(db: &Database, keys: &SealKeys) -> Result<Sealed, SealError> {
    if keys.signs.is_none() {
        return Ok(Sealed::Skipped);
    }
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Seal).await? {
            return Ok(Sealed::Skipped);
        }
        batch::seal_batch(connection, keys).await
    })
    .await
}
