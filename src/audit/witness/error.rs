//! Why a witness can't be read or written, with what to do.

use super::Fault;
use crate::audit::seal::NoteError;
use crate::db::DbError;
use crate::storage::{Cause, StorageError};

#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("the witness {place} can't be read: {why}")]
    Unreadable { place: String, why: String },
    #[error(
        "the witness {place} isn't there: check the path, or send checkpoints to it first, with primetrade audit witness"
    )]
    Missing { place: String },
    #[error(
        "the witness {place} has no checkpoints, so there is nothing to compare: send them first, with primetrade audit witness"
    )]
    Empty { place: String },
    #[error(
        "the witness {place} can't be listed: it answers GET with {status}. Save its checkpoints, one after the other, as a \
         file, and use --witness FILE"
    )]
    Unlisted { place: String, status: u16 },
    #[error(
        "{fault}. Nothing was sent to {place}. Keep the witness as it is, and find out who changed it: primetrade audit \
         verify --witness"
    )]
    Faulty { place: String, fault: Fault },
    #[error(
        "the log was rewritten: the checkpoint of {size} events in the witness {place} has a different root than the log. \
         Nothing was sent. Keep the witness as it is, and run primetrade audit verify --witness"
    )]
    Forked { place: String, size: u64 },
    #[error(
        "the log was cut: the witness {place} has a checkpoint of {size} events, the log has {leaves}. It was truncated, or \
         restored from an old backup. Nothing was sent. Keep the witness as it is, and run primetrade audit verify --witness"
    )]
    CutOff { place: String, size: u64, leaves: u64 },
    #[error("checkpoint {size} of the log was changed: {why}. Nothing was sent. Run primetrade audit verify")]
    Changed { size: u64, why: String },
    #[error(
        "the witness {place} has another checkpoint of {size} events than the log: the log was rewritten. It was not \
         overwritten. Run primetrade audit verify --witness"
    )]
    Conflict { place: String, size: u64 },
    #[error("the checkpoint of {size} events can't be sent to {place}: {why}. The next run continues there")]
    Unwritable { place: String, size: u64, why: String },
}

crate::db::query_error_into!(WitnessError);

impl WitnessError {
    pub(super) fn changed(size: u64, error: NoteError) -> Self {
        Self::Changed { size, why: error.to_string() }
    }
}

/// Says what an operator can do about a failure of the witness's storage.
pub(super) fn explained(error: &StorageError) -> String {
    let StorageError::Unavailable(failure) = error else { return error.to_string() };
    let advice = match failure.cause {
        Cause::AccessDenied => {
            "allow s3:ListBucket on the bucket and s3:GetObject and s3:PutObject on its objects to the witness's credentials \
             (WITNESS_AWS_…)"
        }
        Cause::NoSuchBucket => "create the bucket, best in an account of its own, or correct its name",
        Cause::NoCredentials | Cause::UnknownKey | Cause::WrongSecret | Cause::ExpiredCredentials => {
            "check WITNESS_AWS_PROFILE, or WITNESS_AWS_ACCESS_KEY_ID and WITNESS_AWS_SECRET_ACCESS_KEY"
        }
        Cause::WrongRegion => "set WITNESS_AWS_REGION to the region of the bucket",
        Cause::Unreachable | Cause::NotS3 => "check the network and WITNESS_AWS_ENDPOINT_URL, then try again",
        Cause::Other => "check the place and your rights there",
        cause => cause.advice(),
    };
    format!("{failure}; {advice}")
}
