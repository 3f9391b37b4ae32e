//! What follows from an attempt: done, again later, or off.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::Rng as _;

use super::client::{Answer, Request};
use super::queue::{self, Claimed, Queued};
use super::stop::{self, StopReason};
use crate::db::schema::{webhook_attempts, webhook_deliveries, webhooks};

/// Failures in a row that turn a webhook off. With [`PAUSES_SECONDS`], that is three days after the first one.
const MAX_FAILURES: usize = 20;

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

/// Records the attempts of one batch in the caller's transaction, and what follows from them. Returns the webhook with a new
/// lease if it can be sent more at once.
///
/// Locks the webhook before its deliveries, as every change of a user does.
pub(super) async fn record(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    webhook: &Claimed,
    tried: &[Tried],
) -> QueryResult<Option<Claimed>> {
    let Some((current, is_on)) = queue::lock(connection, webhook.id).await? else { return Ok(None) };
    for attempt in tried {
        record_attempt(connection, now, attempt).await?;
    }
    // Another process has it, or a user has turned it off.
    if current.leased_until != webhook.leased_until || !is_on {
        return Ok(None);
    }
    // An answer of an address that was corrected in the meantime counts for nothing.
    if current.url != webhook.url || current.failures != webhook.failures {
        return queue::renew(connection, webhook.id).await.map(Some);
    }
    if tried.iter().any(|attempt| attempt.answer.is_gone()) {
        stop::stop(connection, now, &current, StopReason::Gone).await?;
        return Ok(None);
    }
    let is_accepted = tried.iter().any(|attempt| attempt.answer.is_accepted());
    if is_accepted && current.failures > 0 {
        queue::resume(connection, now, webhook.id).await?;
    }
    // What a user asked for may fail as often as the user likes.
    if is_accepted || tried.iter().all(|attempt| attempt.queued.asked_at.is_some()) {
        return queue::renew(connection, webhook.id).await.map(Some);
    }
    let failures = current.failures.saturating_add(1);
    let change = (webhooks::failures.eq(failures), webhooks::paused_until.eq(now + pause(failures)));
    diesel::update(webhooks::table.find(webhook.id)).set(change).execute(connection).await?;
    if usize::try_from(failures).is_ok_and(|failures| failures >= MAX_FAILURES) {
        stop::stop(connection, now, &current, StopReason::Failures).await?;
    }
    Ok(None)
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
        let asked_at = webhook_deliveries::asked_at.eq(None::<DateTime<Utc>>);
        diesel::update(waiting).set((attempts, due_at, asked_at)).execute(connection).await?;
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
