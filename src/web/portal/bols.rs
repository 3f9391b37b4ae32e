//! `GET /bols`: the list of BOLs.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;
use chrono::{Datelike, Days, Months, NaiveDate};

use crate::bols::search::{self, BolSummary, COLUMNS, COUNTED, Search, SearchPage, Sort, Term};
use crate::bols::weight::{Pounds, grouped, short_tons};
use crate::documents::Kind;
use crate::documents::zip;
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::BolListViewers;
use crate::web::context::Context;
use crate::web::flash::{Done, bols as flash};
use crate::web::form_field::FormField;
use crate::web::forms::{BolFilter, Choice, choices, kinds, statuses};
use crate::web::log_links::timeline;
use crate::web::page::{self, Layout, html_with_status, non_empty};

#[derive(Template)]
#[template(path = "portal/bols.html")]
struct BolsPage {
    layout: Layout,
    filter: BolFilter,
    kinds: Vec<Choice>,
    statuses: Vec<Choice>,
    errors: FieldErrors,
    /// `None` while the filter is wrong.
    count_label: Option<String>,
    /// All matching PDFs in one ZIP, unless there are none or too many.
    zip_href: Option<String>,
    /// What the text of the search was understood as.
    terms: Vec<TermChip>,
    is_filtered: bool,
    headings: Vec<Heading>,
    show_customer: bool,
    /// Offers the office to assign the selected rows to a customer.
    can_assign: bool,
    rows: Vec<BolRow>,
    /// The net tons of all matches that aren't void.
    net_tons: Option<String>,
    presets: Vec<Preset>,
    pager: Pager,
}

/// Dates to choose with one click.
struct Preset {
    label: &'static str,
    href: String,
    is_current: bool,
}

impl Preset {
    fn all(today: NaiveDate, search: &Search, filter: &BolFilter) -> Vec<Self> {
        let monday = today - Days::new(today.weekday().num_days_from_monday().into());
        let first = today.with_day(1).unwrap_or(today);
        let last_month = first - Months::new(1);
        [
            ("Today", today, today),
            ("This week", monday, monday + Days::new(6)),
            ("Last week", monday - Days::new(7), monday - Days::new(1)),
            ("This month", first, first + Months::new(1) - Days::new(1)),
            ("Last month", last_month, first - Days::new(1)),
        ]
        .map(|(label, from, to)| {
            let is_current = (search.from, search.to) == (Some(from), Some(to));
            Self { label, href: filter.between(from, to), is_current }
        })
        .into()
    }
}

/// Where the page stands in the list, and the way to its neighbors.
#[derive(Default)]
struct Pager {
    /// "51–100 of 129"
    range: Option<String>,
    first_href: Option<String>,
    previous_href: Option<String>,
    next_href: Option<String>,
}

impl Pager {
    fn new(filter: &BolFilter, found: &SearchPage) -> Self {
        let is_first = found.previous.is_none();
        // A page that others have moved away from its place still says about where it is.
        let start = if is_first { Some(1) } else { filter.row.parse().ok().filter(|row| (1..=MAX_ROW).contains(row)) };
        let shown = found.rows.len();
        let range = start.filter(|_| shown > 0).map(|start| {
            let end = start + shown - 1;
            let count =
                if found.count > COUNTED { format!("more than {}", grouped(COUNTED)) } else { grouped(found.count) };
            format!("{}–{} of {count}", grouped(start as i64), grouped(end as i64))
        });
        let previous = found
            .previous
            .as_ref()
            .map(|position| filter.before(position, start.map(|start| start.saturating_sub(search::PAGE).max(1))));
        Self {
            range,
            first_href: (!is_first).then(|| filter.first()),
            previous_href: previous,
            next_href: found.next.as_ref().map(|position| filter.after(position, start.map(|start| start + shown))),
        }
    }
}

/// The largest place of a page that is shown.
const MAX_ROW: usize = 100_000_000;

/// A term of the search, and the list without it.
struct TermChip {
    description: String,
    href: String,
}

impl TermChip {
    /// Returns none if every term means what it says.
    fn all(terms: &[Term], filter: &BolFilter) -> Vec<Self> {
        if !terms.iter().any(Term::is_interpreted) {
            return Vec::new();
        }
        let without = |at: usize| {
            let others = terms.iter().enumerate().filter(|(other, _)| *other != at);
            others.map(|(_, term)| term.typed.as_str()).collect::<Vec<_>>().join(" ")
        };
        let chip =
            |(at, term): (usize, &Term)| Self { description: term.description(), href: filter.searching(without(at)) };
        terms.iter().enumerate().map(chip).collect()
    }
}

/// The heading of a column by which the list can be sorted.
struct Heading {
    name: &'static str,
    label: &'static str,
    href: String,
    aria: &'static str,
}

struct BolRow {
    href: String,
    download_href: String,
    number: String,
    date: String,
    date_iso: String,
    product: String,
    customer: String,
    po: Option<String>,
    release: Option<String>,
    carrier: String,
    /// The truck and the trailer.
    vehicle: Option<String>,
    ship_to: String,
    lot: Option<String>,
    net_tons: String,
    net_lb: String,
    is_new: bool,
    is_void: bool,
    is_signed: bool,
    has_pdf: bool,
}

