//! The outcomes of an upload's files, which the office can read again after the upload.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Intake, Receipt};
use crate::db::schema::uploads;
use crate::db::{Database, DbResult};

/// Longest name of an upload, in bytes.
pub const MAX_BATCH_BYTES: usize = 64;
/// Files that a page shows.
pub const MAX_ENTRIES: usize = 2000;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = uploads, check_for_backend(diesel::pg::Pg))]
pub struct Entry {
    pub file_name: String,
    pub size_bytes: i64,
    pub outcome: String,
    pub reason: String,
    pub bol_number: String,
}

pub struct Stack {
    pub entries: Vec<Entry>,
    /// Number of files by outcome.
    pub counts: Vec<(String, i64)>,
}

pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    intake: &Intake<'_>,
    receipt: Receipt,
) -> QueryResult<Receipt> {
    diesel::insert_into(uploads::table)
        .values((
            uploads::batch.eq(intake.batch),
            uploads::user_id.eq(intake.viewer.user_id),
            uploads::file_name.eq(&receipt.file_name),
            uploads::size_bytes.eq(i64::try_from(receipt.size).unwrap_or(i64::MAX)),
            uploads::outcome.eq(receipt.outcome.as_str()),
            uploads::reason.eq(&receipt.reason),
            uploads::bol_number.eq(receipt.bol_number.as_deref().unwrap_or_default()),
            uploads::document_id.eq(receipt.document_id),
            uploads::created_at.eq(intake.clock.now()),
        ))
        .execute(connection)
        .await?;
    Ok(receipt)
}

/// Writes the receipt of a file that failed before intake could write one.
pub async fn note(intake: &Intake<'_>, receipt: Receipt) -> DbResult<Receipt> {
    intake.db.transaction(async |connection| Ok(write(connection, intake, receipt).await?)).await
}

/// Deletes the earlier receipts of a file that was settled again.
pub async fn forget_former(intake: &Intake<'_>, document_id: i64) -> DbResult<()> {
    diesel::sql_query(
        "DELETE FROM uploads u USING uploads later WHERE u.batch = $1 AND u.user_id = $2 AND u.document_id = $3 \
         AND (later.batch, later.user_id, later.document_id, later.file_name) = (u.batch, u.user_id, u.document_id, u.file_name) \
         AND later.id > u.id",
    )
    .bind::<Text, _>(intake.batch)
    .bind::<BigInt, _>(intake.viewer.user_id)
    .bind::<BigInt, _>(document_id)
    .execute(&mut intake.db.get().await?)
    .await?;
    Ok(())
}

/// Replaces the reason of a receipt with a problem that was found later.
pub async fn remark(intake: &Intake<'_>, document_id: i64, reason: &str) -> DbResult<()> {
    diesel::update(uploads::table)
        .filter(uploads::batch.eq(intake.batch))
        .filter(uploads::user_id.eq(intake.viewer.user_id))
        .filter(uploads::document_id.eq(document_id))
        .set(uploads::reason.eq(reason))
        .execute(&mut intake.db.get().await?)
        .await?;
    Ok(())
}

/// Whether this upload has already filed another file of the same name.
pub async fn has_named(intake: &Intake<'_>, name: &str) -> DbResult<bool> {
    let same = uploads::table
        .filter(uploads::batch.eq(intake.batch))
        .filter(uploads::user_id.eq(intake.viewer.user_id))
        .filter(uploads::file_name.eq(name))
        .filter(uploads::bol_number.ne(""));
    Ok(diesel::select(diesel::dsl::exists(same)).get_result(&mut intake.db.get().await?).await?)
}

/// Returns the first [`MAX_ENTRIES`] files of this user's upload, and the counts of all its files.
pub async fn stack(db: &Database, user_id: i64, batch: &str) -> DbResult<Stack> {
    let mut connection = db.get().await?;
    let mine = uploads::table.filter(uploads::user_id.eq(user_id)).filter(uploads::batch.eq(batch));
    let entries =
        mine.order(uploads::id).limit(MAX_ENTRIES as i64).select(Entry::as_select()).load(&mut connection).await?;
    let counts = mine
        .group_by(uploads::outcome)
        .select((uploads::outcome, diesel::dsl::count_star()))
        .load(&mut connection)
        .await?;
    Ok(Stack { entries, counts })
}
