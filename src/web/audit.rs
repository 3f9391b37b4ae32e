//! `/audit`: the access log, for auditors and administrators. Reading it is on record too.

mod export;
mod filter;
pub mod integrity;
pub mod pack;
pub mod proof;

pub use self::export::download;
pub use self::filter::{LogFilter, Problems, timeline};

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;
use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::json;

use super::auth::{Auditors, Visitor};
use super::chart::{Chart, Value};
use super::forms::{Choice, choices};
use super::page::{Layout, with_status};
use super::request::Origin;
use super::{Error, Site};
use crate::accounts::Viewer;
use crate::audit::search::{self, Filter, PAGE};
use crate::audit::{self, Action, COLUMNS, Event, EventRow, Outcome, prove};
use crate::bols::weight::grouped;
use crate::db::Database;

/// Days of the chart.
const DAYS: u64 = 14;

#[derive(Template, WebTemplate)]
#[template(path = "audit/log.html")]
struct LogPage {
    layout: Layout,
    filter: LogFilter,
    /// What it is a timeline of, if of one thing.
    subject: String,
    problems: Problems,
    actions: Vec<Choice>,
    outcomes: Vec<Choice>,
    is_filtered: bool,
    /// A name and an address each.
    exports: Vec<(&'static str, String)>,
    /// Said of the search for words.
    within: String,
    rows: Vec<LogRow>,
    first_href: String,
    next_href: String,
    /// Of the first page only.
    chart: Option<Chart>,
    /// The first and the last day of it.
    span: String,
    days: Vec<DayRow>,
}

struct LogRow {
    id: i64,
    when: String,
    iso: String,
    what: &'static str,
    action: String,
    outcome: &'static str,
    is_success: bool,
    who: String,
    who_href: String,
    role: String,
    number: String,
    number_href: String,
    document: String,
    customer: String,
    customer_href: String,
    ip: String,
}

struct DayRow {
    day: String,
    count: String,
}

#[derive(Template, WebTemplate)]
#[template(path = "audit/event.html")]
struct EventPage {
    layout: Layout,
    what: &'static str,
    when: String,
    /// In the order of every export, with those that are empty.
    fields: Vec<(&'static str, String)>,
    detail: String,
    /// Its place in the tree, if it has one.
    position: String,
    proof_href: String,
    /// What else there is to it: a label and an address.
    related: Vec<(String, String)>,
}

/// `GET /audit`
pub async fn log(
    request: HttpRequest,
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    asked: Query<LogFilter>,
) -> Result<HttpResponse, Error> {
    let asked = asked.into_inner();
    let (filter, after, problems) = asked.read(site.time_zone, site.clock.now());
    if problems.any() {
        let page = LogPage::new(&site, &visitor, asked, problems);
        return Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let mut connection = db.get().await?;
    let mut entries = search::page(&mut connection, &filter, after).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let event = Event::new(Action::AuditViewed, Outcome::Success, visitor.actor(), &origin.0);
    audit::record(&mut connection, &event.detail(json!({"filter": asked.told(), "shown": entries.len()}))).await?;
    let mut page = LogPage::new(&site, &visitor, asked, problems);
    if after.is_none() {
        // Up to the newest of them: of a timeline that may be long ago.
        let newest = entries.first().map_or(site.clock.now(), |newest| newest.occurred_at);
        let days = Span::of(&filter, newest, site.time_zone);
        let counted = search::by_day(&mut connection, &days.filter(&filter, site.time_zone), site.time_zone).await?;
        page.span = format!("{} to {}", days.first.format("%b %-d"), days.last.format("%b %-d, %Y"));
        (page.chart, page.days) = days.chart(&counted);
    }
    page.next_href = match entries.last() {
        Some(last) if more => page.filter.at(search::Position { occurred_at: last.occurred_at, id: last.id }),
        _ => String::new(),
    };
    page.rows = entries.into_iter().map(|entry| LogRow::new(entry, site.time_zone)).collect();
    Ok(page.respond_to(&request))
}

/// `GET /audit/events/{id}`: all its fields.
pub async fn event(
    request: HttpRequest,
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let mut connection = db.get().await?;
    let entry = search::one(&mut connection, id).await?.ok_or(Error::NotFound)?;
    let place = prove::place(&mut connection, id).await?;
    let event = Event::new(Action::AuditViewed, Outcome::Success, visitor.actor(), &origin.0);
    audit::record(&mut connection, &event.detail(json!({"event": id}))).await?;
    Ok(EventPage::new(&site, &visitor, entry, place).respond_to(&request))
}

/// The days that the chart shows: the last ones of what is asked for.
struct Span {
    first: NaiveDate,
    last: NaiveDate,
}

impl Span {
    fn of(filter: &Filter, newest: DateTime<Utc>, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
        let last =
            filter.until.map_or(day(newest), |until| day(until - chrono::TimeDelta::microseconds(1)).min(day(newest)));
        let first = last - Days::new(DAYS - 1);
        Self { first: filter.from.map_or(first, |from| day(from).max(first)).min(last), last }
    }

    fn filter(&self, filter: &Filter, zone: Tz) -> Filter {
        let from = filter::midnight(self.first, zone).max(filter.from.unwrap_or_default());
        Filter { from: Some(from), until: Some(filter::midnight(self.last + Days::new(1), zone)), ..filter.clone() }
    }

    fn chart(&self, counted: &[(NaiveDate, i64)]) -> (Option<Chart>, Vec<DayRow>) {
        let days: Vec<NaiveDate> = self.first.iter_days().take_while(|day| *day <= self.last).collect();
        let count = |day: NaiveDate| counted.iter().find(|(known, _)| *known == day).map_or(0, |(_, count)| *count);
        let value = |day: &NaiveDate| Value {
            amount: count(*day),
            text: short(count(*day)),
            label: day.format("%-d").to_string(),
            title: format!("{}: {} events", day.format("%b %-d, %Y"), grouped(count(*day))),
        };
        let row = |day: &NaiveDate| DayRow { day: day.format("%b %-d, %Y").to_string(), count: grouped(count(*day)) };
        (Some(Chart::new(days.iter().map(value).collect())), days.iter().map(row).collect())
    }
}

/// What fits above a bar: `980`, `12k`.
fn short(count: i64) -> String {
    match count {
        ..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// With the seconds: order matters here.
fn when(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

fn what(action: &str) -> &'static str {
    action.parse().map_or("Something else", Action::label)
}

impl LogRow {
    fn new(entry: EventRow, zone: Tz) -> Self {
        let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == entry.outcome);
        let who = entry.user_email.unwrap_or_default();
        let (number, customer) = (entry.bol_number.unwrap_or_default(), entry.customer_code.unwrap_or_default());
        Self {
            id: entry.id,
            when: when(entry.occurred_at, zone),
            iso: entry.occurred_at.to_rfc3339(),
            what: what(&entry.action),
            action: entry.action,
            outcome: outcome.map_or("", Outcome::label),
            is_success: outcome == Some(Outcome::Success),
            who_href: timeline("user", &who),
            who,
            role: entry.user_role.unwrap_or_default(),
            number_href: timeline("number", &number),
            number,
            document: entry.file_name.or(entry.document_kind).unwrap_or_default(),
            customer_href: timeline("customer", &customer),
            customer,
            ip: entry.ip.map(|ip| ip.addr().to_string()).unwrap_or_default(),
        }
    }
}

impl LogPage {
    fn new(site: &Site, viewer: &Viewer, filter: LogFilter, problems: Problems) -> Self {
        let known =
            Action::ALL.iter().map(|action| (action.as_str(), format!("{} ({})", action.label(), action.as_str())));
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), outcome.label()));
        Self {
            layout: Layout::new(site, Some(viewer), "/audit"),
            actions: choices("All", known, &filter.action),
            outcomes: choices("All", outcomes, &filter.outcome),
            is_filtered: filter.is_filtered(),
            exports: export::links(&filter),
            subject: filter.subject(),
            within: filter.within(),
            first_href: if filter.after.is_empty() { String::new() } else { filter.first() },
            next_href: String::new(),
            rows: Vec::new(),
            chart: None,
            span: String::new(),
            days: Vec::new(),
            filter,
            problems,
        }
    }
}

impl EventPage {
    fn new(site: &Site, viewer: &Viewer, entry: EventRow, position: Option<i64>) -> Self {
        let mut related = Vec::new();
        for (label, name, value) in [
            ("Everything of BOL", "number", &entry.bol_number),
            ("Everything that was done by", "user", &entry.user_email),
            ("Everything about customer", "customer", &entry.customer_code),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                related.push((format!("{label} {value}"), timeline(name, value)));
            }
        }
        let detail: Option<serde_json::Value> = serde_json::from_str(&entry.detail.0).ok();
        // Of a fetch: the event of the link that was followed.
        let link = detail.as_ref().and_then(|detail| detail["link"].as_i64());
        if let Some(link) = link.filter(|_| entry.action == Action::LinkFetched.as_str()) {
            related.insert(0, ("The link that was followed".into(), format!("/audit/events/{link}")));
        }
        let fields = COLUMNS.into_iter().zip(entry.cells()).filter(|(name, _)| *name != "detail");
        let fields = fields.map(|(name, cell)| (name, cell.to_string())).collect();
        Self {
            layout: Layout::new(site, Some(viewer), "/audit"),
            what: what(&entry.action),
            when: when(entry.occurred_at, site.time_zone),
            fields,
            detail: detail.and_then(|detail| serde_json::to_string_pretty(&detail).ok()).unwrap_or(entry.detail.0),
            position: position.map(grouped).unwrap_or_default(),
            proof_href: format!("/audit/events/{}/proof", entry.id),
            related,
        }
    }
}
