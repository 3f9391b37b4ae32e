//! The list of BOLs: search, filters, orders, and keyset pages that an index serves.

mod condition;
mod expression;
mod list;
mod narrow;
mod news;
mod page;
mod period;
mod sort;
mod statements;
mod terms;
mod unfetched;

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

pub use self::news::{News, Reader};
pub use self::page::{Batch, SearchPage, batch, count_up_to, search, search_uncounted};
pub use self::period::Period;
pub use self::sort::{COLUMNS, Column, Position, Sort};
pub use self::terms::{Meaning, Term, parse};
pub use self::unfetched::VisibleBetween;
use super::DocumentKind;
use super::weight::grouped;
use crate::accounts::Viewer;
use crate::db::schema::bols;

pub const PAGE: usize = 50;
/// Counting a filtered list stops here. The whole list has an exact count ([`super::counts`]).
const COUNTED: i64 = 10_000;

#[derive(Clone, Debug, Default)]
pub struct Search {
    pub terms: Vec<Term>,
    pub from: Option<NaiveDate>,
    /// Included.
    pub to: Option<NaiveDate>,
    pub kind: Option<DocumentKind>,
    pub status: Option<Status>,
    /// For [`Status::Unfetched`]: when the BOLs became visible to their customers. Without it, none is found.
    pub visible: Option<VisibleBetween>,
    /// Only what changed at this time or later.
    pub changed_since: Option<DateTime<Utc>>,
    /// A company within the scope.
    pub customer: Option<i64>,
    /// The customer's user who reads the list. For others, nothing is new.
    pub reader: Option<Reader>,
    /// Only what is new to the reader. Finds nothing without one.
    pub is_new: bool,
    pub sort: Sort,
    /// The page begins after this BOL.
    pub after: Option<Position>,
    /// The page ends before this BOL. Without effect beside `after`.
    pub before: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Issued,
    Void,
    Signed,
    Unsigned,
    Unassigned,
    /// The customer has not fetched the PDF within the days of the settings.
    Unfetched,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
pub struct BolSummary {
    pub id: i64,
    pub number: String,
    pub number_year: i32,
    pub number_seq: i32,
    /// The current customer. The PDF may name another one.
    pub customer_id: Option<i64>,
    pub bol_date: NaiveDate,
    pub product: String,
    pub lot: String,
    pub customer_po: String,
    pub release_number: String,
    pub carrier: String,
    pub truck_number: String,
    pub trailer_number: String,
    pub ship_to: String,
    pub net_lb: i32,
    pub voided_at: Option<DateTime<Utc>>,
    pub document_kinds: Vec<String>,
    /// When its customer last had something new to see.
    pub changed_at: DateTime<Utc>,
}

/// The customer that has a BOL now. The PDF may name another one.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Owner {
    pub code: String,
    pub name: String,
}

impl Search {
    /// Whether this is the list without a filter, on its first or a later page.
    ///
    /// Only these queries are worth a prepared statement on every connection. The best plan of a search depends on its
    /// words.
    fn is_common(&self) -> bool {
        self.terms.is_empty()
            && self.from.is_none()
            && self.to.is_none()
            && self.kind.is_none()
            && self.status.is_none()
            && self.changed_since.is_none()
            && self.customer.is_none()
            && !self.is_new
            && self.sort == Sort::default()
            && self.before.is_none()
    }

    /// Narrows dates, kind and status by the words of the text. What was chosen beside the text comes first.
    pub fn apply_words(&mut self, today: NaiveDate) {
        for term in &self.terms {
            match term.meaning {
                Meaning::During(period) => {
                    let (from, to) = period.days(today);
                    self.from = self.from.max(Some(from));
                    self.to = Some(self.to.map_or(to, |chosen| chosen.min(to)));
                }
                Meaning::Signed => self.kind = self.kind.or(Some(DocumentKind::SignedBol)),
                Meaning::Void => self.status = self.status.or(Some(Status::Void)),
                _ => {}
            }
        }
    }

    /// Returns the place of a BOL in the list.
    pub fn position(&self, row: &BolSummary) -> Position {
        Position::of(row, self.sort.column)
    }

    /// Whether the list leaves BOLs out.
    pub fn is_filtered(&self) -> bool {
        !self.terms.is_empty()
            || self.from.is_some()
            || self.to.is_some()
            || self.kind.is_some()
            || self.status.is_some()
            || self.changed_since.is_some()
            || self.customer.is_some()
            || self.is_new
    }

    /// Whether the page is the first one of the list.
    fn is_first(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }

    fn is_backward(&self) -> bool {
        self.after.is_none() && self.before.is_some()
    }

    /// The order of the query: that of the list, or its reverse for a page that ends before a BOL.
    fn order(&self) -> Sort {
        Sort { ascending: self.sort.ascending != self.is_backward(), ..self.sort }
    }
}

/// The number of matches of a search, as far as it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    MoreThan(i64),
    Exactly(i64),
}

impl Default for Total {
    fn default() -> Self {
        Self::Exactly(0)
    }
}

impl Total {
    /// The matches that are certain to exist.
    pub fn at_least(self) -> i64 {
        match self {
            Self::MoreThan(count) => count + 1,
            Self::Exactly(count) => count,
        }
    }

    pub fn is_exact(self) -> bool {
        matches!(self, Self::Exactly(_))
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoreThan(count) => write!(f, "more than {}", grouped(*count)),
            Self::Exactly(count) => f.write_str(&grouped(*count)),
        }
    }
}

impl BolSummary {
    /// Returns the name of the customer that has the BOL now.
    pub fn owner<'a>(&self, owners: &'a HashMap<i64, Owner>, viewer: &'a Viewer) -> Option<&'a str> {
        self.owner_names(owners, viewer).map(|(_, name)| name)
    }

    /// Returns code and name of the customer that has the BOL now.
    pub fn owner_names<'a>(&self, owners: &'a HashMap<i64, Owner>, viewer: &'a Viewer) -> Option<(&'a str, &'a str)> {
        let id = self.customer_id?;
        let own = viewer.companies.iter().find(|company| company.id == id);
        let own = own.map(|company| (company.code.as_str(), company.name.as_str()));
        own.or_else(|| owners.get(&id).map(|owner| (owner.code.as_str(), owner.name.as_str())))
    }
}

/// BOLs to download or export.
pub enum Selection {
    Matching(Box<Search>),
    /// BOLs within the viewer's scope, each with the name of its customer.
    These(Vec<(BolSummary, String)>),
}
