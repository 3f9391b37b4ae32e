//! What the database knows of the PDFs to move.

use chrono::NaiveDate;
use diesel::dsl::not;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::bols::BolNumber;
use crate::db::schema::{bols, documents};
use crate::db::{Database, DbResult};
use crate::documents::lifecycle::version::is_original_pdf;
use crate::storage::ObjectKey;

/// Rows in one query.
const PAGE: i64 = 500;

/// A BOL and the recorded PDF that it was issued with.
#[derive(Clone, Debug, Queryable)]
pub(super) struct Bol {
    pub(super) id: i64,
    pub(super) number: String,
    pub(super) year: i32,
    pub(super) seq: i32,
    pub(super) bol_date: NaiveDate,
    pub(super) recorded: Option<StoredObject>,
}

/// An object as its document's row describes it.
#[derive(Clone, Debug, Queryable)]
pub(super) struct StoredObject {
    pub(super) id: i64,
    pub(super) object_key: String,
    pub(super) sha256: Vec<u8>,
    pub(super) size_bytes: i64,
}

impl Bol {
    /// Returns the places below the source where the PDF of this BOL may be, the likeliest first.
    pub(super) fn places(&self, number: &BolNumber, key: &ObjectKey) -> Vec<String> {
        let mut places = vec![key.to_string()];
        for place in [
            format!("bols/{}/{number}.pdf", self.year),
            format!("bol_pdfs/{number}.pdf"),
            format!("{}/{number}.pdf", self.year),
            format!("{number}.pdf"),
        ]
        .into_iter()
        .flat_map(|place| [place.replace(".pdf", ".PDF"), place].into_iter().rev())
        {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// Returns the next BOLs after a number, in the order of numbers.
pub(super) async fn bols(db: &Database, (year, seq): (i32, i32)) -> DbResult<Vec<Bol>> {
    let is_behind = bols::number_year.gt(year).or(bols::number_year.eq(year).and(bols::number_seq.gt(seq)));
    let rows = bols::table
        .left_join(documents::table.on(documents::bol_id.eq(bols::id.nullable()).and(is_original_pdf())))
        .filter(is_behind)
        .order((bols::number_year, bols::number_seq))
        .limit(PAGE)
        .select((
            bols::id,
            bols::number,
            bols::number_year,
            bols::number_seq,
            bols::bol_date,
            (documents::id, documents::object_key, documents::sha256, documents::size_bytes).nullable(),
        ))
        .load(&mut *db.get().await?)
        .await?;
    Ok(rows)
}

/// Returns the next other documents after an ID: newer versions, tickets and documents of the inbox.
pub(super) async fn others(db: &Database, after: i64) -> DbResult<Vec<StoredObject>> {
    let rows = documents::table
        .filter(documents::id.gt(after))
        .filter(documents::state.eq("stored"))
        .filter(documents::bol_id.is_null().or(not(is_original_pdf())))
        .order(documents::id)
        .limit(PAGE)
        .select((documents::id, documents::object_key, documents::sha256, documents::size_bytes))
        .load(&mut *db.get().await?)
        .await?;
    Ok(rows)
}

/// Returns the next objects from which documents were filed, after a document's ID.
pub(super) async fn arrived(db: &Database, after: i64) -> DbResult<Vec<StoredObject>> {
    let rows = documents::table
        .filter(documents::id.gt(after))
        .filter(documents::arrived_key.is_not_null())
        .order(documents::id)
        .limit(PAGE)
        .select((documents::id, documents::arrived_key.assume_not_null(), documents::sha256, documents::size_bytes))
        .load(&mut *db.get().await?)
        .await?;
    Ok(rows)
}
