//! The database as it is at one moment, read at length over several connections beside the pool.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::result::DatabaseErrorKind;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::{Stream, TryStreamExt};

use super::{Database, DbError, DbResult, connect, tls};
use crate::config::DatabaseUrl;

/// Reading takes as long as it takes, and a connection may have to wait for another one.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Every connection of it sees the same, for as long as this is kept, and changes nothing.
pub struct Moment {
    snapshot: Snapshot,
    held: AsyncPgConnection,
}

/// How other connections get to the same moment.
#[derive(Clone)]
pub struct Snapshot {
    url: DatabaseUrl,
    name: String,
}

impl Database {
    /// Now.
    pub async fn moment(&self) -> DbResult<Moment> {
        let mut held = open(&self.url).await?;
        held.batch_execute(BEGIN).await?;
        let name = diesel::select(sql::<Text>("pg_export_snapshot()")).get_result(&mut held).await?;
        Ok(Moment { snapshot: Snapshot { url: self.url.clone(), name }, held })
    }
}

impl Moment {
    /// The connection that it has anyway.
    pub fn held(&mut self) -> &mut AsyncPgConnection {
        &mut self.held
    }

    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }
}

impl Snapshot {
    /// One more.
    pub async fn connection(&self) -> DbResult<AsyncPgConnection> {
        let mut connection = open(&self.url).await?;
        connection.batch_execute(&self.begin()).await?;
        Ok(connection)
    }

    /// The rows of a query as `COPY` writes them in its binary format, over a connection of their own. diesel-async can't:
    /// for ten million rows it is twice as fast.
    pub async fn copy(
        &self,
        select: &str,
    ) -> DbResult<impl Stream<Item = QueryResult<impl AsRef<[u8]> + Send + use<>>> + use<>> {
        let client = tls::client(&self.url).await.map_err(unreachable)?;
        client.batch_execute(&self.begin()).await.map_err(failed)?;
        let copied = client.copy_out(&format!("COPY ({select}) TO STDOUT (FORMAT binary)")).await.map_err(failed)?;
        // The connection ends with its client.
        Ok(copied.map_err(failed).inspect_ok(move |_| {
            let _ = &client;
        }))
    }

    fn begin(&self) -> String {
        // Postgres' own name for it: digits and hyphens.
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
    // The Display of an error of the database says only "db error".
    let message = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    let kind = if error.is_closed() { DatabaseErrorKind::ClosedConnection } else { DatabaseErrorKind::Unknown };
    diesel::result::Error::DatabaseError(kind, Box::new(message))
}
