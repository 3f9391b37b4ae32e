//! `GET /bols`: the list of BOLs. `POST /bols/read`: marks all as read.

mod controls;
mod row;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};

use self::controls::{Heading, Preset, TermChip};
use self::row::{BolRow, ShownDocuments};
use crate::accounts::{account, customers};
use crate::bols::search::{self, Search, SearchPage, Total};
use crate::bols::weight::{grouped, short_tons};
use crate::db::Database;
use crate::documents::{Kind, zip};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::assignment_undo::{self, AssignmentQuery};
use crate::web::auth::{BolListViewers, Customers};
use crate::web::bol_filter::{BolFilter, statuses};
use crate::web::context::Context;
use crate::web::flash::{Flash, bols as flash, not_selected, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, Fields, choices, kinds};
use crate::web::page::{Layout, Pager, html_with_status};
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "portal/bols.html")]
struct BolsPage {
    layout: Layout,
    filter: BolFilter,
    kinds: Vec<Choice>,
    statuses: Vec<Choice>,
    errors: FieldErrors,
    /// `None` while the filter is wrong, and if nothing was counted.
    count_label: Option<String>,
    /// The number of BOLs that were looked at, if the search stopped there before the page was full.
    stopped_after: Option<String>,
    /// All matching PDFs in one ZIP, unless there are none or too many.
    zip_href: Option<String>,
    /// All matches as a workbook.
    export_href: Option<String>,
    /// What the text of the search was understood as.
    terms: Vec<TermChip>,
    is_filtered: bool,
    headings: Vec<Heading>,
    show_customer: bool,
    /// What can be done with the rows that are ticked.
    ticks: TickBar,
    rows: Vec<BolRow>,
    /// The net tons of all matches that aren't void.
    net_tons: Option<String>,
    presets: Vec<Preset>,
    pager: Pager,
    /// What is new, for customers.
    news: Option<NewsControls>,
}

/// What can be done with the rows that are ticked.
struct TickBar {
    /// The list and the place in it, as a query string.
    list: String,
    /// Offers to select all matches: "all 129".
    all_label: Option<String>,
    /// The documents of a ZIP; none for users who open no documents.
    documents: Vec<Choice>,
    /// The customers to whom the office can assign BOLs. Too many to list are chosen on the next page.
    customers: Vec<Choice>,
    can_assign: bool,
    /// Under which the browser keeps the ticks of this user.
    store: String,
    script: String,
}

/// Tells what is new from the rest, and marks all as read.
struct NewsControls {
    is_only_new: bool,
    all_href: String,
    new_href: String,
    /// The list to return to, as a query string.
    list: String,
    /// When this page was made: what changes later stays new.
    until: String,
    /// Offers to mark all as read.
    has_new: bool,
    /// The mark before the last change, to return to.
    undo: Option<String>,
}

/// The mark that `POST /bols/read` has replaced.
#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Marked {
    since: String,
}

/// More customers than this are no list to choose from.
const MAX_LISTED_CUSTOMERS: usize = 200;

pub async fn page(
    context: Context<BolListViewers>,
    filter: Query<BolFilter>,
    done: Query<AssignmentQuery>,
    marked: Query<Marked>,
) -> Result<HttpResponse, Error> {
    let Context { viewer, db, .. } = &context;
    let filter = filter.into_inner();
    let (search, errors) = filter.resolve(&context).await?;
    let found = if errors.is_empty() { Some(search::search(db, &viewer.scope(), &search).await?) } else { None };
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut page = BolsPage::new(&context, filter, &search, errors, found);
    if page.ticks.can_assign && !page.rows.is_empty() {
        page.ticks.customers = receivers(db).await?;
    }
    let undo = assignment_undo::offer(&context, &done).await?;
    let done = &done.done;
    page.layout = page.layout.flash(done, flash::ALL).undo(undo);
    if let Some(Flash { text, .. }) = done.find(not_selected::ALL) {
        page.layout = page.layout.problem(Problem::new(text));
    }
    if let Some(news) = &mut page.news {
        let since = (done.find(flash::ALL) == Some(flash::READ)).then(|| marked.since.parse().ok()).flatten();
        news.undo = since.map(time);
    }
    Ok(html_with_status(&page, status))
}

/// The customers to whom BOLs can be assigned, unless there are too many for a list.
async fn receivers(db: &Database) -> Result<Vec<Choice>, Error> {
    let customers = customers::first_active(&mut *db.get().await?, MAX_LISTED_CUSTOMERS + 1).await?;
    let is_short = customers.len() <= MAX_LISTED_CUSTOMERS;
    let choice = |(value, label)| Choice { value, label, selected: false };
    Ok(if is_short { customers.into_iter().map(choice).collect() } else { Vec::new() })
}

/// `POST /bols/read`: BOLs that changed until `until` are no longer new to the user. Returns to `list`, which offers to
/// undo it: the same request with the earlier time.
pub async fn mark_read(context: Context<Customers>, fields: Fields) -> Result<HttpResponse, Error> {
    let until: DateTime<Utc> = fields.one("until").parse().map_err(|_| Error::BadRequest)?;
    let Context { viewer, db, site, .. } = &context;
    // Postgres can't store every year that a request may name.
    let until = until.max(DateTime::UNIX_EPOCH).min(site.clock.now());
    account::set_read_until(db, viewer, until).await?;
    let list = BolFilter::from_query(fields.one("list")).first();
    if until < viewer.read_until {
        return Ok(see_other(&list, Some(flash::NEW_AGAIN)));
    }
    let since = format!("{}since={}", if list.contains('?') { '&' } else { '?' }, time(viewer.read_until));
    Ok(see_other(&(list + &since), Some(flash::READ)))
}

