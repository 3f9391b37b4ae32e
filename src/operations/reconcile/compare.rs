//! The comparison of the database's keys with the storage's listing.

use std::cmp::Ordering;

use chrono::Utc;
use tokio::task::JoinSet;

use super::rows::{KeyRows, under};
use super::{Compared, Difference, Expected, MAX_UNREADABLE, NOT_DOCUMENTS, ReconcileError, STUCK};
use crate::clock::Clock;
use crate::db::Database;
use crate::documents::sweep::ABANDONED_AFTER;
use crate::storage::{ListedObject as Listed, ObjectKey, Storage, StorageError};

/// How thoroughly an object is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Compare the sizes of the listing.
    Sizes,
    /// Compare the checksum that the storage keeps (one HEAD each), or the bytes where it keeps none.
    Checksums,
    /// Read and compare the bytes.
    Bytes,
}

/// Objects checked at a time.
const AT_ONCE: usize = 32;

/// A comparison of the database with the storage.
pub struct Comparison<'a> {
    pub db: &'a Database,
    pub storage: &'a Storage,
    pub clock: &'a Clock,
    pub depth: Depth,
}

impl Comparison<'_> {
    /// Reports every difference and returns the totals. Calls `progress` from time to time with the totals so far.
    pub async fn run(
        &self,
        report: impl FnMut(Difference),
        mut progress: impl FnMut(&Compared),
    ) -> Result<Compared, ReconcileError> {
        let (done, inspections) = (Compared::default(), JoinSet::new());
        let mut run = Run { comparison: self, report, done, inspections, unreadable: 0 };
        let (mut rows, mut objects) = (KeyRows::new(self.db), self.storage.list(""));
        let mut expected = rows.next().await?;
        let mut listed = objects.recv().await.transpose()?;
        loop {
            let order = match (&expected, &listed) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(expected), Some(listed)) => expected.key.as_bytes().cmp(listed.key.as_bytes()),
            };
            if order != Ordering::Greater
                && let Some(this) = expected.take()
            {
                run.pass_expected(this, listed.as_ref().filter(|_| order == Ordering::Equal)).await?;
                expected = rows.next().await?;
            }
            // Two documents may name one object. The loop moves past the object after the last of them.
            let is_passed =
                listed.as_ref().is_some_and(|found| expected.as_ref().is_none_or(|next| next.key != found.key));
            if order != Ordering::Less
                && is_passed
                && let Some(found) = listed.take()
            {
                run.pass_listed(&found, order == Ordering::Greater).await?;
                listed = objects.recv().await.transpose()?;
                if let Some(next) = listed.as_ref().filter(|next| next.key.as_bytes() <= found.key.as_bytes()) {
                    return Err(ReconcileError::OutOfOrder(next.key.clone(), found.key));
                }
            }
            run.wait_for_inspections(AT_ONCE - 1).await?;
            if (run.done.expected + run.done.listed).is_multiple_of(500) {
                progress(&run.done);
            }
        }
        run.wait_for_inspections(0).await?;
        progress(&run.done);
        Ok(run.done)
    }
}

/// A comparison in progress.
struct Run<'a, F> {
    comparison: &'a Comparison<'a>,
    report: F,
    done: Compared,
    /// Separate tasks check objects while the comparison reads on.
    inspections: JoinSet<Inspected>,
    /// Consecutive unreadable objects.
    unreadable: usize,
}

/// The result of checking an object.
enum Inspected {
    AsListed,
    Same,
    Other(Expected),
    Gone(Expected),
    Not(Expected, StorageError),
}

async fn inspect(storage: Storage, expected: Expected, depth: Depth) -> Inspected {
    match inspected(&storage, expected.clone(), depth).await {
        Ok(result) => result,
        Err(error) => Inspected::Not(expected, error),
    }
}

async fn inspected(storage: &Storage, expected: Expected, depth: Depth) -> Result<Inspected, StorageError> {
    let Ok(key) = expected.key.parse::<ObjectKey>() else { return Ok(Inspected::AsListed) };
    let kept = match depth {
        Depth::Sizes => return Ok(Inspected::AsListed),
        Depth::Checksums => match storage.head(&key).await? {
            Some(found) => found.sha256,
            None => return Ok(Inspected::Gone(expected)),
        },
        Depth::Bytes => None,
    };
    let sha256 = match kept {
        Some(kept) => Ok(kept),
        None => storage.hash(&key).await,
    };
    match sha256 {
        Ok(sha256) if sha256[..] == expected.sha256 => Ok(Inspected::Same),
        Ok(_) => Ok(Inspected::Other(expected)),
        Err(StorageError::Missing(_)) => Ok(Inspected::Gone(expected)),
        // An archived object can't be read for some hours. Its size agreed.
        Err(StorageError::Archived(_)) => Ok(Inspected::AsListed),
        Err(error) => Err(error),
    }
}

