//! A snapshot of the database for long reads, on connections outside of the pool.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::{Stream, TryStreamExt};

use super::{Database, DbError, DbResult, connect, connector};
use crate::config::DatabaseUrl;

/// Lifts the timeouts: a full read may take hours, and one connection may wait for another.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// An exported snapshot. Until it is dropped, all its connections read the same rows.
pub struct Snapshot {
    handle: SnapshotHandle,
    connection: AsyncPgConnection,
}

/// Opens further connections to the same snapshot.
#[derive(Clone)]
pub struct SnapshotHandle {
    url: DatabaseUrl,
    name: String,
}

impl Database {
    /// Exports a snapshot of the database as it is now.
    pub async fn snapshot(&self) -> DbResult<Snapshot> {
        let mut connection = open(&self.url).await?;
        connection.batch_execute(BEGIN).await?;
        let name = diesel::select(sql::<Text>("pg_export_snapshot()")).get_result(&mut connection).await?;
        Ok(Snapshot { handle: SnapshotHandle { url: self.url.clone(), name }, connection })
    }
}

impl Snapshot {
    /// Returns the connection that exported the snapshot.
    pub fn connection(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }

    pub fn handle(&self) -> SnapshotHandle {
        self.handle.clone()
    }
}

impl SnapshotHandle {
    /// Opens one more connection to the snapshot.
    pub async fn connection(&self) -> DbResult<AsyncPgConnection> {
        let mut connection = open(&self.url).await?;
        connection.batch_execute(&self.begin()).await?;
        Ok(connection)
    }

    /// Streams the rows of a query in the binary format of `COPY`, over a connection of their own.
    ///
    /// diesel-async has no `COPY`. For ten million rows it is twice as fast as a query.
    pub async fn copy(
        &self,
        select: &str,
    ) -> DbResult<impl Stream<Item = QueryResult<impl AsRef<[u8]> + Send + use<>>> + use<>> {
        let client = connector::client(&self.url).await.map_err(unreachable)?;
        client.batch_execute(&self.begin()).await.map_err(failed)?;
        let copied = client.copy_out(&format!("COPY ({select}) TO STDOUT (FORMAT binary)")).await.map_err(failed)?;
        // The connection closes when its client is dropped, so the stream keeps the client.
        Ok(copied.map_err(failed).inspect_ok(move |_| {
            let _ = &client;
        }))
    }

    fn begin(&self) -> String {
        // Postgres made the name: digits and hyphens need no quoting.
        format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{}'", self.name)
    }
}

async fn open(url: &DatabaseUrl) -> DbResult<AsyncPgConnection> {
    connect(url).await.map_err(unreachable)
}

fn unreachable(error: impl std::fmt::Display) -> DbError {
    DbError::Unreachable(error.to_string())
}

fn failed(error: tokio_postgres::Error) -> diesel::result::Error {
    // The Display of a database error says only "db error".
    let message = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let kind = if error.is_closed() { DatabaseErrorKind::ClosedConnection } else { DatabaseErrorKind::Unknown };
    diesel::result::Error::DatabaseError(kind, Box::new(message))
}