/// In the form in which an address and a form carry it.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl BolsPage {
    /// The code of the one customer to whom the filter narrows the list.
    fn customer(&self) -> Option<&str> {
        Some(self.filter.customer.as_str()).filter(|code| !code.is_empty())
    }

    /// Whether the folded part of the form is in use.
    fn is_unfolded(&self) -> bool {
        let BolFilter { from, to, kind, status, .. } = &self.filter;
        [from, to, kind, status].into_iter().any(|field| !field.is_empty())
    }

    /// Whether the page begins or ends somewhere in the list.
    fn is_later_page(&self) -> bool {
        !self.filter.after.is_empty() || !self.filter.before.is_empty()
    }

    fn heading(&self, name: &str) -> Option<&Heading> {
        self.headings.iter().find(|heading| heading.name == name)
    }

    fn new(
        context: &Context<BolListViewers>,
        filter: BolFilter,
        search: &Search,
        errors: FieldErrors,
        found: Option<SearchPage>,
    ) -> Self {
        let viewer = &context.viewer;
        let can_open = viewer.can_open_documents();
        let shown = ShownDocuments { can_open, kind: search.kind };
        let site = &context.site;
        let today = site.clock.now().with_timezone(&site.time_zone).date_naive();
        let pager = found.as_ref().map(|found| Pager::new(&filter, found)).unwrap_or_default();
        let net_tons = found.as_ref().and_then(|found| found.net_lb).map(short_tons);
        let stopped_after = found.as_ref().and_then(|found| found.stopped_after);
        let (rows, total, owners) =
            found.map_or_else(Default::default, |found| (found.rows, found.total, found.owners));
        let has_new = search.is_new || rows.iter().any(|(_, news)| news.is_some());
        Self {
            layout: context.layout("/bols").not_searched(&errors),
            kinds: kinds("Any document", &filter.kind),
            statuses: choices("Any status", statuses(viewer), &filter.status),
            zip_href: (can_open && total.is_exact() && (1..=zip::MAX_BOLS as i64).contains(&total.at_least()))
                .then(|| filter.zip()),
            export_href: (!rows.is_empty()).then(|| filter.export()),
            count_label: match (stopped_after, total) {
                _ if !errors.is_empty() => None,
                (Some(_), _) => Some(found_so_far(rows.len() as i64)),
                // The end of a list whose beginning has no match.
                (None, Total::MoreThan(0)) => None,
                (None, total) => Some(count_label(total, filter.is_filtered())),
            },
            stopped_after: stopped_after.map(grouped),
            terms: TermChip::all(&search.terms, &filter),
            is_filtered: filter.is_filtered(),
            headings: Heading::all(search, &filter),
            ticks: TickBar::new(context, &filter, search.kind, total),
            show_customer: viewer.can_see_all_customers() || viewer.companies.len() > 1,
            rows: rows
                .into_iter()
                .map(|(row, news)| BolRow::new(row.owner(&owners, viewer).map(Into::into), row, news, shown))
                .collect(),
            net_tons,
            news: search.reader.map(|_| NewsControls {
                is_only_new: search.is_new,
                all_href: filter.only_new(false),
                new_href: filter.only_new(true),
                list: filter.query(),
                until: time(site.clock.now()),
                has_new: has_new && viewer.seeing_from.is_none(),
                undo: None,
            }),
            presets: Preset::all(today, search, &filter),
            pager,
            errors,
            filter,
        }
    }
}

impl TickBar {
    fn new(context: &Context<BolListViewers>, filter: &BolFilter, kind: Option<Kind>, total: Total) -> Self {
        let viewer = &context.viewer;
        let choice = |value: &str, label: &str| Choice {
            value: value.into(),
            label: label.into(),
            selected: Some(value) == kind.map(Kind::as_str),
        };
        let mut documents = Vec::new();
        if viewer.can_open_documents() {
            documents = [Kind::Bol, Kind::SignedBol].map(|kind| choice(kind.as_str(), kind.plain_label())).into();
            let other = kind.filter(|kind| !matches!(kind, Kind::Bol | Kind::SignedBol));
            documents.extend(other.map(|kind: Kind| choice(kind.as_str(), kind.plain_label())));
            documents.push(choice("all", "Every document"));
        }
        let all = if total.is_exact() { format!("all {total}") } else { "all".into() };
        Self {
            list: filter.query(),
            all_label: (total.at_least() > 1).then_some(all),
            documents,
            customers: Vec::new(),
            can_assign: viewer.can_assign(),
            store: format!("ticks {}", viewer.user_id),
            script: context.site.assets.href("ticks.js"),
        }
    }
}

fn count_label(total: Total, is_filtered: bool) -> String {
    let number = match total {
        Total::Exactly(count) => grouped(count),
        Total::MoreThan(count) => format!("More than {}", grouped(count)),
    };
    match (total, is_filtered) {
        (Total::Exactly(1), true) => "1 BOL matches".into(),
        (Total::Exactly(1), false) => "1 BOL".into(),
        (_, true) => format!("{number} BOLs match"),
        (_, false) => format!("{number} BOLs"),
    }
}

/// For a page that stopped before it was full.
fn found_so_far(shown: i64) -> String {
    match shown {
        0 => "No BOL found so far".into(),
        1 => "1 BOL found so far".into(),
        _ => format!("{} BOLs found so far", grouped(shown)),
    }
}
