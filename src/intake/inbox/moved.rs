//! Documents that were just filed or discarded, for the message that offers to undo it.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

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
