//! The pages about webhooks: of the terminal and all its customers for the office, and of a company for its administrators.
//!
//! The secret of a new key is shown to the user who made it, for ten minutes.

mod delivery;
mod place;
mod secret;
mod webhook;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

pub use delivery::{page as delivery, resend};
pub use secret::page as secret;
pub use webhook::{ask, change, page as webhook, save, test, turn_off, turn_on};

use self::place::WebhookPlace;
use super::Error;
use super::auth::Fresh;
use super::context::Context;
use super::flash::{Done, see_other, webhooks as flash};
use super::form_field::FormField;
use super::forms::{Choice, Fields};
use super::page::{Layout, Timestamp, html, html_with_status, non_empty, timestamp};
use super::problem::Problem;
use crate::accounts::people::Authority;
use crate::field_errors::FieldErrors;
use crate::webhooks::{self, NewWebhook, Stopped, Webhook, WebhookError, WebhookEvent, WebhookManager};

#[derive(Template)]
#[template(path = "webhooks/webhooks.html")]
struct WebhooksPage {
    layout: Layout,
    base: &'static str,
    back: Option<(&'static str, &'static str)>,
    form: WebhookForm,
    companies: Vec<Choice>,
    webhooks: Vec<WebhookLine>,
}

/// The fields of a webhook, with what was typed.
struct WebhookForm {
    is_open: bool,
    form_key: String,
    url: String,
    events: Vec<EventTick>,
    errors: FieldErrors,
}

struct EventTick {
    id: String,
    value: &'static str,
    label: &'static str,
    is_ticked: bool,
}

/// A webhook in the list.
struct WebhookLine {
    id: i64,
    url: String,
    /// "All BOLs", or the company.
    about: String,
    events: String,
    state: State,
    last_delivered: Option<Timestamp>,
}

/// Whether messages arrive.
struct State {
    /// "Failing"
    mark: Option<&'static str>,
    text: String,
}

impl WebhookForm {
    fn new(is_open: bool, url: &str, ticked: &[&str], errors: FieldErrors) -> Self {
        let tick = |(at, event): (usize, WebhookEvent)| EventTick {
            // The first one has the id of the field, for the link of its message.
            id: if at == 0 { "events".into() } else { format!("events-{at}") },
            value: event.as_str(),
            label: event.label(),
            is_ticked: ticked.contains(&event.as_str()),
        };
        Self {
            is_open,
            form_key: Uuid::now_v7().simple().to_string(),
            url: url.to_owned(),
            events: WebhookEvent::ALL.into_iter().enumerate().map(tick).collect(),
            errors,
        }
    }

    /// All events, as most receivers want.
    fn empty() -> Self {
        let all: Vec<&str> = WebhookEvent::ALL.into_iter().map(WebhookEvent::as_str).collect();
        Self::new(false, "", &all, FieldErrors::default())
    }

    fn typed(fields: &Fields, errors: FieldErrors) -> Self {
        let form = Self::new(true, fields.one("url"), &fields.all("events"), errors);
        let form_key = non_empty(fields.one("form_key").to_owned()).unwrap_or(form.form_key);
        Self { form_key, ..form }
    }

    fn event_error(&self) -> Option<&str> {
        self.errors.message("events")
    }
}

impl State {
    fn of(webhook: &Webhook, now: DateTime<Utc>, zone: Tz) -> Self {
        let (mark, text) = match webhook.stopped() {
            Some(Stopped::ByUser) => (None, "Off".into()),
            Some(Stopped::Gone) => (Some("Off"), "The receiver wants no more messages (410).".into()),
            Some(Stopped::Failures) => (Some("Off"), "Twenty attempts in a row have failed.".into()),
            None if webhook.failures > 0 && webhook.has_waiting => {
                let next = timestamp(webhook.paused_until.max(now), zone).text;
                let failed = match webhook.failures {
                    1 => "One attempt has failed".to_owned(),
                    failures => format!("{failures} attempts in a row have failed"),
                };
                (Some("Failing"), format!("{failed}. Next attempt: {next}."))
            }
            None if webhook.has_waiting => (None, "On, sending".into()),
            None => (None, "On".into()),
        };
        Self { mark, text }
    }
}

