//! Makes, changes and removes webhooks: a company's administrators those of their company, the office all.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now as database_now;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use url::Url;

use super::key::new_salt;
use super::stop::{StopReason, company_of, origin_of};
use super::{Destinations, PublicKey, WebhookEvent, WebhookKeys, follow, queue};
use crate::accounts::ActingUser;
use crate::accounts::people::Authority;
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbError;
use crate::db::schema::{customers, webhooks};
use crate::field_errors::FieldErrors;

/// Webhooks of one company, and of the terminal.
const MAX_WEBHOOKS: i64 = 10;
const MAX_FORM_KEY_BYTES: usize = 64;
/// For how long the key before a new one signs too.
const FORMER_KEY_LIFE: TimeDelta = TimeDelta::days(1);
/// For how long the user who made a key can look at its secret.
const SECRET_SHOWN: TimeDelta = TimeDelta::minutes(10);

/// A webhook as typed.
#[derive(Clone, Debug, Default)]
pub struct NewWebhook<'a> {
    /// Of the form, so that sending it twice makes one webhook.
    pub form_key: &'a str,
    /// The code of the company. Empty: all BOLs, which only the office can choose.
    pub customer: &'a str,
    pub url: &'a str,
    pub events: Vec<&'a str>,
}

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("no such webhook or delivery, or it is not in the user's charge")]
    NotFound,
    #[error("some fields are invalid")]
    Fields(FieldErrors),
    #[error("{0}")]
    Refused(String),
    /// The form was sent before.
    #[error("this form has made its webhook or its key already")]
    MadeBefore,
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(WebhookError);

type Change<T> = Result<T, WebhookError>;

/// What makes and checks webhooks, beside the user.
#[derive(Clone, Debug)]
pub struct WebhookOffice {
    pub keys: WebhookKeys,
    pub destinations: Destinations,
}

/// A webhook whose row is locked for a change.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = webhooks, check_for_backend(diesel::pg::Pg))]
pub(super) struct Locked {
    pub customer_id: Option<i64>,
    pub url: String,
    pub events: Vec<String>,
    pub key_salt: Vec<u8>,
    pub public_key: Vec<u8>,
    #[diesel(select_expression = webhooks::stopped_at.is_not_null())]
    pub is_stopped: bool,
}

/// Reads the events that were ticked. The error is the message.
fn read_events(typed: &[&str]) -> Result<Vec<&'static str>, String> {
    let known: Vec<&str> =
        WebhookEvent::ALL.into_iter().map(WebhookEvent::as_str).filter(|known| typed.contains(known)).collect();
    if known.is_empty() || typed.iter().any(|event| event.parse::<WebhookEvent>().is_err()) {
        return Err("Tick at least one event.".into());
    }
    Ok(known)
}

/// A user in charge of webhooks.
#[derive(Clone, Copy)]
pub struct WebhookManager<'a> {
    pub user: ActingUser<'a>,
    pub office: &'a WebhookOffice,
}

