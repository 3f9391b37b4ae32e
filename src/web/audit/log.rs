//! `GET /audit`: the log with its filters, and a chart of events by day.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::days::{DayRow, Days};
use super::record_view;
use crate::audit::filter::{FilterText, ParsedFilter};
use crate::audit::search::{self, Filter, PAGE_EVENTS, Position, TEXT_SEARCH_WINDOW};
use crate::audit::{Action, EventRow, Outcome};
use crate::field_errors::FieldErrors;
use crate::local_time;
use crate::web::auth::Auditors;
use crate::web::chart::Chart;
use crate::web::context::Context;
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, choices};
use crate::web::log_links::{self, timeline};
use crate::web::page::{Layout, html, html_with_status};
use crate::web::{Error, Site};

#[derive(Template)]
#[template(path = "audit/log.html")]
struct LogPage {
    layout: Layout,
    filter: FilterText,
    /// The one user, BOL or customer whose timeline this is.
    subject: Option<String>,
    errors: FieldErrors,
    actions: Vec<Choice>,
    outcomes: Vec<Choice>,
    is_filtered: bool,
    /// A label and an address each.
    exports: Vec<(&'static str, String)>,
    /// Says how far back a text search without dates reaches.
    within: Option<String>,
    rows: Vec<LogRow>,
    first_href: Option<String>,
    next_href: Option<String>,
    /// On the first page only.
    by_day: Option<DayChart>,
}

struct DayChart {
    chart: Chart,
    /// The first and the last day.
    span: String,
    days: Vec<DayRow>,
}

struct LogRow {
    id: i64,
    when: String,
    /// RFC 3339.
    iso: String,
    what: &'static str,
    action: String,
    outcome: &'static str,
    is_success: bool,
    who: Option<TimelineLink>,
    role: Option<String>,
    number: Option<TimelineLink>,
    document: Option<String>,
    customer: Option<TimelineLink>,
    ip: String,
}

/// A user, BOL or customer, with a link to its timeline.
struct TimelineLink {
    text: String,
    href: String,
}

/// `GET /audit`
pub async fn page(context: Context<Auditors>, text: Query<FilterText>) -> Result<HttpResponse, Error> {
    let site = &context.site;
    let text = text.into_inner();
    let ParsedFilter { filter, after, errors } = text.parse(site.time_zone, site.clock.now());
    let mut page = LogPage::new(context.layout("/audit"), text, errors);
    if !page.errors.is_empty() {
        return Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY));
    }
    let mut connection = context.db.get().await?;
    let mut events = search::page(&mut connection, &filter, after).await?;
    let has_more = events.len() > PAGE_EVENTS;
    events.truncate(PAGE_EVENTS);
    let detail = json!({"filter": page.filter.to_json(), "shown": events.len()});
    record_view(&context, &connection, detail).await?;
    if after.is_none() {
        page.add_chart(&mut connection, site, &filter, events.first()).await?;
    }
    if let Some(last) = events.last().filter(|_| has_more) {
        let position = Position { occurred_at: last.occurred_at, id: last.id };
        page.next_href = Some(log_links::next_page(&page.filter, position));
    }
    page.rows = events.into_iter().map(|event| LogRow::new(event, site)).collect();
    Ok(html(&page))
}

impl LogPage {
    fn new(layout: Layout, filter: FilterText, errors: FieldErrors) -> Self {
        let actions = Action::ALL.iter();
        let actions = actions.map(|action| (action.as_str(), format!("{} ({})", action.label(), action.as_str())));
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), outcome.label()));
        Self {
            layout,
            actions: choices("All", actions, &filter.action),
            outcomes: choices("All", outcomes, &filter.outcome),
            is_filtered: filter.is_filtered(),
            exports: log_links::downloads(&filter),
            subject: subject(&filter),
            within: search_window(&filter),
            first_href: (!filter.after.is_empty()).then(|| log_links::first_page(&filter)),
            next_href: None,
            rows: Vec::new(),
            by_day: None,
            filter,
            errors,
        }
    }

    /// Counts the days up to the newest event, which may be long ago in a timeline.
    async fn add_chart(
        &mut self,
        connection: &mut AsyncPgConnection,
        site: &Site,
        filter: &Filter,
        newest: Option<&EventRow>,
    ) -> Result<(), Error> {
        let newest = newest.map_or(site.clock.now(), |newest| newest.occurred_at);
        let days = Days::up_to(newest, filter, site.time_zone);
        let counts = search::count_by_day(connection, &days.filter(filter), site.time_zone).await?;
        self.by_day = Some(DayChart { chart: days.chart(&counts), span: days.to_string(), days: days.rows(&counts) });
        Ok(())
    }
}

/// Returns the one user, BOL or customer that the filter names, if it has nothing else but dates.
fn subject(filter: &FilterText) -> Option<String> {
    if ![&filter.q, &filter.action, &filter.outcome].into_iter().all(|text| text.trim().is_empty()) {
        return None;
    }
    match [&filter.user, &filter.number, &filter.customer].map(|text| text.trim()) {
        [user, "", ""] if !user.is_empty() => Some(user.to_lowercase()),
        ["", number, ""] if !number.is_empty() => Some(format!("BOL {}", number.to_uppercase())),
        ["", "", customer] if !customer.is_empty() => Some(format!("customer {}", customer.to_uppercase())),
        _ => None,
    }
}

/// Says how far back a text search reaches if the filter has no dates.
fn search_window(filter: &FilterText) -> Option<String> {
    if filter.q.trim().is_empty() || !filter.from.trim().is_empty() || !filter.to.trim().is_empty() {
        return None;
    }
    let days = TEXT_SEARCH_WINDOW.num_days();
    Some(format!("This search covers the last {days} days. Enter dates to search further back."))
}

impl LogRow {
    fn new(event: EventRow, site: &Site) -> Self {
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == event.outcome);
        let link = |name: &str, value: Option<String>| {
            let text = value.filter(|text| !text.is_empty())?;
            Some(TimelineLink { href: timeline(name, &text), text })
        };
        Self {
            id: event.id,
            when: local_time::to_second(event.occurred_at, site.time_zone),
            iso: event.occurred_at.to_rfc3339(),
            what: super::action_label(&event.action),
            action: event.action,
            outcome: outcome.map_or("", Outcome::label),
            is_success: outcome == Some(Outcome::Success),
            who: link("user", event.user_email),
            role: event.user_role.filter(|role| !role.is_empty()),
            number: link("number", event.bol_number),
            document: event.file_name.or(event.document_kind).filter(|name| !name.is_empty()),
            customer: link("customer", event.customer_code),
            ip: event.ip.map(|ip| ip.addr().to_string()).unwrap_or_default(),
        }
    }
}
