//! The decision about a file: filed with its BOL, kept in the inbox, or recognized as a duplicate.
//!
//! One transaction compares the evidence with the BOL, its customer and every document with the same bytes. Two uploads
//! of the same bytes take turns.

mod kept;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::photo::Photo;
use super::place::{Place, locked_place};
use super::{Evidence, FileName, Intake, Outcome, Receipt, Verdict, journal, take_turns};
use crate::accounts::customers;
use crate::audit::{self, Action};
use crate::bols::BolNumber;
use crate::db::schema::{bols, documents};
use crate::documents::lifecycle::{self, Attempt, FileDigest, NewDocument, Pending, version};
use crate::documents::sweep::ABANDONED_AFTER;
use crate::documents::{DocumentSubject, Kind};
use crate::intake::examine::Findings;
use crate::storage::ObjectKey;
use crate::storage::spool::Spooled;

pub(super) struct Claim<'a> {
    pub intake: &'a Intake<'a>,
    pub name: &'a FileName,
    pub spooled: &'a Spooled,
    /// The photo of which the PDF was made.
    pub photo: Option<&'a Photo>,
    pub findings: &'a Findings,
    pub evidence: &'a Evidence,
    pub kind: Kind,
    /// The form or the list states the kind.
    pub is_kind_stated: bool,
    /// Code of the customer who should own the BOL.
    pub customer: Option<&'a str>,
    /// The same upload has put the file into the inbox already.
    pub is_again: bool,
}

pub(super) enum Claimed {
    /// There is nothing to store.
    Settled(Receipt),
    Pending(Taken),
}

/// A pending document, and what it becomes.
pub(super) struct Taken {
    pub pending: Pending,
    /// The photo, if it is to be stored too.
    pub photo: Option<Pending>,
    pub number: Option<String>,
    /// Why the document waits in the inbox.
    pub reason: Option<String>,
    /// The document moves from the inbox to a BOL.
    pub was_waiting: bool,
}

/// A document with the same bytes, or of the same photo.
#[derive(Clone, Debug, Queryable)]
struct SameFile {
    id: i64,
    bol_id: Option<i64>,
    number: Option<String>,
    is_stored: bool,
    is_discarded: bool,
    object_key: String,
    arrived_key: Option<String>,
    /// A cleaned copy of it was filed.
    is_cleaned: bool,
    /// `false`: an older version of the portal made it of the same photo.
    has_same_bytes: bool,
}

impl SameFile {
    /// Whether a clerk has removed the document from this BOL before.
    fn was_with(&self, number: &BolNumber) -> bool {
        let lay = |key: &str| key.rsplit('/').next().is_some_and(|name| name.starts_with(&format!("{number}.")));
        lay(&self.object_key) || self.arrived_key.as_deref().is_some_and(lay)
    }
}

enum Target {
    Bol { place: Place, number: BolNumber, customer: Option<i64> },
    Inbox { reason: String, is_clear: bool },
}

