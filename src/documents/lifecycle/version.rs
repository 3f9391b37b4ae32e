//! Which version of a document is current, which is the first, and which comes next.
//!
//! Versions count from 1 for each BOL and kind. A version never changes once it is stored.

use diesel::dsl::{max, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::bols::{BolNumber, DocumentKind as Kind};
use crate::db::schema::documents;
use crate::storage::{InvalidKey, ObjectKey};

/// Ends an SQL query over stored documents of one kind and BOL, named `s`: the current version is the newest.
pub(in crate::documents) const CURRENT: &str = " ORDER BY s.version DESC LIMIT 1";

/// Orders documents by kind, each kind's current version first.
pub type CurrentFirst = (documents::kind, diesel::dsl::Desc<documents::version>);

pub fn current_first() -> CurrentFirst {
    (documents::kind, documents::version.desc())
}

/// Selects the PDF that a BOL was issued with: its lowest version.
pub fn is_original_pdf() -> SqlLiteral<Bool> {
    sql("documents.kind = 'bol' AND documents.version = \
         (SELECT min(version) FROM documents first WHERE first.bol_id = documents.bol_id AND first.kind = 'bol')")
}

/// One version of one kind of document of a BOL, and the key of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub bol_id: i64,
    pub kind: Kind,
    pub version: i32,
    pub key: ObjectKey,
}

/// Returns the next free version of this kind for a BOL. The caller holds the lock on the BOL's row.
///
/// Pending versions count as taken, and so do keys of documents that were filed with this BOL before.
pub async fn next(
    connection: &mut AsyncPgConnection,
    (bol_id, number): (i64, &BolNumber),
    kind: Kind,
) -> QueryResult<Slot> {
    let last: Option<i32> = documents::table
        .filter(documents::bol_id.eq(bol_id))
        .filter(documents::kind.eq(kind.as_str()))
        .select(max(documents::version))
        .first(connection)
        .await?;
    let mut version = last.unwrap_or(0);
    loop {
        version += 1;
        let key = key_for(number, kind, version).map_err(|_| {
            diesel::result::Error::QueryBuilderError(format!("{number} gives no valid object key").into())
        })?;
        let has_key =
            documents::object_key.eq(key.as_str()).or(documents::arrived_key.eq(key.as_str()).assume_not_null());
        let taken = documents::table.filter(has_key);
        if !diesel::select(diesel::dsl::exists(taken)).get_result::<bool>(connection).await? {
            return Ok(Slot { bol_id, kind, version, key });
        }
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
