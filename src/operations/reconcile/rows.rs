//! The keys that the database names, in byte order and page by page.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Expected;
use crate::db::{Database, DbResult};

const PAGE: usize = 1000;

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    size_bytes: i64,
    #[diesel(sql_type = Binary)]
    sha256: Vec<u8>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pending_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    is_copy: bool,
}

impl From<KeyRow> for Expected {
    fn from(row: KeyRow) -> Self {
        Self {
            document: row.id,
            key: row.key,
            size: row.size_bytes.unsigned_abs(),
            sha256: row.sha256,
            pending_since: row.pending_at,
            is_copy: row.is_copy,
        }
    }
}

/// A document that was filed from the inbox has two keys, because the object in the inbox stays.
const PAGE_OF_KEYS: &str = "SELECT * FROM ( \
     (SELECT object_key AS key, id, size_bytes, sha256, CASE WHEN state = 'pending' THEN coalesce(pending_at, created_at) END AS pending_at, \
             false AS is_copy FROM documents WHERE (object_key COLLATE \"C\", id) > ($1, $2) ORDER BY object_key COLLATE \"C\", id LIMIT $3) \
     UNION ALL \
     (SELECT arrived_key, id, size_bytes, sha256, NULL, true FROM documents \
      WHERE arrived_key IS NOT NULL AND (arrived_key COLLATE \"C\", id) > ($1, $2) ORDER BY arrived_key COLLATE \"C\", id LIMIT $3) \
     ) AS named ORDER BY key COLLATE \"C\", id LIMIT $3";

/// An iterator over all keys that reads the next page when it needs it.
pub(super) struct KeyRows<'a> {
    db: &'a Database,
    page: std::vec::IntoIter<KeyRow>,
    last: (String, i64),
    is_over: bool,
}

impl<'a> KeyRows<'a> {
    pub fn new(db: &'a Database) -> Self {
        Self { db, page: Vec::new().into_iter(), last: (String::new(), 0), is_over: false }
    }

    pub async fn next(&mut self) -> DbResult<Option<Expected>> {
        if self.page.len() == 0 && !self.is_over {
            let rows: Vec<KeyRow> = diesel::sql_query(PAGE_OF_KEYS)
                .bind::<Text, _>(&self.last.0)
                .bind::<BigInt, _>(self.last.1)
                .bind::<BigInt, _>(PAGE as i64)
                .load(&mut *self.db.get().await?)
                .await?;
            self.is_over = rows.len() < PAGE;
            if let Some(last) = rows.as_slice().last() {
                self.last = (last.key.clone(), last.id);
            }
            self.page = rows.into_iter();
        }
        Ok(self.page.next().map(Expected::from))
    }
}

/// Returns what the database expects under a key now.
pub(super) async fn under(connection: &mut AsyncPgConnection, key: &str) -> QueryResult<Vec<Expected>> {
    // Postgres text can't contain a NUL character.
    if key.contains('\0') {
        return Ok(Vec::new());
    }
    let rows: Vec<KeyRow> = diesel::sql_query(
        "SELECT object_key AS key, id, size_bytes, sha256, CASE WHEN state = 'pending' THEN coalesce(pending_at, created_at) END AS pending_at, \
                false AS is_copy FROM documents WHERE object_key = $1 \
         UNION ALL SELECT arrived_key, id, size_bytes, sha256, NULL, true FROM documents WHERE arrived_key COLLATE \"C\" = $1",
    )
    .bind::<Text, _>(key)
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(Expected::from).collect())
}
