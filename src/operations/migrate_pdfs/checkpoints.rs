//! Migration of the log's checkpoints, which `audit verify` expects in the storage. It copies the files of the folder,
//! not the database's rows, because verification compares the two.

use futures_util::stream::{self, StreamExt};
use sha2::{Digest, Sha256};

use super::{Fate, MAX_AT_ONCE, Migration, Tally, with_retries};
use crate::audit::seal::CHECKPOINT_PREFIX;
use crate::storage::{ObjectKey, StorageError};

impl Migration<'_> {
    /// Moves every checkpoint of the folder, and calls `failed` with the name and reason of each failure.
    pub async fn checkpoints(&self, mut failed: impl FnMut(&str, &str)) -> Tally {
        let mut tally = Tally::default();
        let names = match self.source.names(CHECKPOINT_PREFIX).await {
            Ok(names) => names,
            Err(error) => {
                failed(CHECKPOINT_PREFIX, &error);
                tally.count(&Fate::Failed(error));
                return tally;
            }
        };
        let places =
            names.into_iter().filter(|name| name.ends_with(".txt")).map(|name| format!("{CHECKPOINT_PREFIX}{name}"));
        let mut moving = stream::iter(places)
            .map(|place| async move {
                let fate = self.checkpoint(&place).await.unwrap_or_else(Fate::Failed);
                (place, fate)
            })
            .buffered(MAX_AT_ONCE);
        while let Some((place, fate)) = moving.next().await {
            if let Fate::Failed(why) = &fate {
                failed(&place, why);
            }
            tally.count(&fate);
        }
        tally
    }

    async fn checkpoint(&self, place: &str) -> Result<Fate, String> {
        let key: ObjectKey = place.parse().map_err(|_| "its path is not a valid object key".to_owned())?;
        let bytes = self.source.note(place).await?;
        let (size, sha256) = (bytes.len() as u64, Sha256::digest(&bytes).into());
        if self.dry_run {
            let there = with_retries(async || self.bucket.head(&key).await).await?;
            return Ok(if there.is_some() { Fate::Exists } else { Fate::WouldUpload });
        }
        with_retries(async || match self.bucket.put(&key, bytes.clone(), sha256).await {
            Ok(()) => Ok(Fate::Uploaded),
            Err(StorageError::Exists(_)) if self.bucket.has_same(&key, size, sha256).await? => Ok(Fate::Exists),
            Err(StorageError::Exists(_)) => Ok(Fate::Failed("the bucket has a different object under its name".into())),
            Err(error) => Err(error),
        })
        .await
    }
}
