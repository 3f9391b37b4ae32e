//! A document's row.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Kind;
use crate::bols::BolNumber;
use crate::db::schema::{bols, documents};
use crate::db::scope::Scope;
use crate::storage::{InvalidKey, ObjectKey};

/// One version of one document, its bytes stored and verified.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = documents, check_for_backend(diesel::pg::Pg))]
pub struct Document {
    pub id: i64,
    pub kind: String,
    pub version: i32,
    pub object_key: String,
    pub file_name: String,
    pub size_bytes: i64,
    pub stored_at: Option<DateTime<Utc>>,
    /// Who stored it, by the name of then; empty on documents from before the portal.
    pub stored_by: String,
    /// The name of the file that was handed in; empty for what the portal printed.
    pub arrived_as: String,
}

#[derive(Clone, Debug, Default, Insertable)]
#[diesel(table_name = documents)]
pub struct NewDocument {
    pub bol_id: Option<i64>,
    pub kind: &'static str,
    pub version: i32,
    pub object_key: String,
    pub file_name: String,
    pub sha256: Vec<u8>,
    pub size_bytes: i64,
    pub state: &'static str,
    pub uploaded_by: Option<i64>,
    pub stored_at: Option<DateTime<Utc>>,
    pub stored_by: String,
    pub arrived_as: String,
    pub pages: Option<i32>,
    pub found: Option<serde_json::Value>,
    pub waits_for: String,
    pub pending_at: Option<DateTime<Utc>>,
    pub pending_by: Option<i64>,
    pub pending_customer: Option<i64>,
}

impl NewDocument {
    pub async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        diesel::insert_into(documents::table).values(self).returning(documents::id).get_result(connection).await
    }
}

/// `bols/2025/PRT-2025-0001.pdf`, `bols/2025/PRT-2025-0001.v2.pdf`, `bols/2025/PRT-2025-0001.scale-ticket.v1.pdf`
pub fn key_for(number: &BolNumber, kind: Kind, version: i32) -> Result<ObjectKey, InvalidKey> {
    let folder = format!("bols/{}", number.year());
    match (kind, version) {
        (Kind::Bol, 1) => format!("{folder}/{number}.pdf"),
        (Kind::Bol, _) => format!("{folder}/{number}.v{version}.pdf"),
        _ => format!("{folder}/{number}.{kind}.v{version}.pdf"),
    }
    .parse()
}

/// The stored documents of a BOL, each kind's newest version first.
pub async fn of_bol(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
) -> QueryResult<Vec<Document>> {
    let mut query = documents::table
        .inner_join(bols::table)
        .filter(bols::number.eq(number.as_str()))
        .filter(documents::state.eq("stored"))
        .order((documents::kind, documents::version.desc()))
        .select(Document::as_select())
        .into_boxed();
    if let Some(companies) = scope.companies() {
        query = query.filter(documents::customer_id.eq_any(companies));
    }
    query.load(&mut connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_guide_lays_them_out() {
        let number = "PRT-2025-0001".parse().expect("valid");
        let key = |kind, version| key_for(&number, kind, version).expect("valid").to_string();
        assert_eq!(key(Kind::Bol, 1), "bols/2025/PRT-2025-0001.pdf");
        assert_eq!(key(Kind::Bol, 2), "bols/2025/PRT-2025-0001.v2.pdf");
        assert_eq!(key(Kind::ScaleTicket, 1), "bols/2025/PRT-2025-0001.scale-ticket.v1.pdf");
    }
}
