//! Runs: one at a time where somebody asks for it on a page, and what the last ones came to.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{Report, Verification, VerifyError, put_on_record};
use crate::audit::{Action, Actor, Origin, Outcome};
use crate::db::schema::audit_events;
use crate::db::{DbResult, try_alone};

/// Held by the process that verifies.
const VERIFYING: i64 = 0x7072_696d_6506;

impl Verification<'_> {
    /// Puts its result on record; `None`: one is under way already.
    pub async fn run_alone(self, actor: Actor<'_>, origin: &Origin) -> DbResult<Option<Result<Report, VerifyError>>> {
        let db = self.db;
        db.apart()
            .transaction(async |connection: &mut AsyncPgConnection| {
                if !try_alone(connection, VERIFYING).await? {
                    return Ok(None);
                }
                connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                let result = Box::pin(self.run()).await;
                put_on_record(db, &result, actor, origin).await.map(|()| Some(result))
            })
            .await
    }
}

/// By whatever process.
pub async fn is_under_way(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let held = sql::<Bool>(
        "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND (classid::bigint << 32) + objid::bigint = ",
    );
    diesel::select(held.bind::<BigInt, _>(VERIFYING).sql(")")).get_result(connection).await
}

/// One that has ended.
pub struct Run {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub by: String,
    pub is_fine: bool,
    /// `None`: it broke off.
    pub report: Option<Report>,
}

/// The newest first.
pub async fn last_runs(connection: &mut AsyncPgConnection, count: i64) -> QueryResult<Vec<Run>> {
    #[derive(Queryable)]
    struct Kept {
        id: i64,
        at: DateTime<Utc>,
        by: Option<String>,
        outcome: String,
        detail: serde_json::Value,
    }
    let runs: Vec<Kept> = audit_events::table
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
    let run = |kept: Kept| Run {
        id: kept.id,
        at: kept.at,
        by: kept.by.unwrap_or_default(),
        is_fine: kept.outcome == Outcome::Success.as_str(),
        report: serde_json::from_value(kept.detail).ok(),
    };
    Ok(runs.into_iter().map(run).collect())
}
