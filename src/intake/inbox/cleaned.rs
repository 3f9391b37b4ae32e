//! Files a quarantined document as a copy that only shows its pages, and a photo that was left without a PDF as one. The
//! original stays, for the office alone.

use std::convert::Infallible;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::stream;
use serde_json::json;

use super::{FileError, Inbox, WaitingFile};
use crate::bols::BolNumber;
use crate::db::schema::documents;
use crate::documents::Kind;
use crate::documents::lifecycle::{self, Attempt, FileDigest, NewDocument, Pending, version};
use crate::intake::examine::{ExamineError, Examiner, MAX_CLEANED_BYTES};
use crate::intake::place::locked_place;
use crate::storage::spool::{ReceiveError, Spooled};
use crate::storage::{ObjectKey, StorageError};

impl Inbox<'_> {
    /// Files a cleaned copy with a BOL, as the next version of its kind there, and returns the id of the copy. The
    /// original leaves the inbox.
    pub async fn file_cleaned(
        &self,
        id: i64,
        number: &BolNumber,
        kind: Kind,
        examiner: &Examiner,
    ) -> Result<i64, FileError> {
        let found = self.find(id).await?;
        let cleaned = self.cleaned(&found, examiner).await?;
        let begun = self.db.transaction(async |connection| {
            let Some(place) = locked_place(connection, number).await? else {
                return Err(FileError::NoBol(number.clone()));
            };
            claim(connection, id).await?;
            let slot = version::next(connection, (place.id, number), kind).await?;
            self.begin_copy(connection, (id, &found), slot, &cleaned).await
        });
        let pending = match begun.await {
            Ok(pending) => pending,
            Err(FileError::Gone) => return Err(self.find(id).await.err().unwrap_or(FileError::Gone)),
            Err(error) => return Err(error),
        };
        let original = json!({"document": id, "sha256": hex::encode(&found.sha256), "quarantine": found.quarantine});
        let of = if found.is_photo() { "photo" } else { "cleaned_copy_of" };
        let detail = json!({"file": found.arrived_as, "found": found.found, of: original});
        let is_filed = self.store_filed(&pending, &cleaned.content(), detail).await?;
        if is_filed { Ok(pending.id) } else { Err(FileError::UnderWay) }
    }

    /// Makes the copy in a confined process, and examines it like an upload.
    async fn cleaned(&self, found: &WaitingFile, examiner: &Examiner) -> Result<Spooled, FileError> {
        let key: ObjectKey = found.object_key.parse().map_err(|_| FileError::Gone)?;
        let original = self.spool.fetch(self.storage, &key).await?;
        let unavailable = |error: ExamineError| match error {
            ExamineError::Fault(_) => FileError::Unclean,
            ExamineError::Unavailable(error) => StorageError::unavailable(error).into(),
        };
        let cleaned = if found.is_photo() {
            // A clerk has seen whether the photo is whole.
            examiner.photo_pdf(&original, self.spool).await.map_err(unavailable)?.0
        } else {
            let bytes = examiner.clean(&original).await.map_err(unavailable)?.ok_or(FileError::Unclean)?;
            let chunks = stream::iter([Ok::<_, Infallible>(bytes)]);
            self.spool.receive(chunks, MAX_CLEANED_BYTES as u64).await.map_err(|error| match error {
                ReceiveError::Spool(error) => StorageError::unavailable(error).into(),
                ReceiveError::TooLarge | ReceiveError::Source(_) => FileError::Unclean,
            })?
        };
        let findings = examiner.examine(&cleaned.file).await.map_err(unavailable)?;
        let pages = found.pages.and_then(|pages| usize::try_from(pages).ok());
        if !findings.concerns.is_empty() || findings.known_pages() != pages || pages.is_none() {
            return Err(FileError::Unclean);
        }
        Ok(cleaned)
    }

    async fn begin_copy(
        &self,
        connection: &mut AsyncPgConnection,
        (id, found): (i64, &WaitingFile),
        slot: version::Slot,
        cleaned: &Spooled,
    ) -> Result<Pending, FileError> {
        let new = NewDocument {
            original_id: Some(id),
            uploaded_by: Some(self.viewer.user_id),
            stored_by: self.viewer.name.clone(),
            arrived_as: found.arrived_as.clone(),
            pages: found.pages.and_then(|pages| usize::try_from(pages).ok()),
            found: Some(found.found.clone()),
            ..NewDocument::at_bol(slot, FileDigest { sha256: cleaned.sha256, size: cleaned.size })
        };
        Ok(lifecycle::begin(connection, &new, None, Attempt::new(self.viewer, self.clock)).await?)
    }
}

/// Locks the original, if it is still in the inbox and no copy of it exists or is being stored.
async fn claim(connection: &mut AsyncPgConnection, id: i64) -> Result<(), FileError> {
    let original = documents::table
        .find(id)
        .filter(documents::bol_id.is_null())
        .filter(documents::state.eq("stored"))
        .filter(documents::discarded_at.is_null())
        .filter(documents::cleaned_at.is_null())
        .filter(documents::quarantine.ne(""))
        .select(documents::id)
        .for_update();
    original.first::<i64>(connection).await.optional()?.ok_or(FileError::Gone)?;
    let copy = documents::table.filter(documents::original_id.eq(id));
    if diesel::select(diesel::dsl::exists(copy)).get_result(connection).await? {
        return Err(FileError::UnderWay);
    }
    Ok(())
}
