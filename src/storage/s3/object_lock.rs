//! Object Lock for the checkpoints of the log: a checkpoint that no one can delete, not even the owner of the bucket.
//!
//! Each checkpoint is put with a retention of its own, in compliance mode. The bucket gets no default retention, so
//! documents aren't locked. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>

use aws_sdk_s3::types::{ObjectLockConfiguration, ObjectLockEnabled};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::S3Store;
use super::bucket::{State, done, unless};
use super::desired::{DesiredSettings, LOCK_SETTING, lock_text};
use crate::storage::{Cause, StorageError, StorageFailure};

const MAX_SETTING_BYTES: u64 = 1000;
const MAX_YEARS: u16 = 100;

/// The lock of each new checkpoint, from the moment in which it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointLock {
    pub years: u16,
}

impl CheckpointLock {
    /// Returns the end of the lock of a checkpoint that is stored now.
    pub fn until(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.checked_add_months(Months::new(u32::from(self.years) * 12)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl S3Store {
    /// Reads the setting. An unreadable setting is an error, so that no checkpoint is stored without its lock.
    pub async fn checkpoint_lock(&self) -> Result<Option<CheckpointLock>, StorageError> {
        let Ok(key) = LOCK_SETTING.parse() else { unreachable!("a valid key") };
        let bytes = match self.read(&key, MAX_SETTING_BYTES).await {
            Ok(bytes) => bytes,
            Err(StorageError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        match serde_json::from_slice(&bytes) {
            Ok(CheckpointLock { years }) if (1..=MAX_YEARS).contains(&years) => Ok(Some(CheckpointLock { years })),
            _ => Err(StorageError::unavailable(format!(
                "{LOCK_SETTING} doesn't say for how many years checkpoints are locked: run primetrade storage setup \
                 --lock-checkpoints YEARS"
            ))),
        }
    }

    /// Returns whether the bucket can lock objects.
    pub async fn has_object_lock(&self) -> Result<bool, StorageFailure> {
        let get = self.client.get_object_lock_configuration().bucket(&self.bucket).send().await;
        let found =
            unless(get, "ObjectLockConfigurationNotFoundError")?.and_then(|found| found.object_lock_configuration);
        Ok(found.and_then(|found| found.object_lock_enabled) == Some(ObjectLockEnabled::Enabled))
    }

    pub(super) async fn object_lock(&self, wanted: &DesiredSettings) -> Result<State, StorageFailure> {
        let is_on = self.has_object_lock().await?;
        let lock = self.checkpoint_lock().await.map_err(failure_of)?;
        let found = match (is_on, lock) {
            (false, _) => "off".to_owned(),
            (true, None) => "on, but checkpoints are not locked".to_owned(),
            (true, Some(lock)) => lock_text(lock.years),
        };
        let Some(years) = wanted.lock_years else { return Ok(State::new(true, found, "")) };
        Ok(State::new(is_on && lock == Some(CheckpointLock { years }), found, lock_text(years)))
    }

    /// Turns Object Lock on, and has the server lock each new checkpoint. Keeps a default retention that is there.
    pub(super) async fn lock_checkpoints(&self, years: u16) -> Result<(), StorageFailure> {
        if !self.has_object_lock().await? {
            let on = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).build();
            let put = self.client.put_object_lock_configuration().bucket(&self.bucket);
            done(put.object_lock_configuration(on).send().await)?;
        }
        let json = serde_json::json!(CheckpointLock { years }).to_string().into_bytes();
        let put = self.client.put_object().bucket(&self.bucket).key(LOCK_SETTING).content_type("application/json");
        done(put.checksum_sha256(STANDARD.encode(Sha256::digest(&json))).body(json.into()).send().await)
    }
}

fn failure_of(error: StorageError) -> StorageFailure {
    match error {
        StorageError::Unavailable(failure) => failure,
        other => StorageFailure { cause: Cause::Other, detail: other.to_string() },
    }
}
