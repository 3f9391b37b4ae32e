//! Checkpoints outside of the database: in the storage, and those that an auditor has kept.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::{Difference, Differences, VerifyError};
use crate::audit::seal::{CHECKPOINT_PREFIX, Checkpoint, checkpoint_key, size_of_name};
use crate::config::SealKeys;
use crate::db::schema::audit_checkpoints;
use crate::storage::{Storage, StorageError};

const MAX_CONCURRENT_REQUESTS: usize = 16;
/// Checkpoints of one query.
const BATCH: usize = 500;

/// Lists the sizes of the checkpoints in the storage, in order. Ignores objects with other names.
pub async fn list(storage: &Storage) -> Result<Vec<u64>, StorageError> {
    let (mut listing, mut sizes) = (storage.list(CHECKPOINT_PREFIX), Vec::new());
    while let Some(listed) = listing.recv().await {
        let listed = listed?;
        sizes.extend(listed.key.strip_prefix(CHECKPOINT_PREFIX).and_then(size_of_name));
    }
    sizes.sort_unstable();
    Ok(sizes)
}

/// The published checkpoints according to the database.
pub struct PublishedCheckpoints<'a> {
    /// Sizes of published checkpoints, in order.
    pub sizes: &'a [u64],
    /// The number of leaves.
    pub leaves: u64,
}

/// Compares the checkpoints in the storage with the database, in both directions.
pub async fn compare(
    connection: &mut AsyncPgConnection,
    storage: &Storage,
    listed: Vec<u64>,
    PublishedCheckpoints { sizes: published, leaves }: PublishedCheckpoints<'_>,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    for page in listed.chunks(BATCH) {
        let notes = notes(connection, page).await?;
        let known = page.iter().filter_map(|size| Some((*size, notes.get(size)?)));
        let same =
            stream::iter(known.map(|(size, note)| async move { Ok((size, is_same(storage, size, note).await?)) }));
        let mut changed: Vec<u64> = same
            .buffered(MAX_CONCURRENT_REQUESTS)
            .try_filter_map(|(size, same)| async move { Ok::<_, StorageError>((!same).then_some(size)) })
            .try_collect()
            .await?;
        changed.sort_unstable();
        for size in page {
            let key = checkpoint_key(*size);
            if changed.contains(size) {
                differences.add(Difference::ObjectChanged(key, *size));
            } else if notes.contains_key(size) {
            } else if *size > leaves {
                differences.add(Difference::DatabaseCutOff { key, leaves });
            } else {
                differences.add(Difference::ObjectUnknown(key));
            }
        }
    }
    for size in published.iter().filter(|size| listed.binary_search(size).is_err()) {
        // It may have been published after the listing.
        if storage.head(&checkpoint_key(*size)).await?.is_none() {
            differences.add(Difference::ObjectMissing(checkpoint_key(*size)));
        }
    }
    Ok(())
}

async fn notes(connection: &mut AsyncPgConnection, sizes: &[u64]) -> QueryResult<HashMap<u64, String>> {
    let sizes: Vec<i64> = sizes.iter().map(|size| size.cast_signed()).collect();
    let notes: Vec<(i64, String)> = audit_checkpoints::table
        .filter(audit_checkpoints::size.eq_any(sizes))
        .select((audit_checkpoints::size, audit_checkpoints::note))
        .load(connection)
        .await?;
    Ok(notes.into_iter().map(|(size, note)| (size.cast_unsigned(), note)).collect())
}

async fn is_same(storage: &Storage, size: u64, note: &str) -> Result<bool, StorageError> {
    storage.has_same(&checkpoint_key(size), note.len() as u64, Sha256::digest(note).into()).await
}

/// Compares a checkpoint that an auditor has kept.
pub async fn compare_kept(
    connection: &mut AsyncPgConnection,
    (name, note): (&str, &str),
    keys: &SealKeys,
    differences: &mut Differences,
) -> Result<(), VerifyError> {
    let name = name.to_owned();
    let kept = match Checkpoint::open(note, keys) {
        Ok(kept) => kept,
        Err(error) => {
            differences.add(Difference::Kept { name, error });
            return Ok(());
        }
    };
    let size = kept.size;
    match notes(connection, &[size]).await?.remove(&size) {
        None => differences.add(Difference::KeptMissing { name, size }),
        // One that can't be opened was reported earlier.
        Some(ours) if Checkpoint::open(&ours, keys).is_ok_and(|ours| ours.root != kept.root) => {
            differences.add(Difference::KeptDiffers { name, size });
        }
        Some(_) => {}
    }
    Ok(())
}
