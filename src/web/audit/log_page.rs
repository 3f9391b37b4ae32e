//! The page of the log, which answers a search, and an export or a pack with a wrong filter.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{Datelike, Days as DayCount, Months, NaiveDate};
use diesel_async::AsyncPgConnection;

use super::action_choices::{self, ActionGroup};
use super::days::{DayRow, Days};
use super::log_row::LogRow;
use super::unusual_line::{self, UnusualLine};
use crate::audit::filter::{DOWNLOADS_VIEW, FilterText};
use crate::audit::names::{self, FoundNames, Suggestions};
use crate::audit::search::{self, Filter, TEXT_SEARCH_WINDOW};
use crate::audit::{EventRow, Outcome};
use crate::field_errors::FieldErrors;
use crate::web::auth::Auditors;
use crate::web::chart::Chart;
use crate::web::context::Context;
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, choices};
use crate::web::log_links;
use crate::web::page::{Layout, html_with_status};
use crate::web::{Error, Site};

/// Names of one field that the page lists. It counts the others.
const MAX_LISTED_NAMES: usize = 5;

#[derive(Template)]
#[template(path = "audit/log.html")]
pub struct LogPage {
    layout: Layout,
    pub filter: FilterText,
    title: String,
    /// Whether this is the timeline of one user, BOL or customer.
    is_timeline: bool,
    /// Whether only downloads are in sight.
    is_downloads: bool,
    /// The address of the same search among all events, and among downloads.
    all_href: String,
    downloads_href: String,
    presets: Vec<Preset>,
    pub errors: FieldErrors,
    actions: Vec<ActionGroup>,
    outcomes: Vec<Choice>,
    suggestions: Suggestions,
    /// What parts of names were found to mean.
    found: Vec<String>,
    is_filtered: bool,
    /// Says how far back a text search without dates reaches.
    within: Option<String>,
    pub rows: Vec<LogRow>,
    first_href: Option<String>,
    pub next_href: Option<String>,
    /// How far a text search looked that isn't at its end.
    pub stopped_at: Option<String>,
    /// On the first page without a filter, and on that of a user's timeline.
    unusual: Option<UnusualLine>,
    /// On the first page only.
    by_day: Option<DayChart>,
}

/// Dates to choose with one click.
struct Preset {
    label: &'static str,
    href: String,
    is_current: bool,
}

struct DayChart {
    chart: Chart,
    /// The first and the last day.
    span: String,
    days: Vec<DayRow>,
}

/// Answers an export or a pack with a wrong filter: the page with the messages and what was typed.
pub async fn refuse(
    context: &Context<Auditors>,
    connection: &mut AsyncPgConnection,
    filter: FilterText,
    errors: FieldErrors,
) -> Result<HttpResponse, Error> {
    let suggestions = names::suggest(connection).await?;
    let layout = context.layout("/audit").not_searched(&errors);
    let page = LogPage::new(layout, &context.site, filter, &FoundNames::default(), suggestions);
    Ok(html_with_status(&LogPage { errors, ..page }, StatusCode::UNPROCESSABLE_ENTITY))
}