/// `GET`: the list, with the form of a new webhook.
pub async fn page<P: WebhookPlace>(context: Context<P>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut page = WebhooksPage::load(&context, WebhookForm::empty(), "").await?;
    page.form.is_open = page.webhooks.is_empty();
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST`: adds a webhook: `form_key`, `customer`, `url`, `events` (repeated). Leads to its keys.
pub async fn add<P: WebhookPlace>(context: Context<Fresh<P>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let customer = fields.one("customer");
    let new =
        NewWebhook { form_key: fields.one("form_key"), customer, url: fields.one("url"), events: fields.all("events") };
    let (problem, errors) = match context.change(manager(&context).make(&new)).await {
        Ok(id) => return Ok(see_other(&format!("{}/{id}/secret", P::BASE), Some(flash::ADDED))),
        Err(WebhookError::MadeBefore) => return Ok(see_other(P::BASE, Some(flash::ADDED_BEFORE))),
        Err(error) => refused(error, "No webhook was added.")?,
    };
    let mut page = WebhooksPage::load(&context, WebhookForm::typed(&fields, errors), customer).await?;
    if !context.is_draft() {
        page.layout = page.layout.problem(problem);
    }
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Makes changes for the user of this request.
fn manager<P: WebhookPlace>(context: &Context<P>) -> WebhookManager<'_> {
    WebhookManager { user: context.acting(), office: &context.site.webhooks }
}

/// The message above the page, and those beside the fields. Other errors are those of the whole page.
fn refused(error: WebhookError, nothing: &'static str) -> Result<(Problem, FieldErrors), Error> {
    match error {
        WebhookError::Fields(errors) => Ok((Problem::new(nothing).fields(&errors), errors)),
        WebhookError::Refused(why) => Ok((Problem::new(why), FieldErrors::default())),
        error => Err(whole_page(error)),
    }
}

fn whole_page(error: WebhookError) -> Error {
    match error {
        WebhookError::NotFound => Error::NotFound,
        WebhookError::Db(error) => error.into(),
        error => Error::Invalid(error.to_string()),
    }
}

/// Returns a webhook in the user's charge. Anyone else gets the answer for one that doesn't exist.
async fn find<P: WebhookPlace>(context: &Context<P>, id: i64) -> Result<Webhook, Error> {
    let authority = Authority::of(&context.viewer);
    webhooks::find(&mut *context.db.get().await?, &authority, id).await?.ok_or(Error::NotFound)
}

impl WebhooksPage {
    async fn load<P: WebhookPlace>(context: &Context<P>, form: WebhookForm, customer: &str) -> Result<Self, Error> {
        let (now, zone) = (context.site.clock.now(), context.site.time_zone);
        let companies = P::companies(context).await?;
        let authority = Authority::of(&context.viewer);
        let found = webhooks::webhooks(&mut *context.db.get().await?, &authority).await?;
        let line = |webhook: Webhook| WebhookLine {
            id: webhook.id,
            state: State::of(&webhook, now, zone),
            events: webhook.events.join(", "),
            last_delivered: webhook.last_delivered_at.map(|at| timestamp(at, zone)),
            about: about(&webhook),
            url: webhook.url,
        };
        Ok(Self {
            layout: context.layout(P::HERE),
            base: P::BASE,
            back: P::BACK,
            form,
            companies: companies
                .into_iter()
                .map(|choice| Choice { selected: choice.value == customer, ..choice })
                .collect(),
            webhooks: found.into_iter().map(line).collect(),
        })
    }

    /// The company, if there is nothing to choose.
    fn only_company(&self) -> Option<&str> {
        match self.companies.as_slice() {
            [company] => Some(&company.value),
            _ => None,
        }
    }
}

fn about(webhook: &Webhook) -> String {
    webhook.company.clone().unwrap_or_else(|| "All BOLs".into())
}
