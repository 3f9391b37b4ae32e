//! The document that keeps a photo, beside the one of its PDF.
//!
//! Both begin in one transaction and become stored in one. The photo is never filed with a BOL, so no customer can open it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Claim, parsed};
use crate::db::schema::documents;
use crate::documents::lifecycle::{self, FileDigest, NewDocument, Pending};
use crate::intake::photo::{self, Photo};
use crate::storage::ObjectKey;
use crate::storage::content_type;
use crate::storage::spool::Spooled;

impl Claim<'_> {
    /// Begins a new document, and the one that keeps its photo.
    pub(super) async fn begin(
        &self,
        connection: &mut AsyncPgConnection,
        new: NewDocument,
        customer: Option<i64>,
    ) -> QueryResult<(Pending, Option<Pending>)> {
        let (original_id, photo) = match self.photo {
            Some(photo) => self.keep(connection, photo).await.map(|(id, pending)| (Some(id), pending))?,
            None => (None, None),
        };
        let new = NewDocument { original_id, ..self.with_findings(new) };
        Ok((lifecycle::begin(connection, &new, customer, self.attempt()).await?, photo))
    }

    /// Finds the document of the photo or begins it. Returns its id, and what is pending if it isn't stored yet.
    async fn keep(&self, connection: &mut AsyncPgConnection, photo: &Photo) -> QueryResult<(i64, Option<Pending>)> {
        let Spooled { sha256, size, .. } = photo.spooled;
        let kept: Option<(i64, String, bool)> = documents::table
            .filter(documents::sha256.eq(&sha256[..]))
            .filter(documents::content_type.ne(content_type::PDF))
            .select((documents::id, documents::object_key, documents::state.eq("stored")))
            .first(connection)
            .await
            .optional()?;
        match kept {
            Some((id, _, true)) => Ok((id, None)),
            Some((id, key, false)) => {
                let pending = Pending { id, bol_id: None, key: parsed(&key)?, sha256, since: self.attempt().since };
                Ok((id, Some(lifecycle::resume(connection, pending, self.attempt()).await?)))
            }
            None => {
                let key = self.inbox_key(&sha256, photo.format.extension());
                let new = NewDocument {
                    file_name: self.name.as_str().into(),
                    waits_for: photo::INTERRUPTED.into(),
                    quarantine: photo::QUARANTINE.into(),
                    found: None,
                    ..self.with_findings(NewDocument::in_inbox(key, self.kind, FileDigest { sha256, size }))
                };
                let pending = lifecycle::begin(connection, &new, None, self.attempt()).await?;
                Ok((pending.id, Some(pending)))
            }
        }
    }

    /// Takes over the photo of a pending document, if that isn't stored yet.
    pub(super) async fn keep_again(
        &self,
        connection: &mut AsyncPgConnection,
        document: i64,
    ) -> QueryResult<Option<Pending>> {
        let Some(photo) = self.photo else { return Ok(None) };
        let (id, pending) = self.keep(connection, photo).await?;
        let row = documents::table.find(document).filter(documents::state.eq("pending"));
        let FileDigest { sha256, size } = self.digest();
        diesel::update(row)
            .set((
                documents::original_id.eq(id),
                documents::sha256.eq(&sha256[..]),
                documents::size_bytes.eq(i64::try_from(size).unwrap_or(i64::MAX)),
            ))
            .execute(connection)
            .await?;
        Ok(pending)
    }

    pub(super) fn inbox_key(&self, sha256: &[u8; 32], extension: &str) -> ObjectKey {
        let (sha256, year) = (hex::encode(sha256), self.intake.clock.now().format("%Y"));
        let Ok(key) = format!("inbox/{year}/{sha256}.{extension}").parse() else { unreachable!("digits make a key") };
        key
    }
}
