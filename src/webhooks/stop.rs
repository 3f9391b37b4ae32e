//! Turning a webhook off because of its receiver.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use url::Url;

use super::queue::Claimed;
use crate::accounts::{customers, people};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::webhooks;
use crate::mail::EmailTemplate;
use crate::mail::outbox::{self, To};

/// Why a webhook is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    User,
    /// Its address answered 410.
    Gone,
    /// Failures in a row.
    Failures,
}

impl StopReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Gone => "gone",
            Self::Failures => "failures",
        }
    }
}

/// Returns the scheme, host and port of a webhook's URL. The rest may be a secret of the receiver.
pub(super) fn origin_of(url: &str) -> String {
    Url::parse(url).map_or_else(|_| "-".into(), |url| url.origin().ascii_serialization())
}

/// Returns the company of a webhook, for its events: id and code. `None` for one about all BOLs.
pub(super) async fn company_of(
    connection: &mut AsyncPgConnection,
    customer_id: Option<i64>,
) -> QueryResult<Option<(i64, String)>> {
    let Some(id) = customer_id else { return Ok(None) };
    Ok(customers::code_of(connection, id).await?.map(|code| (id, code)))
}

/// Turns a webhook off, records that, and emails those in charge of it. What waits stays, in case it is turned on again.
pub(super) async fn stop(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    webhook: &Claimed,
    reason: StopReason,
) -> QueryResult<()> {
    let on = webhooks::table.find(webhook.id).filter(webhooks::stopped_at.is_null());
    let change = (webhooks::stopped_at.eq(now), webhooks::stopped_for.eq(reason.as_str()));
    if diesel::update(on).set(change).execute(connection).await? == 0 {
        return Ok(());
    }
    let address = origin_of(&webhook.url);
    let company = company_of(connection, webhook.customer_id).await?;
    let origin = Origin::default();
    let event = Event::new(Action::WebhookStopped, Outcome::Failed, Actor::PORTAL, &origin);
    let event = event.detail(json!({"webhook": webhook.id, "address": address, "reason": reason.as_str()}));
    audit::record(connection, &event.with_company(company.as_ref())).await?;
    let (owners, is_office) = people::webhook_owners(connection, webhook.customer_id, webhook.made_by).await?;
    let path = if is_office { "office" } else { "people" };
    for owner in owners {
        let template = EmailTemplate::WebhookStopped {
            name: owner.name,
            address: address.clone(),
            is_gone: reason == StopReason::Gone,
            path: format!("/{path}/webhooks/{}", webhook.id),
        };
        outbox::post(connection, now, To::new(&owner.email, Some(owner.id)), &template).await?;
    }
    Ok(())
}