impl LogPage {
    pub fn new(layout: Layout, site: &Site, filter: FilterText, found: &FoundNames, suggestions: Suggestions) -> Self {
        let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), outcome.label()));
        let is_downloads = filter.view == DOWNLOADS_VIEW;
        let subject = subject(&filter, found);
        Self {
            layout,
            title: title(subject.as_deref(), is_downloads),
            is_timeline: subject.is_some(),
            is_downloads,
            all_href: log_links::first_page(&FilterText { view: String::new(), ..filter.clone() }),
            downloads_href: log_links::first_page(&FilterText { view: DOWNLOADS_VIEW.into(), ..filter.clone() }),
            presets: presets(site.today(), &filter),
            actions: action_choices::groups(&filter.action, is_downloads),
            outcomes: choices("All", outcomes, &filter.outcome),
            suggestions,
            found: listed(found),
            is_filtered: filter.is_filtered(),
            within: search_window(&filter),
            first_href: (!filter.after.is_empty()).then(|| log_links::first_page(&filter)),
            next_href: None,
            stopped_at: None,
            rows: Vec::new(),
            unusual: None,
            by_day: None,
            filter,
            errors: FieldErrors::default(),
        }
    }

    /// Counts the unusual activity of the last days: all of it, or that of the user whose timeline this is.
    pub async fn add_unusual(
        &mut self,
        connection: &mut AsyncPgConnection,
        site: &Site,
        filter: &Filter,
    ) -> Result<(), Error> {
        self.unusual = match filter.users.as_slice() {
            _ if self.is_downloads => None,
            [user] if self.is_timeline => unusual_line::of_login(connection, site, user).await?,
            _ if !self.is_filtered => unusual_line::of_all(connection, site).await?,
            _ => None,
        };
        Ok(())
    }

    /// Counts the days up to the newest event, which may be long ago in a timeline.
    pub async fn add_chart(
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

fn title(subject: Option<&str>, is_downloads: bool) -> String {
    match (subject, is_downloads) {
        (Some(subject), true) => format!("Downloads of {subject}"),
        (Some(subject), false) => format!("Timeline of {subject}"),
        (None, true) => "Downloads".into(),
        (None, false) => "Access log".into(),
    }
}

/// Returns the one user, BOL or customer that the filter names, if it has nothing else but dates.
fn subject(filter: &FilterText, found: &FoundNames) -> Option<String> {
    if ![&filter.q, &filter.action, &filter.outcome].into_iter().all(|text| text.trim().is_empty()) {
        return None;
    }
    let one = |typed: String, found: &[String]| match found {
        [] => Some(typed),
        [name] => Some(name.clone()),
        _ => None,
    };
    match [&filter.user, &filter.number, &filter.customer].map(|text| text.trim()) {
        [user, "", ""] if !user.is_empty() => one(user.to_lowercase(), &found.users),
        ["", number, ""] if !number.is_empty() => {
            one(number.to_uppercase(), &found.numbers).map(|number| format!("BOL {number}"))
        }
        ["", "", customer] if !customer.is_empty() => {
            one(customer.to_uppercase(), &found.customers).map(|code| format!("customer {code}"))
        }
        _ => None,
    }
}

/// Lists what parts of names were found to mean: "Users: jo@acme.example, al@acme.example"
fn listed(found: &FoundNames) -> Vec<String> {
    let fields = [("User", &found.users), ("Customer", &found.customers), ("BOL", &found.numbers)];
    let line = |(label, names): (&str, &Vec<String>)| {
        let shown = names.iter().take(MAX_LISTED_NAMES).cloned().collect::<Vec<_>>().join(", ");
        let plural = if names.len() == 1 { "" } else { "s" };
        match names.len().saturating_sub(MAX_LISTED_NAMES) {
            0 => format!("{label}{plural}: {shown}"),
            more => format!("{label}{plural}: {shown} and {more} more"),
        }
    };
    fields.into_iter().filter(|(_, names)| !names.is_empty()).map(line).collect()
}

/// Says how far back a text search reaches if the filter has no dates.
fn search_window(filter: &FilterText) -> Option<String> {
    if filter.q.trim().is_empty() || !filter.from.trim().is_empty() || !filter.to.trim().is_empty() {
        return None;
    }
    let days = TEXT_SEARCH_WINDOW.num_days();
    Some(format!("This search covers the last {days} days. Enter dates to search further back."))
}

/// The same search with other dates.
fn presets(today: NaiveDate, filter: &FilterText) -> Vec<Preset> {
    let first = today.with_day(1).unwrap_or(today);
    let days = [
        ("Today", today, today),
        ("Last 7 days", today - DayCount::new(6), today),
        ("This month", first, first + Months::new(1) - DayCount::new(1)),
        ("Last month", first - Months::new(1), first - DayCount::new(1)),
        ("Last 12 months", first - Months::new(12), first - DayCount::new(1)),
    ];
    let preset = |(label, from, to): (&'static str, NaiveDate, NaiveDate)| {
        let (from, to) = (from.to_string(), to.to_string());
        Preset {
            label,
            is_current: (&filter.from, &filter.to) == (&from, &to),
            href: log_links::first_page(&FilterText { from, to, ..filter.clone() }),
        }
    };
    days.map(preset).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_month_is_a_whole_month() {
        let filter = FilterText {
            user: "jo".into(),
            from: "2026-02-01".into(),
            to: "2026-02-28".into(),
            ..FilterText::default()
        };
        let presets = presets("2026-03-31".parse().expect("a day"), &filter);
        let last_month = presets.iter().find(|preset| preset.label == "Last month").expect("a preset");
        assert!(last_month.is_current && presets.iter().filter(|preset| preset.is_current).count() == 1);
        assert_eq!(last_month.href, "/audit?from=2026-02-01&to=2026-02-28&user=jo");
        let year = presets.last().expect("a preset");
        assert_eq!(
            (year.label, year.href.as_str()),
            ("Last 12 months", "/audit?from=2025-03-01&to=2026-02-28&user=jo")
        );
    }

    #[test]
    fn found_names_are_listed_and_counted() {
        let found = FoundNames {
            users: (1..8).map(|n| format!("u{n}@x.example")).collect(),
            customers: vec!["ACME".into()],
            numbers: Vec::new(),
        };
        let users = "Users: u1@x.example, u2@x.example, u3@x.example, u4@x.example, u5@x.example and 2 more";
        assert_eq!(listed(&found), [users, "Customer: ACME"]);
    }
}
