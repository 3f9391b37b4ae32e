//! What every page shares: its layout, times, and small formats.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::Bytes;
use askama::Template;
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use futures_util::{StreamExt, stream};

use super::flash::{Done, Flash, start};
use super::office_contact::OfficeContact;
use super::problem::Problem;
use super::undo::Undo;
use super::{Error, Site, log_links};
use crate::accounts::Viewer;
use crate::field_errors::FieldErrors;
use crate::local_time;
use crate::stream_writer::ByteReceiver;

/// The layout around every page: `base.html`.
#[derive(Default)]
pub struct Layout {
    pub css: String,
    pub icon: String,
    /// The typeface of the pages, which the browser fetches together with the stylesheet.
    pub font: String,
    /// `None` on the pages before the login.
    pub user: Option<LayoutUser>,
    pub nav: Vec<NavItem>,
    /// Entries of the menu "Manage".
    pub manage: Vec<NavItem>,
    /// How to reach the office, which may be nothing. `None` for the office itself.
    pub office: Option<OfficeContact>,
    /// Confirms what the user has just done.
    pub notice: Option<&'static str>,
    /// The same, with a button that takes it back. Replaces the notice.
    pub undo: Option<Undo>,
    /// What went wrong. The page's title begins with its label.
    pub problem: Option<Problem>,
    /// The addresses of the modules that the page runs.
    pub scripts: Vec<String>,
}

/// The user in the page's header.
pub struct LayoutUser {
    pub name: String,
    pub email: String,
    pub role_label: &'static str,
    /// Names of the user's companies.
    pub companies: Option<String>,
    /// The company as which an office user views the portal.
    pub seeing_as: Option<String>,
    /// The day from which the login must have a second factor, while it has none.
    pub factor_due: Option<String>,
}

pub struct NavItem {
    pub label: &'static str,
    pub href: &'static str,
    pub current: bool,
}

/// Where a page stands in its list, and the way to its neighbors.
#[derive(Default)]
pub struct Pager {
    /// "51–100 of 129"
    pub range: Option<String>,
    pub first_href: Option<String>,
    pub previous_href: Option<String>,
    pub next_href: Option<String>,
}

impl Pager {
    /// Whether the list has other pages.
    pub fn is_shown(&self) -> bool {
        self.first_href.is_some() || self.next_href.is_some()
    }
}

/// The label and the address of a navigation entry.
type Entry = (&'static str, &'static str);

/// The navigation entries of this user.
fn navigation(viewer: &Viewer) -> Vec<Entry> {
    let bols = ("Bills of lading", "/bols");
    let mut nav = if viewer.can_issue() {
        vec![
            ("Today", "/office"),
            bols,
            ("New BOL", "/office/bols/new"),
            ("Upload", "/office/upload"),
            ("Inbox", "/office/inbox"),
        ]
    } else {
        vec![bols]
    };
    if viewer.can_manage_company() {
        nav.push(("People", "/people"));
    }
    if viewer.can_read_log() {
        // The log comes first for those who open no documents.
        let place = if viewer.can_open_documents() { nav.len() } else { 0 };
        nav.insert(place, ("Access log", "/audit"));
    }
    nav
}

/// The entries of the menu "Manage": what the office sets up once and changes rarely.
fn managed(viewer: &Viewer) -> Vec<Entry> {
    let mut entries = Vec::new();
    if viewer.can_issue() {
        entries.extend([
            ("Customers", "/office/customers"),
            ("Users", "/office/users"),
            ("Products", "/office/products"),
            ("Carriers", "/office/carriers"),
            ("Webhooks", "/office/webhooks"),
            ("Settings", "/office/settings"),
        ]);
    }
    if viewer.can_administer() {
        entries.push(("Storage", "/office/storage"));
    }
    entries
}

/// The page that a user sees first.
pub fn start_page(viewer: &Viewer) -> &'static str {
    navigation(viewer).first().map_or("/bols", |(_, href)| href)
}

impl Layout {
    /// `here` is the address of the navigation entry that this page belongs to, or empty.
    pub fn new(site: &Site, viewer: Option<&Viewer>, here: &str) -> Self {
        let layout = Self {
            css: site.assets.href("app.css"),
            icon: site.assets.href("icon.svg"),
            font: site.assets.href("fonts/source-sans-3-latin-wght-normal.woff2"),
            // Closes menus, and lets Back return to a form that was refused.
            scripts: vec![site.assets.href("page.js")],
            office: viewer.is_none_or(|viewer| !viewer.can_issue()).then(|| site.contact.current()),
            ..Self::default()
        };
        let Some(viewer) = viewer else { return layout };
        let items = |entries: Vec<Entry>| {
            entries.into_iter().map(|(label, href)| NavItem { label, href, current: href == here }).collect()
        };
        Self {
            user: Some(LayoutUser::new(viewer, site.time_zone)),
            nav: items(navigation(viewer)),
            manage: items(managed(viewer)),
            ..layout
        }
    }

    /// The timeline of a user, customer or BOL in the access log; `None` for users who don't read the log.
    pub fn timeline(&self, subject: &str, value: &str) -> Option<String> {
        self.nav.iter().any(|item| item.href == "/audit").then(|| log_links::timeline(subject, value))
    }

    /// The same for downloads alone.
    pub fn downloads(&self, subject: &str, value: &str) -> Option<String> {
        self.timeline(subject, value).map(|_| log_links::downloads(subject, value))
    }

