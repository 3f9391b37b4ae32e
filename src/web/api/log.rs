//! `GET /api/v1/log/events`: the access log as it grows.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Query;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::types::LogQuery;
use crate::accounts::access::AccessError;
use crate::accounts::response_slots::ResponseKind;
use crate::audit::feed::{self, MAX_EVENTS, SealedEvent};
use crate::audit::{self, Action, Event, Outcome};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::{Audience, Auditors, LogRead, Scoped};
use crate::web::context::Context;

const DEFAULT_EVENTS: usize = 500;
const MAX_WAIT: u64 = 30;
/// The pause between two looks for new events. Sealing takes about as long.
const INTERVAL: Duration = Duration::from_millis(500);

/// Follow the access log.
///
/// The sealed events in the order of the tree, as JSON Lines. Send the `position` of the last line as `after` to go on: an
/// event never gets a position below one that was sent, so none is missed and none comes twice. An event is sealed about
/// a second after it was recorded. With `wait`, the answer comes as soon as there is an event; an empty one means that
/// there was none.
///
/// Reading is recorded as `AUDIT_VIEWED`, unless there is nothing but records of such readings to read.
#[utoipa::path(
    get,
    path = "/api/v1/log/events",
    operation_id = "follow_log",
    tag = "Access log",
    params(LogQuery),
    responses((
        status = 200,
        description = "One event on each line: a JSON object of the schema `LogEvent`.",
        body = String,
        content_type = "application/x-ndjson"
    )),
    security(("token" = ["log:read"]), ("session" = []))
)]
pub async fn events(
    context: Context<Scoped<Auditors, LogRead>>,
    query: Query<LogQuery>,
) -> Result<HttpResponse, Error> {
    let Reading { after, limit, wait } = Reading::parse(&query)?;
    let mut events = feed::after(&mut *context.db.get().await?, after, limit).await?;
    if events.is_empty() && !wait.is_zero() {
        let _slot = context.response_slot(ResponseKind::Follow).await?;
        let end = Instant::now() + wait;
        while events.is_empty() && Instant::now() < end {
            // No connection is held meanwhile.
            sleep(INTERVAL.min(end - Instant::now())).await;
            events = feed::after(&mut *context.db.get().await?, after, limit).await?;
        }
        context.access().check().await.map_err(|error| match error {
            AccessError::Ended(_) => Error::AccessEnded,
            AccessError::Db(error) => error.into(),
        })?;
    }
    record(&context, after, &events).await?;
    let mut text = Vec::with_capacity(events.len() * 600);
    for event in &events {
        event.write_line(&mut text).map_err(|error| Error::Internal(error.to_string()))?;
    }
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").body(text))
}

/// Records what was read, before it is sent.
async fn record<A: Audience>(context: &Context<A>, after: i64, events: &[SealedEvent]) -> Result<(), Error> {
    let Some(last) = events.last().filter(|_| !events.iter().all(SealedEvent::is_of_feed)) else { return Ok(()) };
    let mut detail = json!({});
    detail[feed::DETAIL] = json!({"after": after, "through": last.position, "events": events.len()});
    let event = Event::new(Action::AuditViewed, Outcome::Success, context.viewer.actor(), &context.origin);
    Ok(audit::record(&*context.db.get().await?, &event.detail(detail)).await?)
}

/// What to read.
struct Reading {
    /// The position of the last event that the client has, or -1.
    after: i64,
    limit: usize,
    wait: Duration,
}

impl Reading {
    fn parse(query: &LogQuery) -> Result<Self, Error> {
        let mut errors = FieldErrors::default();
        let mut number = |field: &'static str, text: &Option<String>, (least, most), message: &str| {
            let text = text.as_deref().filter(|text| !text.is_empty())?;
            let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
            if number.is_none() {
                errors.add(field, message);
            }
            number
        };
        let after = number("after", &query.after, (0, i64::MAX), "Use the position of an event.");
        let limit = number("limit", &query.limit, (1, MAX_EVENTS as i64), "Use a number from 1 to 5000.");
        let wait = number("wait", &query.wait, (0, MAX_WAIT as i64), "Use a number of seconds from 0 to 30.");
        errors
            .or(Self {
                after: after.unwrap_or(-1),
                limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DEFAULT_EVENTS),
                wait: Duration::from_secs(wait.map_or(0, i64::unsigned_abs)),
            })
            .map_err(Error::Fields)
    }
}
