//! Whether the checkpoints of the log are locked.

use super::unanswered;
use crate::cli::findings::{Findings, Verdict};
use crate::storage::s3::bucket::Setting;
use crate::storage::s3::desired::lock_text;
use crate::storage::{Cause, CheckpointLock, S3Store, StorageError};

const ADVICE: &str =
    "optional: primetrade storage setup --lock-checkpoints YEARS, so that no one can delete a checkpoint";

pub(super) async fn check(store: &S3Store, findings: &mut Findings) {
    let label = Setting::ObjectLock.label();
    let lock = match store.checkpoint_lock().await {
        Ok(lock) => lock,
        Err(StorageError::Unavailable(failure)) => return findings.failure(label, &failure),
        Err(error) => return findings.error(label, &error),
    };
    match (store.has_object_lock().await, lock) {
        (Ok(true), Some(CheckpointLock { years })) => {
            findings.ok(label, lock_text(years));
        }
        // The server asks for a lock with each checkpoint, and the bucket refuses it.
        (Ok(false), Some(_)) => findings.say(
            label,
            Verdict::Fail,
            "checkpoints should be locked, but the bucket has no Object Lock",
            "run: primetrade storage setup --lock-checkpoints YEARS; until then no checkpoint can be stored",
        ),
        (Ok(_), None) => findings.say(label, Verdict::Ok, "checkpoints are not locked", ADVICE),
        (Err(failure), None) if failure.cause == Cause::NotOffered => {
            findings.say(label, Verdict::Ok, "checkpoints are not locked: the server has no Object Lock", "");
        }
        (Err(failure), _) => unanswered(findings, Setting::ObjectLock, &failure),
    }
}