pub async fn page(
    context: Context<BolListViewers>,
    filter: Query<BolFilter>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let Context { viewer, db, .. } = &context;
    let filter = filter.into_inner();
    let (search, errors) = filter.resolve(&context).await?;
    let found = if errors.is_empty() { Some(search::search(db, &viewer.scope(), &search).await?) } else { None };
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut page = BolsPage::new(&context, filter, &search, errors, found);
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html_with_status(&page, status))
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
        let headings = COLUMNS.iter().map(|column| {
            let is_current = search.sort.column == column;
            // A click on the current column reverses it. Another column starts with its most useful order.
            let ascending = if is_current { !search.sort.ascending } else { column.ascends_first };
            let aria = match (is_current, search.sort.ascending) {
                (false, _) => "none",
                (true, true) => "ascending",
                (true, false) => "descending",
            };
            Heading { name: column.name, label: column.label, href: filter.sorted(Sort { column, ascending }), aria }
        });
        let headings = headings.collect();
        let can_open = viewer.can_open_documents();
        let site = &context.site;
        let today = site.clock.now().with_timezone(&site.time_zone).date_naive();
        let pager = found.as_ref().map(|found| Pager::new(&filter, found)).unwrap_or_default();
        let net_tons = found.as_ref().and_then(|found| found.net_lb).map(short_tons);
        let (rows, count, owners) =
            found.map_or_else(Default::default, |found| (found.rows, found.count, found.owners));
        Self {
            layout: context.layout("/bols"),
            kinds: kinds("Any document", &filter.kind),
            statuses: choices("Any status", statuses(viewer), &filter.status),
            zip_href: (can_open && (1..=zip::MAX_BOLS as i64).contains(&count)).then(|| filter.zip()),
            count_label: errors.is_empty().then(|| count_label(count, filter.is_filtered())),
            terms: TermChip::all(&search.terms, &filter),
            is_filtered: filter.is_filtered(),
            headings,
            can_assign: viewer.can_assign(),
            show_customer: viewer.can_see_all_customers() || viewer.companies.len() > 1,
            rows: rows
                .into_iter()
                .map(|(row, is_new)| BolRow::new(row.owner(&owners, viewer).map(Into::into), row, is_new, can_open))
                .collect(),
            net_tons,
            presets: Preset::all(today, search, &filter),
            pager,
            errors,
            filter,
        }
    }
}

fn count_label(count: i64, is_filtered: bool) -> String {
    let number = if count > COUNTED { format!("More than {}", grouped(COUNTED)) } else { grouped(count) };
    match (count, is_filtered) {
        (1, true) => "1 BOL matches".into(),
        (1, false) => "1 BOL".into(),
        (_, true) => format!("{number} BOLs match"),
        (_, false) => format!("{number} BOLs"),
    }
}

/// "Truck 12, trailer 7"
fn vehicle(truck: &str, trailer: &str) -> Option<String> {
    match (truck, trailer) {
        ("", "") => None,
        (truck, "") => Some(format!("Truck {truck}")),
        ("", trailer) => Some(format!("trailer {trailer}")),
        (truck, trailer) => Some(format!("Truck {truck}, trailer {trailer}")),
    }
}

impl BolRow {
    fn new(owner: Option<String>, row: BolSummary, is_new: bool, can_open: bool) -> Self {
        let has = |kind: Kind| row.document_kinds.iter().any(|known| known == kind.as_str());
        let weight = Pounds(row.net_lb);
        Self {
            // Auditors get the timeline of the BOL instead of its documents.
            href: if can_open { format!("/bols/{}", row.number) } else { timeline("number", &row.number) },
            download_href: format!("/bols/{}/download", row.number),
            date: page::date(row.bol_date),
            date_iso: row.bol_date.to_string(),
            net_tons: weight.short_tons(),
            net_lb: weight.to_string(),
            is_new,
            is_void: row.voided_at.is_some(),
            is_signed: has(Kind::SignedBol),
            has_pdf: can_open && has(Kind::Bol),
            // The consignee's name only; the page of the BOL has the address.
            ship_to: row.ship_to.lines().next().unwrap_or_default().into(),
            number: row.number,
            product: row.product,
            customer: owner.unwrap_or_else(|| "Not assigned".into()),
            po: non_empty(row.customer_po),
            release: non_empty(row.release_number),
            carrier: row.carrier,
            vehicle: vehicle(&row.truck_number, &row.trailer_number),
            lot: non_empty(row.lot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(today: &str) -> Vec<(&'static str, String)> {
        let today = today.parse().expect("a date");
        let presets = Preset::all(today, &Search::default(), &BolFilter::default());
        presets.into_iter().map(|preset| (preset.label, preset.href)).collect()
    }

    #[test]
    fn presets_are_whole_weeks_and_months() {
        // A Wednesday.
        let expected = [
            ("Today", "2026-03-04", "2026-03-04"),
            ("This week", "2026-03-02", "2026-03-08"),
            ("Last week", "2026-02-23", "2026-03-01"),
            ("This month", "2026-03-01", "2026-03-31"),
            ("Last month", "2026-02-01", "2026-02-28"),
        ];
        assert_eq!(
            dates("2026-03-04"),
            expected.map(|(label, from, to)| (label, format!("/bols?from={from}&to={to}")))
        );
        let january = dates("2026-01-31");
        assert_eq!(january[4].1, "/bols?from=2025-12-01&to=2025-12-31");
        assert_eq!(dates("2026-03-08")[1].1, "/bols?from=2026-03-02&to=2026-03-08", "a Sunday");
    }
}
