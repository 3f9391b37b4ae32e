//! The page of one webhook: its state, its key, its deliveries, and its changes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Path, Query};
use askama::Template;

use super::place::WebhookPlace;
use super::{State, WebhookForm, about, find, manager, refused, whole_page};
use crate::web::Error;
use crate::web::auth::Fresh;
use crate::web::context::Context;
use crate::web::flash::{Done, see_other, webhooks as flash};
use crate::web::form_field::FormField;
use crate::web::forms::Fields;
use crate::web::page::{Layout, Pager, Timestamp, html, html_with_status, non_empty, timestamp};
use crate::web::problem::Problem;
use crate::web::question::Question;
use crate::webhooks::{self, Delivery, DeliveryState, WebhookError};

/// Deliveries on a page. The pager says "Next 50".
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "webhooks/webhook.html")]
struct WebhookPage {
    layout: Layout,
    base: &'static str,
    id: i64,
    url: String,
    about: String,
    events: String,
    /// When, and by whom as far as this user may know.
    added: String,
    state: State,
    is_on: bool,
    public: String,
    form: WebhookForm,
    deliveries: Vec<DeliveryLine>,
    pages: Pager,
}

/// A delivery in the list.
struct DeliveryLine {
    id: i64,
    event: String,
    bol_number: Option<String>,
    created: Timestamp,
    state: &'static str,
    is_bad: bool,
    attempts: i32,
}

impl DeliveryLine {
    fn new(delivery: Delivery, zone: chrono_tz::Tz) -> Self {
        let (state, is_bad) = match delivery.state() {
            DeliveryState::Waiting if delivery.attempts > 0 => ("Failing", true),
            DeliveryState::Waiting => ("Waiting", false),
            DeliveryState::Delivered => ("Delivered", false),
            DeliveryState::Failed => ("Given up", true),
            DeliveryState::Withheld => ("Not sent", false),
        };
        Self {
            id: delivery.id,
            bol_number: non_empty(delivery.bol_number),
            created: timestamp(delivery.created_at, zone),
            event: delivery.event,
            attempts: delivery.attempts,
            state,
            is_bad,
        }
    }
}

/// The place in the list of deliveries.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Before {
    before: Option<i64>,
}

