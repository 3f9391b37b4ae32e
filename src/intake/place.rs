//! The BOL that a document is to be filed with.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::bols::BolNumber;
use crate::db::schema::bols;

/// What filing has to know about a BOL.
#[derive(Clone, Debug, Queryable)]
pub(super) struct Place {
    pub id: i64,
    pub customer_id: Option<i64>,
    pub is_void: bool,
}

/// Locks the BOL of this number until the transaction ends.
pub(super) async fn locked_place(connection: &mut AsyncPgConnection, number: &BolNumber) -> QueryResult<Option<Place>> {
    bols::table
        .filter(bols::number.eq(number.as_str()))
        .select((bols::id, bols::customer_id, bols::voided_at.is_not_null()))
        .for_no_key_update()
        .first(connection)
        .await
        .optional()
}
