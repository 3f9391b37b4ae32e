//! One delivery: what was sent, and what was answered.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use askama::Template;
use tokio::time::sleep;

use super::place::WebhookPlace;
use super::webhook::not_done;
use super::{find, manager};
use crate::web::Error;
use crate::web::context::Context;
use crate::web::flash::{Done, see_other, webhooks as flash};
use crate::web::page::{Layout, Timestamp, html, non_empty, timestamp};
use crate::webhooks::{self, Attempt, Delivery, DeliveryState};

/// How long the page of a message that was just queued waits for its first answer. Most arrive within a second.
const WAIT_STEP: Duration = Duration::from_millis(250);
const WAIT_STEPS: usize = 12;

#[derive(Template)]
#[template(path = "webhooks/delivery.html")]
struct DeliveryPage {
    layout: Layout,
    /// The address of the webhook.
    webhook: String,
    id: i64,
    event: String,
    message_id: String,
    body: String,
    created: Timestamp,
    state: String,
    is_bad: bool,
    /// Nothing was tried yet.
    is_pending: bool,
    can_resend: bool,
    attempts: Vec<AttemptLine>,
}

struct AttemptLine {
    at: Timestamp,
    url: String,
    /// "HTTP 200 after 31 ms"
    answer: String,
    is_bad: bool,
    error: Option<String>,
    body: Option<String>,
    unix: i64,
    signature: String,
}

impl AttemptLine {
    fn new(attempt: Attempt, zone: chrono_tz::Tz) -> Self {
        let answer = match attempt.status {
            Some(status) => format!("HTTP {status} after {} ms", attempt.milliseconds),
            None => format!("No answer after {} ms", attempt.milliseconds),
        };
        Self {
            at: timestamp(attempt.at, zone),
            unix: attempt.at.timestamp(),
            url: attempt.url,
            is_bad: !attempt.status.is_some_and(|status| (200..300).contains(&status)),
            answer,
            error: non_empty(attempt.error),
            body: non_empty(attempt.answer),
            signature: attempt.signature,
        }
    }
}

/// `GET`: the delivery. Waits a moment for the answer to one that was just queued.
pub async fn page<P: WebhookPlace>(
    context: Context<P>,
    path: Path<(i64, i64)>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let (id, delivery) = path.into_inner();
    let webhook = find(&context, id).await?;
    let mut found = load(&context, id, delivery).await?;
    for _ in 0..WAIT_STEPS {
        let is_new = found.state() == DeliveryState::Waiting && found.attempts == 0 && webhook.stopped().is_none();
        if !is_new {
            break;
        }
        sleep(WAIT_STEP).await;
        found = load(&context, id, delivery).await?;
    }
    let zone = context.site.time_zone;
    let attempts = webhooks::attempts(&mut *context.db.get().await?, delivery).await?;
    let page = DeliveryPage {
        layout: context.layout(P::HERE).flash(&done, flash::ALL),
        webhook: format!("{}/{id}", P::BASE),
        id: delivery,
        created: timestamp(found.created_at, zone),
        state: state_text(&found, zone),
        is_bad: found.state() == DeliveryState::Failed || found.state() == DeliveryState::Waiting && found.attempts > 0,
        is_pending: found.state() == DeliveryState::Waiting && found.attempts == 0,
        can_resend: webhook.stopped().is_none(),
        event: found.event,
        message_id: found.message_id,
        body: found.body,
        attempts: attempts.into_iter().map(|attempt| AttemptLine::new(attempt, zone)).collect(),
    };
    Ok(html(&page))
}

/// `POST …/again`
pub async fn resend<P: WebhookPlace>(context: Context<P>, path: Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (id, delivery) = path.into_inner();
    match manager(&context).resend(id, delivery).await {
        Ok(()) => Ok(see_other(&format!("{}/{id}/deliveries/{delivery}", P::BASE), Some(flash::SENT_AGAIN))),
        Err(error) => not_done(&context, id, error).await,
    }
}

async fn load<P: WebhookPlace>(context: &Context<P>, webhook: i64, id: i64) -> Result<Delivery, Error> {
    webhooks::delivery(&mut *context.db.get().await?, webhook, id).await?.ok_or(Error::NotFound)
}

fn state_text(delivery: &Delivery, zone: chrono_tz::Tz) -> String {
    let ended = delivery.ended_at.map(|at| timestamp(at, zone).text).unwrap_or_default();
    match delivery.state() {
        DeliveryState::Waiting if delivery.attempts == 0 => "Waiting to be sent.".into(),
        DeliveryState::Waiting => format!("Not accepted yet. Next attempt: {}.", timestamp(delivery.due_at, zone).text),
        DeliveryState::Delivered => format!("Accepted by the receiver on {ended}."),
        DeliveryState::Failed => {
            format!("Given up on {ended}. Send it again when the receiver works.")
        }
        DeliveryState::Withheld => "Not sent: the company no longer had the BOL or the document.".into(),
    }
}