/// `GET`: the webhook with its newest deliveries, or those before one.
pub async fn page<P: WebhookPlace>(
    context: Context<P>,
    id: Path<i64>,
    before: Query<Before>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let mut page = WebhookPage::load(&context, *id, before.before, None).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST`: changes the address and the events: `url`, `events` (repeated).
pub async fn save<P: WebhookPlace>(
    context: Context<Fresh<P>>,
    id: Path<i64>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let (manager, events) = (manager(&context), fields.all("events"));
    let Err(error) = context.change(manager.change(*id, fields.one("url"), &events)).await else {
        return Ok(see_other(&format!("{}/{id}", P::BASE), Some(flash::SAVED)));
    };
    let (problem, errors) = refused(error, "Nothing was saved.")?;
    let mut page = WebhookPage::load(&context, *id, None, Some(WebhookForm::typed(&fields, errors))).await?;
    if !context.is_draft() {
        page.layout = page.layout.problem(problem);
    }
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// `POST …/test`: sends a test, and leads to its delivery.
pub async fn test<P: WebhookPlace>(context: Context<P>, id: Path<i64>) -> Result<HttpResponse, Error> {
    match manager(&context).test(*id).await {
        Ok(delivery) => Ok(see_other(&format!("{}/{id}/deliveries/{delivery}", P::BASE), None)),
        Err(error) => not_done(&context, *id, error).await,
    }
}

/// `POST …/off`
pub async fn turn_off<P: WebhookPlace>(context: Context<P>, id: Path<i64>) -> Result<HttpResponse, Error> {
    manager(&context).turn_off(*id).await.map_err(whole_page)?;
    Ok(see_other(&format!("{}/{id}", P::BASE), Some(flash::OFF)))
}

/// `GET …/{change}`: asks before a new key is made (`key`) or the webhook removed (`remove`). Other changes need no question.
pub async fn ask<P: WebhookPlace>(context: Context<P>, path: Path<(i64, String)>) -> Result<HttpResponse, Error> {
    let (id, change) = path.into_inner();
    let webhook = find(&context, id).await?;
    let here = format!("{}/{id}", P::BASE);
    let (title, consequences, button) = match change.as_str() {
        "key" => (
            "Make a new signing key?".to_owned(),
            vec![
                "Messages are signed with the present key and the new one for 24 hours, and then with the new one alone."
                    .to_owned(),
                "Give the receiver the new key within that time.".to_owned(),
            ],
            "Make new key",
        ),
        "remove" => (
            "Remove this webhook?".to_owned(),
            vec![
                format!("{} gets no more messages, and what waits is not sent.", webhook.url),
                "Its key and the list of its deliveries are removed too. The access log keeps that it was here.".to_owned(),
            ],
            "Remove webhook",
        ),
        _ => return Ok(see_other(&here, None)),
    };
    Ok(html(&Question {
        layout: context.layout(P::HERE),
        title,
        consequences,
        action: format!("{here}/{change}"),
        // So that sending the form twice makes one key.
        fields: vec![("key", webhook.public_key().to_text())],
        button: button.into(),
        back: (here, "Webhook".into()),
    }))
}

/// `POST …/on`
pub async fn turn_on<P: WebhookPlace>(context: Context<Fresh<P>>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let context = context.proven();
    manager(&context).turn_on(*id).await.map_err(whole_page)?;
    Ok(see_other(&format!("{}/{id}", P::BASE), Some(flash::ON)))
}

/// `POST …/{change}`: `key`, with the present public `key`, or `remove`.
pub async fn change<P: WebhookPlace>(
    context: Context<Fresh<P>>,
    path: Path<(i64, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let (id, change) = path.into_inner();
    let manager = manager(&context);
    match change.as_str() {
        "key" => {
            let flash = match manager.new_key(id, fields.one("key")).await {
                Ok(()) => flash::NEW_KEY,
                Err(WebhookError::MadeBefore) => flash::KEY_MADE_BEFORE,
                Err(error) => return Err(whole_page(error)),
            };
            Ok(see_other(&format!("{}/{id}/secret", P::BASE), Some(flash)))
        }
        "remove" => {
            manager.remove(id).await.map_err(whole_page)?;
            Ok(see_other(P::BASE, Some(flash::REMOVED)))
        }
        _ => Err(Error::NotFound),
    }
}

/// The page again, with the reason why something was not done.
pub(super) async fn not_done<P: WebhookPlace>(
    context: &Context<P>,
    id: i64,
    error: WebhookError,
) -> Result<HttpResponse, Error> {
    let WebhookError::Refused(why) = error else { return Err(whole_page(error)) };
    let mut page = WebhookPage::load(context, id, None, None).await?;
    page.layout = page.layout.problem(Problem::new(why));
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

impl WebhookPage {
    async fn load<P: WebhookPlace>(
        context: &Context<P>,
        id: i64,
        before: Option<i64>,
        form: Option<WebhookForm>,
    ) -> Result<Self, Error> {
        let (now, zone) = (context.site.clock.now(), context.site.time_zone);
        let webhook = find(context, id).await?;
        let connection = &mut *context.db.get().await?;
        let mut found = webhooks::deliveries(connection, id, before, PAGE as i64 + 1).await?;
        let has_more = found.len() > PAGE;
        found.truncate(PAGE);
        let here = format!("{}/{id}", P::BASE);
        let pages = Pager {
            first_href: before.map(|_| here.clone()),
            next_href: found.last().filter(|_| has_more).map(|last| format!("{here}?before={}", last.id)),
            ..Pager::default()
        };
        let ticked: Vec<&str> = webhook.events.iter().map(String::as_str).collect();
        let form = form.unwrap_or_else(|| {
            WebhookForm::new(false, &webhook.url, &ticked, crate::field_errors::FieldErrors::default())
        });
        Ok(Self {
            layout: context.layout(P::HERE),
            base: P::BASE,
            id,
            about: about(&webhook),
            events: webhook.events.join(", "),
            added: format!("{}, by {}", timestamp(webhook.created_at, zone).text, P::maker(&webhook)),
            state: State::of(&webhook, now, zone),
            is_on: webhook.stopped().is_none(),
            public: webhook.public_key().to_text(),
            form,
            deliveries: found.into_iter().map(|delivery| DeliveryLine::new(delivery, zone)).collect(),
            pages,
            url: webhook.url,
        })
    }
}
