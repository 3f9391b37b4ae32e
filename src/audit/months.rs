//! The log's partitions: one for each month, made a little ahead.
//!
//! Each has ten indexes. Postgres opens and plans for all of them when it looks for an event by anything but its time,
//! so only few months are made ahead, and again every day. The default partition keeps events of other months.

use std::time::Duration;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::time::sleep;

use crate::db::{Database, DbResult};

/// How often a server looks for missing months.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Creating a partition takes a lock that every request would queue behind, so the wait for it is short. Postgres runs both
/// statements in one transaction.
const PREPARE: &str = "SET LOCAL lock_timeout = '300ms'; SELECT audit_prepare_months(current_date, 3)";

/// Creates the partitions of this month and the next two, if they are missing.
pub async fn prepare(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    connection.batch_execute(PREPARE).await
}

/// Prepares the months ahead every day until the future is dropped. The start of the server has done so already.
pub async fn run(db: Database) {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = prepare_with(&db).await {
            tracing::warn!(%error, "can't create partitions of audit_events");
        }
    }
}

async fn prepare_with(db: &Database) -> DbResult<()> {
    Ok(prepare(&mut *db.get().await?).await?)
}
