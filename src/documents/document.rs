//! The stored documents of a BOL, as its page lists them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::lifecycle::version;
use crate::bols::BolNumber;
use crate::db::fixed_sql::{FixedSql, fixed_sql};
use crate::db::schema::{bols, documents};
use crate::db::scope::Scope;

/// One stored version of a document.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
pub struct Document {
    pub id: i64,
    pub kind: String,
    pub version: i32,
    pub object_key: String,
    pub file_name: String,
    pub content_type: String,
    pub sha256: Vec<u8>,
    pub size_bytes: i64,
    pub stored_at: Option<DateTime<Utc>>,
    /// The name of the person who stored it, as it was then; empty for documents that predate the portal.
    pub stored_by: String,
    /// The name of the uploaded file; empty for a PDF that the portal printed.
    pub arrived_as: String,
    /// The quarantined document of which this is a cleaned copy, or the photo of which this PDF was made.
    pub original_id: Option<i64>,
    /// A photo was turned into this PDF. `false` for customers, who don't see the photo.
    #[diesel(
        select_expression = fixed_sql::<Bool>("EXISTS (SELECT FROM documents photo WHERE photo.id = documents.original_id AND photo.content_type <> 'application/pdf')"),
        select_expression_type = FixedSql<Bool>
    )]
    pub is_of_photo: bool,
}

/// Returns the stored documents of a BOL within the scope, by kind, each kind's current version first.
pub async fn of_bol(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
) -> QueryResult<Vec<Document>> {
    let mut query = documents::table
        .inner_join(bols::table)
        .filter(bols::number.eq(number.as_str()))
        .filter(documents::state.eq("stored"))
        .order(version::current_first())
        .select(Document::as_select())
        .into_boxed();
    if let Some(companies) = scope.companies() {
        query = query.filter(documents::customer_id.eq_any(companies));
    }
    query.load(&mut connection).await
}
