//! Runs that a page starts, one at a time, and the results of the last runs.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{RESULT_KIND, Report, SignedResult, Verification, VerifyError, record_result};
use crate::audit::seal::open_statement;
use crate::audit::{Action, Actor, Origin};
use crate::config::SealKeys;
use crate::db::schema::audit_events;
use crate::db::{AdvisoryLock, DbResult, try_alone};

impl Verification<'_> {
    /// Verifies and records the result. Returns `None` if a verification is running already.
    pub async fn run_alone(self, actor: Actor<'_>, origin: &Origin) -> DbResult<Option<Result<Report, VerifyError>>> {
        let (db, keys) = (self.db, self.keys);
        db.apart()
            .transaction(async |connection: &mut AsyncPgConnection| {
                if !try_alone(connection, AdvisoryLock::Verify).await? {
                    return Ok(None);
                }
                connection.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                let result = Box::pin(self.run()).await;
                record_result(db, keys, &result, actor, origin).await.map(|()| Some(result))
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
    diesel::select(held.bind::<BigInt, _>(AdvisoryLock::Verify.number()).sql(")")).get_result(connection).await
}

/// A verification that has ended.
pub struct Run {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub by: String,
    pub result: RunResult,
}

/// What the signed statement of a run says.
pub enum RunResult {
    Finished(Box<Report>),
    /// The run could not finish.
    Broken,
    /// No trusted key signed the result, or it is a copy: the name of an event proves nothing.
    Unsigned,
}

/// A result is recorded right after it is signed. A copy in a later event differs by more than this.
const MAX_RECORDING: TimeDelta = TimeDelta::hours(1);

/// Returns the last runs, the newest first.
pub async fn last_runs(connection: &mut AsyncPgConnection, keys: &SealKeys, count: i64) -> QueryResult<Vec<Run>> {
    type RunEvent = (i64, DateTime<Utc>, Option<String>, serde_json::Value);
    let runs: Vec<RunEvent> = audit_events::table
        .filter(audit_events::action.eq(Action::AuditVerified.as_str()))
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .limit(count)
        .select((audit_events::id, audit_events::occurred_at, audit_events::user_email, audit_events::detail))
        .load(connection)
        .await?;
    let mut notes = Vec::new();
    let mut all: Vec<Run> = runs
        .into_iter()
        .rev()
        .map(|(id, at, by, detail)| {
            let note = detail["note"].as_str().unwrap_or_default().to_owned();
            let signed = open_statement::<SignedResult>(RESULT_KIND, &note, keys).ok();
            let signed = signed.filter(|signed| (at - signed.at).abs() <= MAX_RECORDING && !notes.contains(&note));
            notes.push(note);
            let result = match signed {
                Some(SignedResult { report: Some(report), .. }) => RunResult::Finished(Box::new(report)),
                Some(SignedResult { report: None, .. }) => RunResult::Broken,
                None => RunResult::Unsigned,
            };
            Run { id, at, by: by.unwrap_or_default(), result }
        })
        .collect();
    all.reverse();
    Ok(all)
}