impl WebhookManager<'_> {
    fn authority(&self) -> Authority {
        Authority::of(self.user.viewer)
    }

    /// Reads address and events as typed.
    fn read(&self, url: &str, events: &[&str]) -> Result<(Url, Vec<&'static str>), FieldErrors> {
        match (self.office.destinations.parse(url), read_events(events)) {
            (Ok(url), Ok(events)) => Ok((url, events)),
            (url, events) => {
                let mut errors = FieldErrors::default();
                url.err().into_iter().for_each(|why| errors.add("url", why));
                events.err().into_iter().for_each(|why| errors.add("events", why));
                Err(errors)
            }
        }
    }

    /// Makes a webhook, records that, and returns its id. The address is not tried.
    pub async fn make(&self, new: &NewWebhook<'_>) -> Change<i64> {
        if new.form_key.is_empty() || new.form_key.len() > MAX_FORM_KEY_BYTES {
            return Err(WebhookError::Refused("Open the page again, then add the webhook.".into()));
        }
        let read = self.read(new.url, &new.events);
        self.user
            .db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let company = self.company(connection, new.customer).await?;
                let mut errors = read.as_ref().err().cloned().unwrap_or_default();
                if matches!(company, Company::Unknown) {
                    errors.add("customer", "Choose a customer from the list.");
                }
                let (url, events) = errors.or(read).map_err(WebhookError::Fields)?.map_err(WebhookError::Fields)?;
                self.insert(connection, new.form_key, company.known(), (url.as_str(), &events)).await
            })
            .await
    }

    async fn insert(
        &self,
        connection: &mut AsyncPgConnection,
        form_key: &str,
        company: Option<(i64, String)>,
        (url, events): (&str, &[&str]),
    ) -> Change<i64> {
        // Locks the cursor, so that two forms at once are counted one after the other.
        follow::begin(connection).await?;
        let id = company.as_ref().map(|(id, _)| *id);
        let same = webhooks::table
            .filter(webhooks::made_by.eq(self.user.viewer.user_id))
            .filter(webhooks::form_key.eq(form_key));
        if diesel::select(diesel::dsl::exists(same)).get_result(connection).await? {
            return Err(WebhookError::MadeBefore);
        }
        let own = webhooks::table.filter(webhooks::customer_id.is_not_distinct_from(id)).count();
        if own.get_result::<i64>(connection).await? >= MAX_WEBHOOKS {
            return Err(WebhookError::Refused(format!(
                "There are {MAX_WEBHOOKS} webhooks already. Remove one that is not used."
            )));
        }
        let salt = new_salt()?;
        let public = self.office.keys.of(&salt).public();
        let row = (
            webhooks::customer_id.eq(id),
            webhooks::made_by.eq(self.user.viewer.user_id),
            webhooks::form_key.eq(form_key),
            webhooks::url.eq(url),
            webhooks::events.eq(events),
            webhooks::key_salt.eq(&salt),
            webhooks::public_key.eq(&public.0),
            webhooks::key_made_at.eq(self.user.clock.now()),
            webhooks::key_made_by.eq(self.user.viewer.user_id),
            webhooks::created_at.eq(self.user.clock.now()),
        );
        let made: i64 =
            diesel::insert_into(webhooks::table).values(row).returning(webhooks::id).get_result(connection).await?;
        let detail = json!({"webhook": made, "address": origin_of(url), "events": events});
        self.record(connection, Action::WebhookCreated, company, detail).await?;
        Ok(made)
    }

    /// Changes address and events, from the next message on.
    pub async fn change(&self, id: i64, url: &str, events: &[&str]) -> Change<()> {
        let (url, events) = self.read(url, events).map_err(WebhookError::Fields)?;
        self.with_webhook(id, async |connection, webhook| {
            if webhook.url == url.as_str() && webhook.events == events {
                return Ok(());
            }
            let change = (webhooks::url.eq(url.as_str()), webhooks::events.eq(&events));
            diesel::update(webhooks::table.find(id)).set(change).execute(connection).await?;
            // The end of the old pause would be hours away.
            queue::resume(connection, self.user.clock.now(), id).await?;
            let state = |url: &str, events: &serde_json::Value| json!({"address": origin_of(url), "events": events});
            let detail = json!({
                "webhook": id,
                "url_changed": webhook.url != url.as_str(),
                "before": state(&webhook.url, &json!(webhook.events)),
                "after": state(url.as_str(), &json!(events)),
            });
            self.record_about(connection, Action::WebhookChanged, webhook, detail).await
        })
        .await
    }

    /// Turns a webhook off. What waits stays.
    pub async fn turn_off(&self, id: i64) -> Change<()> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            if webhook.is_stopped {
                return Ok(());
            }
            let change = (webhooks::stopped_at.eq(now), webhooks::stopped_for.eq(StopReason::User.as_str()));
            diesel::update(webhooks::table.find(id)).set(change).execute(connection).await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url), "on": false});
            self.record_about(connection, Action::WebhookChanged, webhook, detail).await
        })
        .await
    }

    /// Turns a webhook on. What waited is sent, unless it is too old; events of the meantime are not.
    pub async fn turn_on(&self, id: i64) -> Change<()> {
        self.with_webhook(id, async |connection, webhook| {
            if !webhook.is_stopped {
                return Ok(());
            }
            follow::begin(connection).await?;
            let change = (
                webhooks::stopped_at.eq(None::<DateTime<Utc>>),
                webhooks::stopped_for.eq(""),
                webhooks::follows_from.eq(database_now),
            );
            diesel::update(webhooks::table.find(id)).set(change).execute(connection).await?;
            queue::resume(connection, self.user.clock.now(), id).await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url), "on": true});
            self.record_about(connection, Action::WebhookChanged, webhook, detail).await
        })
        .await
    }

    /// Makes new keys, unless `shown` is no longer the public key: then the form was sent before. The former keys sign too for a
    /// day, so that a receiver can change over.
    pub async fn new_key(&self, id: i64, shown: &str) -> Change<()> {
        let now = self.user.clock.now();
        self.with_webhook(id, async |connection, webhook| {
            if PublicKey(webhook.public_key.clone()).to_text() != shown {
                return Err(WebhookError::MadeBefore);
            }
            let salt = new_salt()?;
            let public = self.office.keys.of(&salt).public();
            let change = (
                webhooks::key_salt.eq(&salt),
                webhooks::public_key.eq(&public.0),
                webhooks::key_made_at.eq(now),
                webhooks::key_made_by.eq(self.user.viewer.user_id),
                webhooks::former_salt.eq(&webhook.key_salt),
                webhooks::former_until.eq(now + FORMER_KEY_LIFE),
            );
            diesel::update(webhooks::table.find(id)).set(change).execute(connection).await?;
            queue::resume(connection, now, id).await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url), "new_key": true});
            self.record_about(connection, Action::WebhookChanged, webhook, detail).await
        })
        .await
    }

    /// Returns the secret of a webhook, to the user who made its key, for ten minutes. `None` afterwards.
    pub async fn secret(&self, id: i64) -> Change<Option<String>> {
        let since = self.user.clock.now() - SECRET_SHOWN;
        self.with_webhook(id, async |connection, webhook| {
            let made_now = webhooks::table
                .find(id)
                .filter(webhooks::key_made_by.eq(self.user.viewer.user_id))
                .filter(webhooks::key_made_at.gt(since));
            let is_shown: bool = diesel::select(diesel::dsl::exists(made_now)).get_result(connection).await?;
            let keys = self.office.keys.of(&webhook.key_salt);
            Ok((is_shown && keys.public().0 == webhook.public_key).then(|| keys.secret_text()))
        })
        .await
    }

    /// Removes a webhook with its deliveries.
    pub async fn remove(&self, id: i64) -> Change<()> {
        self.with_webhook(id, async |connection, webhook| {
            diesel::delete(webhooks::table.find(id)).execute(connection).await?;
            let detail = json!({"webhook": id, "address": origin_of(&webhook.url)});
            self.record_about(connection, Action::WebhookRemoved, webhook, detail).await
        })
        .await
    }

    /// Runs a change of a webhook in the user's charge, which stays locked until the change is committed.
    pub(super) async fn with_webhook<T>(
        &self,
        id: i64,
        change: impl AsyncFnOnce(&mut AsyncPgConnection, &Locked) -> Change<T>,
    ) -> Change<T> {
        self.user
            .db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let row = webhooks::table.find(id).select(Locked::as_select()).for_no_key_update();
                let Some(webhook) = row.first(connection).await.optional()? else { return Err(WebhookError::NotFound) };
                if covers(&self.authority(), webhook.customer_id) {
                    change(connection, &webhook).await
                } else {
                    Err(WebhookError::NotFound)
                }
            })
            .await
    }

    /// Returns the company of a code, or all BOLs for the empty code, as far as the user may choose it.
    async fn company(&self, connection: &mut AsyncPgConnection, code: &str) -> QueryResult<Company> {
        let authority = self.authority();
        if code.is_empty() {
            return Ok(if covers(&authority, None) { Company::All } else { Company::Unknown });
        }
        let found: Option<(i64, String)> = customers::table
            .filter(customers::code.eq(code))
            .filter(customers::active)
            .select((customers::id, customers::code))
            .first(connection)
            .await
            .optional()?;
        let found = found.filter(|(id, _)| covers(&authority, Some(*id)));
        Ok(found.map_or(Company::Unknown, |(id, code)| Company::One(id, code)))
    }

    pub(super) async fn record_about(
        &self,
        connection: &mut AsyncPgConnection,
        action: Action,
        webhook: &Locked,
        detail: serde_json::Value,
    ) -> Change<()> {
        let company = company_of(connection, webhook.customer_id).await?;
        Ok(self.record(connection, action, company, detail).await?)
    }

    async fn record(
        &self,
        connection: &mut AsyncPgConnection,
        action: Action,
        company: Option<(i64, String)>,
        detail: serde_json::Value,
    ) -> QueryResult<()> {
        let event = Event::new(action, Outcome::Success, self.user.actor(), self.user.origin).detail(detail);
        audit::record(connection, &event.with_company(company.as_ref())).await
    }
}

/// Whose BOLs a webhook is about.
enum Company {
    All,
    One(i64, String),
    Unknown,
}

impl Company {
    fn known(self) -> Option<(i64, String)> {
        match self {
            Self::One(id, code) => Some((id, code)),
            Self::All | Self::Unknown => None,
        }
    }
}

/// Whether users with this authority manage the webhooks of a company, or those about all BOLs (`None`).
fn covers(authority: &Authority, company: Option<i64>) -> bool {
    match (authority, company) {
        (Authority::Everybody | Authority::Customers, _) => true,
        (Authority::Companies(ids), Some(id)) => ids.contains(&id),
        (Authority::Companies(_), None) => false,
    }
}