    /// Runs a module of `static/` on the page.
    pub fn script(mut self, site: &Site, path: &str) -> Self {
        self.scripts.push(site.assets.href(path));
        self
    }

    pub fn notice(mut self, notice: &'static str) -> Self {
        self.notice = Some(notice).filter(|notice| !notice.is_empty());
        self
    }

    /// Shows a problem above the page.
    pub fn problem(self, problem: Problem) -> Self {
        Self { problem: Some(problem), ..self }
    }

    /// Shows that nothing was saved, with the messages. Does nothing without any.
    pub fn not_saved(self, errors: &FieldErrors, id: impl Fn(&str) -> String) -> Self {
        if errors.is_empty() {
            return self;
        }
        self.problem(Problem::new("Nothing was saved.").fields_with_ids(errors, id))
    }

    /// Shows that a filter is wrong, with the messages. Does nothing without any.
    pub fn not_searched(self, errors: &FieldErrors) -> Self {
        if errors.is_empty() {
            return self;
        }
        let mut problem = Problem::new("Nothing was searched.").fields(errors);
        // Two dates may have the same message.
        for (link, error) in problem.links.iter_mut().zip(errors.iter()) {
            link.message = format!("{}{}", filter_label(error.field), error.message);
        }
        self.problem(problem)
    }

    /// Shows that the address asks for a page that the list doesn't have.
    pub fn no_such_page(self) -> Self {
        self.problem(Problem::new("This page of the list doesn’t exist. Here is the first one."))
    }

    /// Offers to take back what was done, if that is possible.
    pub fn undo(self, undo: Option<Undo>) -> Self {
        Self { undo, ..self }
    }

    /// Shows the text of the flash, if the page knows it. Every page knows those of the first page after a login.
    pub fn flash(mut self, done: &Done, known: &[Flash]) -> Self {
        if let Some(flash) = done.find(&[start::NOT_DONE]) {
            return self.problem(Problem::new("Not done yet.").label("Not done yet").advice(flash.text));
        }
        self.notice = done.find(known).or_else(|| done.find(start::ALL)).map(|flash| flash.text);
        self
    }
}

impl LayoutUser {
    fn new(viewer: &Viewer, zone: Tz) -> Self {
        let companies = non_empty(viewer.company_names());
        let (companies, seeing_as) = if viewer.seeing_from.is_some() { (None, companies) } else { (companies, None) };
        Self {
            name: viewer.name.clone(),
            email: viewer.email.clone(),
            role_label: viewer.true_role().label(),
            companies,
            seeing_as,
            factor_due: viewer
                .factor_due_at
                .filter(|_| viewer.seeing_from.is_none())
                .map(|due| date(due.with_timezone(&zone).date_naive())),
        }
    }
}

/// The label of a filter before its message.
fn filter_label(field: &str) -> &'static str {
    match field {
        "from" => "From: ",
        "to" => "To: ",
        _ => "",
    }
}

/// Renders a page, with status 200.
pub fn html(page: &impl Template) -> HttpResponse {
    html_with_status(page, StatusCode::OK)
}

/// Renders a page with another status, such as a form shown again with its messages.
pub fn html_with_status(page: &impl Template, status: StatusCode) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html),
        Err(error) => HttpResponse::from_error(Error::Internal(format!("can't render the template: {error}"))),
    }
}

/// A download that is sent while it is made. A file that is compressed already is not compressed again.
pub fn attachment(
    file_name: &str,
    content_type: &'static str,
    is_compressed: bool,
    chunks: ByteReceiver,
) -> HttpResponse {
    let body = stream::unfold(chunks, |mut chunks| async move { chunks.recv().await.map(|chunk| (chunk, chunks)) });
    let mut response = HttpResponse::Ok();
    if is_compressed {
        response.insert_header((CONTENT_ENCODING, "identity"));
    }
    response
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .streaming(body.map(|chunk| chunk.map(Bytes::from)))
}

/// What a column holds, unless it is empty.
pub fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Ends a sentence with a name, which may end in a period itself.
pub fn with_period(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// A time in two forms: for people and for machines.
pub struct Timestamp {
    /// `Nov 12, 2025, 3:04 PM EST`
    pub text: String,
    /// RFC 3339 in UTC
    pub iso: String,
}

pub fn timestamp(at: DateTime<Utc>, zone: Tz) -> Timestamp {
    Timestamp { text: local_time::to_minute(at, zone), iso: at.to_rfc3339_opts(SecondsFormat::Secs, true) }
}

/// `Nov 12, 2025`
pub fn date(day: NaiveDate) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Each row of a list has one, and chrono would read its format anew each time.
    let month = MONTHS.get(day.month0() as usize).copied().unwrap_or_default();
    format!("{month} {}, {:04}", day.day(), day.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let at: DateTime<Utc> = "2025-11-12T20:04:59Z".parse().expect("a time");
        let shown = timestamp(at, chrono_tz::America::New_York);
        assert_eq!((shown.text.as_str(), shown.iso.as_str()), ("Nov 12, 2025, 3:04 PM EST", "2025-11-12T20:04:59Z"));
        for day in NaiveDate::default().iter_days().step_by(29).take(800) {
            assert_eq!(date(day), day.format("%b %-d, %Y").to_string());
        }
    }
}
