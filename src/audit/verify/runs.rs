//! Runs that a page starts, one at a time, and the results of the last runs.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{Report, Verification, VerifyError, record_result};
use crate::audit::{Action, Actor, Origin, Outcome};
use crate::db::schema::audit_events;
use crate::db::{DbResult, try_alone};

/// The advisory lock of the process that verifies.
const VERIFYING: i64 = 0x7072_696d_6506;

impl Verification<'_> {
    /// Verifies and records the result. Returns `None` if a verification is running already.
    pub async fn run_alone(self, actor: Actor<'_>, origin: &Origin) -> DbResult<Option<Result<Report, VerifyError>>> {
        let db = self.db;
        db.apart()
            .transaction(async |connection: &mut AsyncPgConnection| {
                if !try_alone(connection, VERIFYING).await? {
                    return Ok(None);
                }
                connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                let result = Box::pin(self.run()).await;
                record_result(db, &result, actor, origin).await.map(|()| Some(result))
            })
            .await
    }
}

/// Whether any process is verifying for a page.
pub async fn is_running(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let held = sql::<Bool>(
        "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (classid::bigint << 32) + objid::bigint = ",
    );
    diesel::select(held.bind::<BigInt, _>(VERIFYING).sql(")")).get_result(connection).await
}

/// A verification that has ended.
pub struct Run {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub by: String,
    pub is_fine: bool,
    /// `None` if it could not finish.
    pub report: Option<Report>,
}

/// Returns the last runs, the newest first.
pub async fn last_runs(connection: &mut AsyncPgConnection, count: i64) -> QueryResult<Vec<Run>> {
    #[derive(Queryable)]
    struct RunEvent {
        id: i64,
        at: DateTime<Utc>,
        by: Option<String>,
        outcome: String,
        detail: serde_json::Value,
    }
    let runs: Vec<RunEvent> = audit_events::table
        .filter(audit_events::action.eq(Action::AuditVerified.as_str()))
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .limit(count)
        .select((
            audit_events::id,
            audit_events::occurred_at,
            audit_events::user_email,
            audit_events::outcome,
            audit_events::detail,
        ))
        .load(connection)
        .await?;
    let run = |event: RunEvent| Run {
        id: event.id,
        at: event.at,
        by: event.by.unwrap_or_default(),
        is_fine: event.outcome == Outcome::Success.as_str(),
        report: serde_json::from_value(event.detail).ok(),
    };
    Ok(runs.into_iter().map(run).collect())
}