impl Claim<'_> {
    pub async fn take(&self, connection: &mut AsyncPgConnection) -> QueryResult<Claimed> {
        if let Some(photo) = self.photo {
            take_turns(connection, &photo.spooled.sha256).await?;
        }
        take_turns(connection, &self.spooled.sha256).await?;
        let target = self.target(connection).await?;
        let same_files = self.same_files(connection).await?;
        match target {
            Target::Bol { place, number, customer } => {
                self.at_bol(connection, same_files, place, number, customer).await
            }
            Target::Inbox { reason, is_clear } => self.at_inbox(connection, same_files, reason, is_clear).await,
        }
    }

    async fn target(&self, connection: &mut AsyncPgConnection) -> QueryResult<Target> {
        if let Some(reason) = self.findings.quarantine() {
            return Ok(Target::Inbox { reason, is_clear: false });
        }
        if let Some(reason) = self.photo.and_then(Photo::damage) {
            return Ok(Target::Inbox { reason, is_clear: false });
        }
        let inbox = |reason: String| Ok(Target::Inbox { reason, is_clear: true });
        let number = match self.evidence.verdict() {
            Verdict::Clear(number) => number,
            Verdict::Unclear(reason) => return Ok(Target::Inbox { reason, is_clear: false }),
        };
        if let Some(reason) = self.evidence.needs_kind(&number).filter(|_| !self.is_kind_stated) {
            return Ok(Target::Inbox { reason, is_clear: false });
        }
        let found = match number.parse::<BolNumber>() {
            Ok(number) => locked_place(connection, &number).await?.map(|place| (number, place)),
            Err(_) => None,
        };
        let Some((number, place)) = found else { return inbox(format!("BOL {number} doesn't exist.")) };
        if place.is_void {
            return inbox(format!("{number} is void. Find the BOL that replaces it."));
        }
        let Some(code) = self.customer else { return Ok(Target::Bol { place, number, customer: None }) };
        let Some(wanted) = customers::with_codes(connection, &[code.to_owned()]).await?.pop() else {
            return inbox(format!("No customer has the code {code}."));
        };
        match place.customer_id {
            None if !wanted.active => {
                inbox(format!("{number} has no customer, and the customer {} is inactive.", wanted.name))
            }
            None => Ok(Target::Bol { place, number, customer: Some(wanted.id) }),
            Some(id) if id == wanted.id => Ok(Target::Bol { place, number, customer: Some(id) }),
            Some(id) => {
                let owner = customers::code_of(connection, id).await?.unwrap_or_default();
                inbox(format!("{number} belongs to {owner}, but the upload says {}.", wanted.code))
            }
        }
    }

    /// Finds the documents with the same bytes, and those that were made of the same photo.
    async fn same_files(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<SameFile>> {
        let originals: Vec<Option<i64>> = match self.photo {
            Some(photo) => {
                let kept = documents::table.filter(documents::sha256.eq(&photo.spooled.sha256[..]));
                kept.select(documents::id.nullable()).load(connection).await?
            }
            None => Vec::new(),
        };
        let of_photo = documents::original_id.eq_any(originals);
        documents::table
            .left_join(bols::table)
            .filter(documents::sha256.eq(&self.spooled.sha256[..]).or(of_photo))
            .order(documents::id)
            .select((
                documents::id,
                documents::bol_id,
                bols::number.nullable(),
                documents::state.eq("stored"),
                documents::discarded_at.is_not_null(),
                documents::object_key,
                documents::arrived_key,
                documents::cleaned_at.is_not_null(),
                documents::sha256.eq(&self.spooled.sha256[..]),
            ))
            .load(connection)
            .await
    }

    async fn at_bol(
        &self,
        connection: &mut AsyncPgConnection,
        same_files: Vec<SameFile>,
        place: Place,
        number: BolNumber,
        customer: Option<i64>,
    ) -> QueryResult<Claimed> {
        let here = same_files.iter().find(|file| file.bol_id == Some(place.id));
        let elsewhere = same_files.iter().find(|file| file.bol_id.is_some_and(|id| id != place.id));
        match (here, elsewhere) {
            (Some(here), _) if here.is_stored => {
                return self.settled(connection, self.duplicate(here.id, Some(number.to_string()))).await;
            }
            (Some(here), _) => return self.resume(connection, here, Some(number.to_string()), None).await,
            (None, Some(elsewhere)) => {
                let other = elsewhere.number.as_deref().unwrap_or_default();
                let reason =
                    format!("The same file is already filed with {other}. Check whether it belongs to {number} too.");
                return self.at_inbox(connection, same_files, reason, true).await;
            }
            (None, None) => {}
        }
        let slot = version::next(connection, (place.id, &number), self.kind).await?;
        let waiting = same_files.iter().find(|file| file.bol_id.is_none());
        let was_waiting = waiting.is_some_and(|file| file.is_stored);
        let (pending, photo) = match waiting {
            Some(waiting) if waiting.is_discarded => {
                return self.out_of_the_bin(connection, waiting.id, &format!("The file names {number}.")).await;
            }
            // A clerk removed it from this BOL. Uploading the file again doesn't reverse that.
            Some(waiting) if waiting.was_with(&number) => {
                let reason = format!("The file names {number}, but a clerk removed it from there.");
                return self.still_waiting(connection, waiting.id, reason).await;
            }
            Some(waiting) if !waiting.has_same_bytes => {
                let reason = format!("The photo names {number}. Check its PDF, and file it there.");
                return self.still_waiting(connection, waiting.id, reason).await;
            }
            Some(waiting) => {
                let document = (waiting.id, self.spooled.sha256);
                match lifecycle::begin_filing(connection, document, slot, customer, self.attempt()).await? {
                    Some(pending) => (pending, None),
                    None => {
                        let reason = format!("The file names {number}. Another user was filing it at the same time.");
                        let same_files = self.same_files(connection).await?;
                        return self.at_inbox(connection, same_files, reason, true).await;
                    }
                }
            }
            None => self.begin(connection, NewDocument::at_bol(slot, self.digest()), customer).await?,
        };
        Ok(Claimed::Pending(Taken { pending, photo, number: Some(number.to_string()), reason: None, was_waiting }))
    }

    /// Claims a place in the inbox. `is_clear`: exactly one number was found, and something else prevents filing.
    /// Without a clear number, the file is a duplicate of any document that a clerk filed from the same bytes.
    async fn at_inbox(
        &self,
        connection: &mut AsyncPgConnection,
        same_files: Vec<SameFile>,
        reason: String,
        is_clear: bool,
    ) -> QueryResult<Claimed> {
        let filed = same_files.iter().find(|file| file.bol_id.is_some() && file.is_stored);
        if let Some(filed) = filed.filter(|_| !is_clear) {
            return self.settled(connection, self.duplicate(filed.id, filed.number.clone())).await;
        }
        // Another attempt is filing it, or was interrupted while filing it. The sweeper settles it there.
        if let Some(under_way) = same_files.iter().find(|file| file.bol_id.is_some() && !file.is_stored) {
            let number = under_way.number.as_deref().unwrap_or_default();
            let minutes = ABANDONED_AFTER.num_minutes();
            let reason = format!("The same file is being stored with {number}. Check there in {minutes} minutes.");
            let receipt = Receipt { reason, bol_number: None, ..self.duplicate(under_way.id, None) };
            return self.settled(connection, receipt).await;
        }
        match same_files.iter().find(|file| file.bol_id.is_none()) {
            Some(original) if original.is_cleaned => self.already_cleaned(connection, original.id).await,
            Some(waiting) if waiting.is_discarded => self.out_of_the_bin(connection, waiting.id, &reason).await,
            Some(waiting) if waiting.is_stored => self.still_waiting(connection, waiting.id, reason).await,
            Some(waiting) => self.resume(connection, waiting, None, Some(reason)).await,
            None => {
                let key = self.inbox_key(&self.spooled.sha256, "pdf");
                let new = NewDocument {
                    file_name: self.name.as_str().into(),
                    waits_for: reason.clone(),
                    ..NewDocument::in_inbox(key, self.kind, self.digest())
                };
                let (pending, photo) = self.begin(connection, new, None).await?;
                Ok(Claimed::Pending(Taken { pending, photo, number: None, reason: Some(reason), was_waiting: false }))
            }
        }
    }

    /// Takes over the pending document of an earlier upload of the same bytes.
    async fn resume(
        &self,
        connection: &mut AsyncPgConnection,
        earlier: &SameFile,
        number: Option<String>,
        reason: Option<String>,
    ) -> QueryResult<Claimed> {
        let (key, attempt) = (parsed(&earlier.object_key)?, self.attempt());
        let pending =
            Pending { id: earlier.id, bol_id: earlier.bol_id, key, sha256: self.spooled.sha256, since: attempt.since };
        let pending = lifecycle::resume(connection, pending, attempt).await?;
        let photo = self.keep_again(connection, earlier.id).await?;
        Ok(Claimed::Pending(Taken { pending, photo, number, reason, was_waiting: earlier.arrived_key.is_some() }))
    }

    /// Keeps the document that is already in the inbox, and adds what this upload found.
    async fn still_waiting(&self, connection: &mut AsyncPgConnection, id: i64, reason: String) -> QueryResult<Claimed> {
        if !self.evidence.is_empty() || self.findings.quarantine().is_some() {
            diesel::update(documents::table.find(id))
                .set((
                    documents::found.eq(self.evidence.to_json()),
                    documents::waits_for.eq(&reason),
                    documents::quarantine.eq(self.findings.quarantine().unwrap_or_default()),
                ))
                .execute(connection)
                .await?;
        }
        let receipt = self.duplicate(id, None);
        let receipt = match self.is_again {
            true => Receipt { outcome: Outcome::NeedsReview, reason, ..receipt },
            false => Receipt { reason: format!("The file is already in the inbox. {reason}"), ..receipt },
        };
        self.settled(connection, receipt).await
    }

    async fn out_of_the_bin(&self, connection: &mut AsyncPgConnection, id: i64, reason: &str) -> QueryResult<Claimed> {
        diesel::update(documents::table.find(id))
            .set((documents::discarded_at.eq(None::<DateTime<Utc>>), documents::waits_for.eq(reason)))
            .execute(connection)
            .await?;
        let subject = DocumentSubject::find(connection, id).await?;
        let event = subject.event(Action::DocumentRestored, self.intake.viewer.actor(), self.intake.origin);
        audit::record(connection, &event.detail(json!({"reason": "uploaded again"}))).await?;
        let reason = format!("The file was in the bin and is back in the inbox. {reason}");
        self.settled(connection, Receipt { outcome: Outcome::NeedsReview, reason, ..self.duplicate(id, None) }).await
    }

    /// A cleaned copy of the same file was filed.
    async fn already_cleaned(&self, connection: &mut AsyncPgConnection, original: i64) -> QueryResult<Claimed> {
        let (id, number) = documents::table
            .left_join(bols::table)
            .filter(documents::original_id.eq(original))
            .select((documents::id, bols::number.nullable()))
            .first::<(i64, Option<String>)>(connection)
            .await?;
        let whose = number.clone().unwrap_or_else(|| "the inbox".into());
        let reason = format!("A cleaned copy of the same file is already filed with {whose}. Nothing was changed.");
        self.settled(connection, Receipt { reason, ..self.duplicate(id, number) }).await
    }

    async fn settled(&self, connection: &mut AsyncPgConnection, receipt: Receipt) -> QueryResult<Claimed> {
        journal::write(connection, self.intake, receipt).await.map(Claimed::Settled)
    }

    pub fn duplicate(&self, id: i64, number: Option<String>) -> Receipt {
        let whose = number.as_deref().unwrap_or("the inbox");
        Receipt {
            file_name: self.name.as_str().into(),
            outcome: Outcome::Duplicate,
            reason: format!("The same file is already filed with {whose}. Nothing was changed."),
            bol_number: number,
            document_id: Some(id),
            size: self.uploaded_size(),
            found_nothing: false,
        }
    }

    /// `diverted`: why the document went to the inbox instead of its BOL.
    pub fn receipt(&self, taken: &Taken, diverted: Option<String>) -> Receipt {
        let reason = diverted.or_else(|| taken.reason.clone());
        let outcome = if reason.is_some() { Outcome::NeedsReview } else { Outcome::Stored };
        Receipt {
            file_name: self.name.as_str().into(),
            outcome,
            bol_number: taken.number.clone().filter(|_| outcome == Outcome::Stored),
            document_id: Some(taken.pending.id),
            found_nothing: reason.is_some() && self.evidence.is_empty(),
            reason: reason.unwrap_or_else(|| self.stored_as()),
            size: self.uploaded_size(),
        }
    }

    fn stored_as(&self) -> String {
        let made = if self.photo.is_some() { ", a PDF made of the photo" } else { "" };
        format!("Stored as {}{made}.", self.kind.label().to_lowercase().replace("bol", "BOL"))
    }

    fn uploaded_size(&self) -> u64 {
        self.photo.map_or(self.spooled.size, |photo| photo.spooled.size)
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt::new(self.intake.viewer, self.intake.clock)
    }

    fn digest(&self) -> FileDigest {
        FileDigest { sha256: self.spooled.sha256, size: self.spooled.size }
    }

    fn with_findings(&self, new: NewDocument) -> NewDocument {
        NewDocument {
            uploaded_by: Some(self.intake.viewer.user_id),
            stored_by: self.intake.viewer.name.clone(),
            arrived_as: self.name.as_str().into(),
            pages: self.findings.known_pages(),
            found: Some(self.evidence.to_json()),
            quarantine: self.findings.quarantine().unwrap_or_default(),
            ..new
        }
    }
}

fn parsed(key: &str) -> QueryResult<ObjectKey> {
    key.parse().map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
}
