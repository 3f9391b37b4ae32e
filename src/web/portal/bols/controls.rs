//! What surrounds the list: dates to choose, the terms of the search, headings that sort, and the pager.

use chrono::NaiveDate;

use crate::bols::search::{self, COLUMNS, Column, Period, Search, SearchPage, Sort, Term};
use crate::bols::weight::grouped;
use crate::web::bol_filter::BolFilter;
use crate::web::page::Pager;

/// Dates to choose with one click.
pub struct Preset {
    pub label: &'static str,
    pub href: String,
    pub is_current: bool,
}

impl Preset {
    pub fn all(today: NaiveDate, search: &Search, filter: &BolFilter) -> Vec<Self> {
        let preset = |period: Period| {
            let (from, to) = period.days(today);
            let is_current = (search.from, search.to) == (Some(from), Some(to));
            Self { label: period.label(), href: filter.between(from, to), is_current }
        };
        Period::ALL.into_iter().filter(|period| *period != Period::Yesterday).map(preset).collect()
    }
}

impl Pager {
    pub fn new(filter: &BolFilter, found: &SearchPage) -> Self {
        let is_first = found.previous.is_none();
        // A page that others have moved away from its place still says about where it is.
        let start = if is_first { Some(1) } else { filter.row.parse().ok().filter(|row| (1..=MAX_ROW).contains(row)) };
        let shown = found.rows.len();
        let range = start.filter(|_| shown > 0).map(|start| {
            let end = start + shown - 1;
            let shown = format!("{}–{}", grouped(start as i64), grouped(end as i64));
            // What was counted may be less than what is shown.
            if found.total.at_least() >= end as i64 { format!("{shown} of {}", found.total) } else { shown }
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
pub struct TermChip {
    pub description: String,
    pub href: String,
}

impl TermChip {
    /// Returns none if every term means what it says.
    pub fn all(terms: &[Term], filter: &BolFilter) -> Vec<Self> {
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
pub struct Heading {
    pub name: &'static str,
    pub label: &'static str,
    pub href: String,
    pub aria: &'static str,
}

impl Heading {
    pub fn all(search: &Search, filter: &BolFilter) -> Vec<Self> {
        let heading = |column: &'static Column| {
            let is_current = search.sort.column == column;
            // A click on the current column reverses it. Another column starts with its most useful order.
            let ascending = if is_current { !search.sort.ascending } else { column.ascends_first };
            let aria = match (is_current, search.sort.ascending) {
                (false, _) => "none",
                (true, true) => "ascending",
                (true, false) => "descending",
            };
            Self { name: column.name, label: column.label, href: filter.sorted(Sort { column, ascending }), aria }
        };
        COLUMNS.iter().map(heading).collect()
    }
}
