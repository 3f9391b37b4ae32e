//! Whether a connection pooler in front of Postgres keeps prepared statements.

use std::time::Duration;

use diesel::ConnectionResult;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connector;
use crate::config::DatabaseUrl;

/// A pool with a single connection makes the second client wait for the first.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What to do about a pooler that loses prepared statements.
pub const REMEDY: &str = "the connection pooler loses prepared statements: use PgBouncer 1.21 or newer with \
                          max_prepared_statements above 0, or its session mode, or connect to Postgres directly";

/// Returns whether a pooler gives a client another connection of Postgres for the next statement, without the client's
/// prepared statements. PgBouncer does in transaction mode before version 1.21, or with `max_prepared_statements = 0`.
pub async fn loses_prepared_statements(url: &DatabaseUrl) -> ConnectionResult<bool> {
    let (first, second) = (connector::client(url).await?, connector::client(url).await?);
    match timeout(PROBE_TIMEOUT, probe(&first, &second)).await {
        Ok(Err(error)) => Ok(is_lost(&error)),
        Ok(Ok(())) | Err(_) => Ok(false),
    }
}

/// Makes the pooler open two connections, prepares on the second, and executes after the first became free.
async fn probe(first: &Client, second: &Client) -> Result<(), tokio_postgres::Error> {
    first.batch_execute("BEGIN").await?;
    let statement = second.prepare("SELECT 1").await?;
    first.batch_execute("COMMIT").await?;
    // Poolers differ in which of two free connections they take.
    first.batch_execute("BEGIN").await?;
    let executed = second.query(&statement, &[]).await;
    first.batch_execute("COMMIT").await?;
    executed?;
    second.query(&statement, &[]).await.map(drop)
}

/// Whether the statement doesn't exist, or its name belongs to that of another client.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    let lost = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT];
    error.code().is_some_and(|code| lost.contains(code))
}
