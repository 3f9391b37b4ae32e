//! What follows from an attempt: done, again later, or off.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::Rng as _;

use super::client::{Answer, Request};
use super::queue::{Claimed, Queued};
use super::stop::{self, StopReason};
use crate::db::schema::{webhook_attempts, webhook_deliveries, webhooks};

/// Failures in a row that turn a webhook off. With [`PAUSES_SECONDS`], that is three days after the first one.
pub(super) const MAX_FAILURES: usize = 20;

/// The pause after each failure in a row. Their sum is three days.
const PAUSES_SECONDS: [i64; MAX_FAILURES - 1] = {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    [
        5,
        15,
        MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        4 * HOUR,
        6 * HOUR,
        6 * HOUR,
        8 * HOUR,
        8 * HOUR,
        10 * HOUR,
        10 * HOUR,
        13 * HOUR,
    ]
};

/// An attempt to send one message.
pub(super) struct Tried {
    pub queued: Queued,
    pub request: Request,
    pub answer: Answer,
    pub at: DateTime<Utc>,
}

/// Returns the pause after this many failures, a tenth longer or shorter by chance, so that what failed together isn't
/// tried together.
fn pause(failures: i32) -> TimeDelta {
    let step = usize::try_from(failures - 1).unwrap_or(0).min(PAUSES_SECONDS.len() - 1);
    let milliseconds = PAUSES_SECONDS[step] * 1000;
    TimeDelta::milliseconds(milliseconds * rand::rng().random_range(90..=110) / 100)
}

/// Records the attempts of one batch in the caller's transaction, and what follows from them. Returns whether the webhook
/// can be sent more at once.
pub(super) async fn record(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    webhook: &Claimed,
    tried: &[Tried],
) -> QueryResult<bool> {
    for attempt in tried {
        record_attempt(connection, now, attempt).await?;
    }
    let row = webhooks::table.find(webhook.id).filter(webhooks::stopped_at.is_null());
    if tried.iter().any(|attempt| attempt.answer.is_gone()) {
        stop::stop(connection, now, webhook, StopReason::Gone).await?;
        return Ok(false);
    }
    if tried.iter().any(|attempt| attempt.answer.is_accepted()) {
        diesel::update(row.filter(webhooks::failures.gt(0))).set(webhooks::failures.eq(0)).execute(connection).await?;
        return Ok(true);
    }
    let failures = webhook.failures.saturating_add(1);
    if usize::try_from(failures).is_ok_and(|failures| failures >= MAX_FAILURES) {
        diesel::update(row).set(webhooks::failures.eq(failures)).execute(connection).await?;
        stop::stop(connection, now, webhook, StopReason::Failures).await?;
        return Ok(false);
    }
    let change = (webhooks::failures.eq(failures), webhooks::paused_until.eq(now + pause(failures)));
    diesel::update(row).set(change).execute(connection).await?;
    Ok(false)
}

async fn record_attempt(connection: &mut AsyncPgConnection, now: DateTime<Utc>, tried: &Tried) -> QueryResult<()> {
    let Tried { queued, request, answer, at } = tried;
    let row = (
        webhook_attempts::delivery_id.eq(queued.id),
        webhook_attempts::at.eq(at),
        webhook_attempts::milliseconds.eq(answer.milliseconds),
        webhook_attempts::url.eq(&request.url),
        webhook_attempts::signature.eq(&request.signature),
        webhook_attempts::status.eq(answer.status.map(i32::from)),
        webhook_attempts::answer.eq(&answer.body),
        webhook_attempts::error.eq(&answer.error),
    );
    diesel::insert_into(webhook_attempts::table).values(row).execute(connection).await?;
    let waiting = webhook_deliveries::table.find(queued.id).filter(webhook_deliveries::state.eq("waiting"));
    let attempts = webhook_deliveries::attempts.eq(queued.attempts.saturating_add(1));
    let is_last = now >= queued.give_up_at;
    if answer.is_accepted() || is_last {
        let state = if answer.is_accepted() { "delivered" } else { "failed" };
        let change = (attempts, webhook_deliveries::state.eq(state), webhook_deliveries::ended_at.eq(now));
        diesel::update(waiting).set(change).execute(connection).await?;
    } else {
        let due_at = webhook_deliveries::due_at.eq(now + pause(queued.attempts.saturating_add(1)));
        diesel::update(waiting).set((attempts, due_at)).execute(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_failures_in_a_row_take_three_days() {
        let hours = PAUSES_SECONDS.iter().sum::<i64>() / 3600;
        assert_eq!(hours, 72);
        assert!(PAUSES_SECONDS.is_sorted());
    }

    #[test]
    fn pauses_vary_by_a_tenth() {
        for failures in -1..100 {
            let step = usize::try_from(failures - 1).unwrap_or(0).min(PAUSES_SECONDS.len() - 1);
            let (pause, around) = (pause(failures).num_milliseconds(), PAUSES_SECONDS[step] * 1000);
            assert!((around * 9 / 10..=around * 11 / 10).contains(&pause), "{failures}: {pause}");
        }
        let several: std::collections::HashSet<i64> = (0..50).map(|_| pause(9).num_milliseconds()).collect();
        assert!(several.len() > 1);
    }
}
