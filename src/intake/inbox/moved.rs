//! Documents that were just filed or discarded, for the message that offers to undo it.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Shelf;
use crate::db::schema::{bols, customers, documents};
use crate::db::{Database, DbResult};

/// A document that has left the inbox.
#[derive(Clone, Debug, Queryable)]
pub struct Moved {
    pub id: i64,
    pub arrived_as: String,
    /// The BOL with which it is filed. `None` for a discarded document.
    pub bol_number: Option<String>,
    pub customer: Option<String>,
}

/// Returns those of the documents that are filed or in the bin.
pub async fn moved(db: &Database, ids: &[i64]) -> DbResult<Vec<Moved>> {
    let rows = documents::table
        .left_join(bols::table)
        .left_join(customers::table.on(documents::customer_id.eq(customers::id.nullable())))
        .filter(documents::id.eq_any(ids))
        .filter(documents::state.eq("stored"))
        .filter(documents::bol_id.is_not_null().or(documents::discarded_at.is_not_null()))
        .filter(documents::arrived_as.ne(""))
        .order(documents::id)
        .select((documents::id, documents::arrived_as, bols::number.nullable(), customers::name.nullable()));
    Ok(rows.load(&mut db.get().await?).await?)
}

/// Returns where a document without a BOL is, or `None` if it isn't in the inbox and not in the bin.
pub async fn shelf_of(db: &Database, id: i64) -> DbResult<Option<Shelf>> {
    let is_discarded: Option<bool> = documents::table
        .find(id)
        .filter(documents::bol_id.is_null())
        .filter(documents::state.eq("stored"))
        .filter(documents::cleaned_at.is_null())
        .select(documents::discarded_at.is_not_null())
        .first(&mut db.get().await?)
        .await
        .optional()?;
    Ok(is_discarded.map(|is_discarded| if is_discarded { Shelf::Bin } else { Shelf::Inbox }))
}