impl<F: FnMut(Difference)> Run<'_, F> {
    /// Passes a key that the database names, with the object that the storage lists under it.
    async fn pass_expected(&mut self, expected: Expected, listed: Option<&Listed>) -> Result<(), ReconcileError> {
        self.done.expected += 1;
        let Some(listed) = listed else { return self.missing(expected).await };
        if let Some(expected) = self.by_size(expected, listed).await? {
            let Comparison { storage, depth, .. } = *self.comparison;
            self.inspections.spawn(inspect(storage.clone(), expected, depth));
        }
        Ok(())
    }

    /// Passes an object that the storage lists.
    async fn pass_listed(&mut self, listed: &Listed, is_orphan: bool) -> Result<(), ReconcileError> {
        self.done.listed += 1;
        self.done.bytes += listed.size;
        if is_orphan { self.orphan(listed).await } else { Ok(()) }
    }

    /// Waits until at most `left` inspections are still running.
    async fn wait_for_inspections(&mut self, left: usize) -> Result<(), ReconcileError> {
        while self.inspections.len() > left
            && let Some(result) = self.inspections.join_next().await
        {
            self.inspected(result.map_err(StorageError::unavailable)?).await?;
        }
        Ok(())
    }

    fn differs(&mut self, difference: Difference) {
        self.done.differences += 1;
        (self.report)(difference);
    }

    /// Whether the database still expects this: the portal may have changed it during the comparison.
    async fn still(&self, expected: &Expected) -> Result<bool, ReconcileError> {
        let now = under(&mut *self.comparison.db.get().await?, &expected.key).await?;
        Ok(now.contains(expected))
    }

    async fn missing(&mut self, expected: Expected) -> Result<(), ReconcileError> {
        if let Some(since) = expected.pending_since {
            return self.pending(expected, since).await;
        }
        if !self.still(&expected).await? {
            self.done.under_way += 1;
            return Ok(());
        }
        let found = match expected.key.parse::<ObjectKey>() {
            Ok(key) => self.comparison.storage.head(&key).await?,
            Err(_) => None,
        };
        match found {
            Some(_) => self.done.under_way += 1,
            None => self.differs(Difference::Missing(expected)),
        }
        Ok(())
    }

    async fn pending(&mut self, expected: Expected, since: chrono::DateTime<Utc>) -> Result<(), ReconcileError> {
        if self.comparison.clock.now() - since > STUCK && self.still(&expected).await? {
            self.differs(Difference::Stuck(expected));
        } else {
            self.done.under_way += 1;
        }
        Ok(())
    }

    /// Compares the sizes. Returns the object if they agree, for a closer check.
    async fn by_size(&mut self, expected: Expected, found: &Listed) -> Result<Option<Expected>, ReconcileError> {
        if let Some(since) = expected.pending_since {
            self.pending(expected, since).await?;
            return Ok(None);
        }
        if expected.size == found.size {
            return Ok(Some(expected));
        }
        if self.still(&expected).await? {
            self.differs(Difference::Size { expected, found: found.size });
        }
        Ok(None)
    }

    async fn inspected(&mut self, result: Inspected) -> Result<(), ReconcileError> {
        self.unreadable = if matches!(result, Inspected::Not(..)) { self.unreadable + 1 } else { 0 };
        match result {
            Inspected::Not(_, error) if self.unreadable > MAX_UNREADABLE => return Err(error.into()),
            Inspected::Not(expected, error) => self.differs(Difference::Unreadable(expected, error.to_string())),
            Inspected::AsListed => self.done.agreed += 1,
            Inspected::Same => {
                self.done.agreed += 1;
                self.done.checked += 1;
            }
            Inspected::Gone(expected) => self.missing(expected).await?,
            Inspected::Other(expected) => {
                if self.still(&expected).await? {
                    self.differs(Difference::Checksum(expected));
                }
            }
        }
        Ok(())
    }

    async fn orphan(&mut self, found: &Listed) -> Result<(), ReconcileError> {
        if NOT_DOCUMENTS.iter().any(|folder| found.key.starts_with(folder)) {
            self.done.others += 1;
        } else if self.comparison.clock.now() - found.modified < ABANDONED_AFTER
            || !under(&mut *self.comparison.db.get().await?, &found.key).await?.is_empty()
        {
            self.done.under_way += 1;
        } else {
            self.differs(Difference::Orphan { key: found.key.clone(), size: found.size });
        }
        Ok(())
    }
}
