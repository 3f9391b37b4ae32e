//! Looks in the access log for what an auditor would ask about: many documents at once, new networks, nights, refusals in
//! a row, and tokens in two places.
//!
//! A few minutes after the end of an hour, the look reads the events of that hour once, and then the history of the
//! logins in it. It records an `UNUSUAL_ACTIVITY` event for each login, visitor or token, and emails the administrators.
//! Every server runs the look, and a lock lets one at a time through. How far it has come moves in the transaction of the
//! events and emails, so each hour is reported once.

mod detect;
mod finding;
mod history;
mod hour;
mod report;
mod tally;
pub mod thresholds;

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

pub use finding::{Finding, Reason};

use self::tally::Rules;
use crate::clock::Clock;
use crate::db::schema::unusual_looks;
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};

/// The interval between checks for a complete hour.
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// The time after the end of an hour in which its transactions end.
const SETTLED: TimeDelta = TimeDelta::minutes(5);
/// A server that was away for longer doesn't look further back.
const MAX_LOOK_BACK: TimeDelta = TimeDelta::hours(48);

/// Looks at each hour until it is dropped. Several processes may run it at once.
pub async fn run(db: Database, clock: Clock, zone: Tz) {
    loop {
        if let Err(error) = look(&db, clock.now(), zone).await {
            tracing::warn!(%error, "can't look for unusual activity in the access log");
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Reports the unusual activity of the hours since the last look, and returns how much there was. The first look of all
/// only notes the current hour, from which the next one begins.
pub async fn look(db: &Database, now: DateTime<Utc>, zone: Tz) -> DbResult<usize> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::UnusualActivity).await? {
            return Ok(0);
        }
        let Some((mut hour, end)) = due_hours(connection, now).await? else { return Ok(0) };
        let rules = Rules { thresholds: thresholds::thresholds(connection).await?, zone };
        let mut findings = Vec::new();
        while hour < end {
            findings.append(&mut detect::detect(connection, hour, rules).await?);
            hour += TimeDelta::hours(1);
        }
        // The first change of the transaction. Sealing waits for transactions that change something.
        diesel::update(unusual_looks::table).set(unusual_looks::looked_until.eq(end)).execute(connection).await?;
        let found = findings.len();
        report::report(connection, now, zone, findings).await?;
        Ok(found)
    })
    .await
}

/// Returns the beginning of the first and the end of the last hour that are due.
async fn due_hours(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let query = unusual_looks::table.select(unusual_looks::looked_until);
    let looked_until: Option<DateTime<Utc>> = query.first(connection).await.optional()?;
    let Some(looked_until) = looked_until else {
        let first = unusual_looks::looked_until.eq(hour_of(now));
        diesel::insert_into(unusual_looks::table).values(first).execute(connection).await?;
        return Ok(None);
    };
    let end = hour_of(now - SETTLED);
    Ok((looked_until < end).then(|| (looked_until.max(end - MAX_LOOK_BACK), end)))
}

/// Returns the beginning of an hour, in UTC.
fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}
