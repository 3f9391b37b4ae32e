//! What the restored database has, and how recent it is.

use chrono::{DateTime, Utc};
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::DrillError;
use super::report::Restored;
use crate::config::DatabaseUrl;
use crate::db::connect;
use crate::db::schema::{audit_checkpoints, audit_events};

const COUNTS: &str = "(SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition \
        AND relnamespace = to_regnamespace('public')), \
    (SELECT count(*) FROM bols), (SELECT count(*) FROM documents), (SELECT count(*) FROM audit_events)";

/// The newest version of each document of a BOL, in random order.
const RANDOM_DOCUMENTS: &str = "SELECT object_key, size_bytes, sha256 FROM documents d WHERE state = 'stored' \
    AND bol_id IS NOT NULL AND NOT EXISTS (SELECT FROM documents n WHERE n.bol_id = d.bol_id AND n.kind = d.kind \
        AND n.version > d.version AND n.state = 'stored') \
    ORDER BY random() LIMIT ";

pub struct RestoredContents {
    tables: i64,
    bols: i64,
    documents: i64,
    events: i64,
    /// When the newest event occurred.
    newest_event: Option<DateTime<Utc>>,
    /// The number of leaves of the newest checkpoint, or 0.
    pub sealed: i64,
}

/// A document as its row describes it.
#[derive(QueryableByName)]
pub struct RestoredDocument {
    #[diesel(sql_type = Text)]
    pub object_key: String,
    #[diesel(sql_type = BigInt)]
    pub size_bytes: i64,
    #[diesel(sql_type = Bytea)]
    pub sha256: Vec<u8>,
}

impl RestoredContents {
    pub async fn read(url: &DatabaseUrl) -> Result<Self, DrillError> {
        let connection = &mut unlimited(url).await?;
        let counts = diesel::select(sql::<(BigInt, BigInt, BigInt, BigInt)>(COUNTS));
        let (tables, bols, documents, events) = counts.get_result(connection).await?;
        let newest_event = audit_events::table.select(max(audit_events::occurred_at)).first(connection).await?;
        let sealed: Option<i64> =
            audit_checkpoints::table.select(max(audit_checkpoints::size)).first(connection).await?;
        Ok(Self { tables, bols, documents, events, newest_event, sealed: sealed.unwrap_or_default() })
    }

    pub fn restored(&self, applied: Vec<String>, left_out: Vec<String>) -> Restored {
        let Self { tables, bols, documents, events, .. } = *self;
        Restored { tables, bols, documents, events, applied, left_out }
    }

    /// Returns a time before which everything is in the dump. The file was written later than its snapshot was taken, so
    /// the newest event in it is closer to the snapshot.
    pub fn as_of(&self, modified_at: DateTime<Utc>) -> DateTime<Utc> {
        self.newest_event.map_or(modified_at, |newest| newest.min(modified_at))
    }
}

/// Returns random current documents of the restored database.
pub async fn random_documents(url: &DatabaseUrl, count: usize) -> Result<Vec<RestoredDocument>, DrillError> {
    let connection = &mut unlimited(url).await?;
    Ok(diesel::sql_query(format!("{RANDOM_DOCUMENTS} {count}")).load(connection).await?)
}

/// Opens a connection that may count large tables.
async fn unlimited(url: &DatabaseUrl) -> Result<AsyncPgConnection, DrillError> {
    let mut connection = connect(url).await?;
    connection.batch_execute("SET statement_timeout = 0").await?;
    Ok(connection)
}
