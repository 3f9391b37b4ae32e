//! Versions of objects: a versioned bucket keeps what was overwritten or deleted.
//!
//! The portal never overwrites or deletes an object, so someone else did. The same bytes put twice, as after a lost answer, are a notice.
//! Streamed, with the versions of one object in memory.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Difference, Differences, VerifyError};
use crate::audit::seal::CHECKPOINT_PREFIX;
use crate::db::schema::documents;
use crate::storage::{Cause, ListedVersion, Storage, StorageError};

/// The folders of documents and checkpoints.
const FOLDERS: [&str; 3] = [CHECKPOINT_PREFIX, "bols/", "inbox/"];
/// Versions of one object that are compared by their checksums. Beyond, entity tags decide.
const MAX_COMPARED: usize = 16;
/// Objects that a notice names.
const MAX_NAMED: usize = 3;

/// What the versions of a bucket show.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// Versions and delete markers that were looked at. `None`: the storage keeps none, or doesn't list them.
    pub count: Option<u64>,
    /// Why versions could not be listed, although the storage may keep them.
    pub unread: Option<String>,
    pub notices: Vec<String>,
    /// Keys with the same content more than once.
    repeated: Named,
    /// Keys without a document that were overwritten or deleted.
    foreign: Named,
}

/// The first keys, and the number of all.
#[derive(Clone, Debug, Default)]
struct Named {
    first: Vec<String>,
    count: u64,
}

/// The versions of one object, the first of them, and what all have in common.
struct Object {
    key: String,
    versions: Vec<ListedVersion>,
    /// Versions beyond [`MAX_COMPARED`].
    more: u64,
    /// Whether all versions have the same size and entity tag.
    has_one_etag: bool,
    newest: DateTime<Utc>,
    /// The newest delete marker.
    deleted: Option<DateTime<Utc>>,
    is_deleted: bool,
}

/// Looks at all versions of documents and checkpoints.
pub async fn compare(
    connection: &mut AsyncPgConnection,
    storage: &Storage,
    differences: &mut Differences,
) -> Result<Versions, VerifyError> {
    let mut found = Versions::default();
    for folder in FOLDERS {
        let Some(mut listing) = storage.versions(folder) else { return Ok(found) };
        let mut object: Option<Object> = None;
        while let Some(version) = listing.recv().await {
            let version = match version {
                Ok(version) => version,
                Err(StorageError::Unavailable(failure)) if failure.cause == Cause::NotOffered => {
                    found
                        .notices
                        .push("the storage doesn't list versions, so overwritten objects leave no trace".into());
                    return Ok(Versions { count: None, ..found });
                }
                Err(StorageError::Unavailable(failure)) if failure.cause == Cause::AccessDenied => {
                    found.unread = Some(format!("{failure}"));
                    found.notices.push(
                        "versions in the bucket can't be listed, so overwritten and deleted objects were not looked for: allow \
                         s3:ListBucketVersions as primetrade storage policy says"
                            .into(),
                    );
                    return Ok(Versions { count: None, ..found });
                }
                Err(error) => return Err(error.into()),
            };
            found.count = Some(found.count.unwrap_or_default() + 1);
            match &mut object {
                Some(object) if object.key == version.key => object.add(version),
                _ => {
                    if let Some(whole) = object.replace(Object::new(version)) {
                        found.judge(connection, storage, whole, differences).await?;
                    }
                }
            }
        }
        if let Some(whole) = object {
            found.judge(connection, storage, whole, differences).await?;
        }
        found.count.get_or_insert(0);
    }
    found.add_notices();
    Ok(found)
}

impl Object {
    fn new(version: ListedVersion) -> Self {
        let (key, newest) = (version.key.clone(), version.modified);
        let (versions, more, has_one_etag) = (Vec::new(), 0, true);
        let mut object = Self { key, versions, more, has_one_etag, newest, deleted: None, is_deleted: false };
        object.add(version);
        object
    }

    fn add(&mut self, version: ListedVersion) {
        if version.is_delete_marker {
            self.deleted = self.deleted.max(Some(version.modified));
            self.is_deleted |= version.is_latest;
            return;
        }
        self.newest = self.newest.max(version.modified);
        if let [first, ..] = self.versions.as_slice() {
            self.has_one_etag &= first.size == version.size && first.etag == version.etag;
        }
        match self.versions.len() < MAX_COMPARED {
            true => self.versions.push(version),
            false => self.more += 1,
        }
    }

    /// Returns whether the portal alone can't have made it: it has more than one version, or a delete marker.
    fn is_suspicious(&self) -> bool {
        self.versions.len() > 1 || self.deleted.is_some()
    }

    /// Returns whether all versions have the same bytes. Entity tags decide where the store keeps no checksum.
    async fn has_one_content(&self, storage: &Storage) -> Result<bool, StorageError> {
        let mut sums = Vec::new();
        for version in self.versions.iter().filter(|_| self.more == 0 && self.versions.len() > 1) {
            match storage.version_sha256(version).await {
                Ok(Some(sum)) => sums.push((version.size, sum)),
                // No checksum, or no permission to read it.
                Ok(None) => return Ok(self.has_one_etag),
                Err(StorageError::Unavailable(failure)) if failure.cause == Cause::AccessDenied => {
                    return Ok(self.has_one_etag);
                }
                Err(error) => return Err(error),
            }
        }
        if sums.is_empty() {
            return Ok(self.has_one_etag);
        }
        Ok(sums.windows(2).all(|pair| pair[0] == pair[1]))
    }
}

impl Versions {
    async fn judge(
        &mut self,
        connection: &mut AsyncPgConnection,
        storage: &Storage,
        object: Object,
        differences: &mut Differences,
    ) -> Result<(), VerifyError> {
        if !object.is_suspicious() {
            return Ok(());
        }
        let is_same = object.has_one_content(storage).await?;
        if is_same && !object.is_deleted {
            self.repeated.add(object.key);
        } else if !is_known(connection, &object.key).await? {
            self.foreign.add(object.key);
        } else if !is_same {
            let (versions, at) = (object.versions.len() as u64 + object.more, object.newest);
            differences.add(Difference::ObjectOverwritten { key: object.key, versions, at });
        } else {
            let at = object.deleted.unwrap_or(object.newest);
            differences.add(Difference::ObjectDeleted { key: object.key, at });
        }
        Ok(())
    }

    fn add_notices(&mut self) {
        if let Some(text) = self.repeated.text() {
            self.notices.push(format!("stored more than once, or again after a deletion, with the same bytes: {text}"));
        }
        if let Some(text) = self.foreign.text() {
            self.notices.push(format!("overwritten or deleted in the bucket, but no document of the portal: {text}"));
        }
    }
}

impl Named {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.first.len() < MAX_NAMED {
            self.first.push(key);
        }
    }

    /// Returns `None` without keys.
    fn text(&self) -> Option<String> {
        let more = self.count - self.first.len() as u64;
        let text = self.first.join(", ");
        match (self.count, more) {
            (0, _) => None,
            (_, 0) => Some(text),
            _ => Some(format!("{text} and {more} more")),
        }
    }
}

/// Returns whether an object is a checkpoint or belongs to a document. A person may remove others by hand.
async fn is_known(connection: &mut AsyncPgConnection, key: &str) -> QueryResult<bool> {
    if key.starts_with(CHECKPOINT_PREFIX) {
        return Ok(true);
    }
    diesel::select(exists(documents::table.filter(documents::object_key.eq(key)))).get_result(connection).await
}
