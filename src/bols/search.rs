//! The list of BOLs: search, filters, orders, and keyset pages that an index serves.

mod condition;
mod news;
mod period;
mod sort;
mod statements;
mod terms;
mod unfetched;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::dsl::not;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;

use self::condition::conditions;
use self::news::IsNew;
pub use self::news::{News, Reader};
pub use self::period::Period;
use self::sort::Beyond;
pub use self::sort::{COLUMNS, Column, Position, Sort};
use self::statements::{BolQuery, CountUpTo, Merged, RowType};
pub use self::terms::{Meaning, Term, parse};
use self::unfetched::IsUnfetched;
pub use self::unfetched::VisibleBetween;
use super::DocumentKind;
use crate::accounts::Viewer;
use crate::db::schema::{bols, customers};
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbResult};

pub const PAGE: usize = 50;
/// Counting stops here. "10,000+" says enough, and costs the same on a table of any size.
pub const COUNTED: i64 = 10_000;

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

    fn is_backward(&self) -> bool {
        self.after.is_none() && self.before.is_some()
    }

    /// The order of the query: that of the list, or its reverse for a page that ends before a BOL.
    fn order(&self) -> Sort {
        Sort { ascending: self.sort.ascending != self.is_backward(), ..self.sort }
    }
}

/// One page of the list.
pub struct SearchPage {
    /// Each with what is new about it, if anything is.
    pub rows: Vec<(BolSummary, Option<News>)>,
    /// The number of matches on all pages, at most [`COUNTED`] + 1.
    pub count: i64,
    /// The net pounds of all matches that aren't void, if the list is filtered and all matches were counted.
    pub net_lb: Option<i64>,
    /// The first BOL, if others come before it.
    pub previous: Option<Position>,
    /// The last BOL, if others come after it.
    pub next: Option<Position>,
    /// The page's customers, by id. Only staff get them. A customer's viewer has its own companies.
    pub owners: HashMap<i64, Owner>,
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

/// Returns the customers of these rows. A separate query, and for staff only: joined to a customer's list,
/// it took as long as all the rest.
async fn owners(mut connection: &AsyncPgConnection, rows: &[(BolSummary, bool)]) -> QueryResult<HashMap<i64, Owner>> {
    let mut ids: Vec<i64> = rows.iter().filter_map(|(row, _)| row.customer_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let named = customers::table.filter(customers::id.eq_any(ids));
    let named = named.select((customers::id, customers::code, customers::name));
    let named: Vec<(i64, String, String)> = named.load(&mut connection).await?;
    Ok(named.into_iter().map(|(id, code, name)| (id, Owner { code, name })).collect())
}

/// Returns one page of the BOLs within the scope that match.
pub async fn search(db: &Database, scope: &Scope, search: &Search) -> DbResult<SearchPage> {
    let (mut rows, (count, net_lb), owners, mut news) =
        scope::read(db, scope, async |connection: &AsyncPgConnection| {
            let mut first = connection;
            let rows = ordered(scope, search, PAGE + 1).load::<(BolSummary, bool)>(&mut first);
            let (rows, counted) = try_join(rows, count(connection, scope, search)).await?;
            let owners = if *scope == Scope::All { owners(connection, &rows).await? } else { HashMap::new() };
            let news = match search.reader {
                Some(reader) => reader.news(connection, scope, &rows).await?,
                None => HashMap::new(),
            };
            Ok((rows, counted, owners, news))
        })
        .await?;
    let (has_more, is_backward) = (rows.len() > PAGE, search.is_backward());
    rows.truncate(PAGE);
    if is_backward {
        rows.reverse();
    }
    let position = |row: Option<&(BolSummary, bool)>| row.map(|(row, _)| Position::of(row, search.sort.column));
    let next = if is_backward || has_more { position(rows.as_slice().last()) } else { None };
    let has_previous = if is_backward { has_more } else { search.after.is_some() };
    let previous = if has_previous { position(rows.as_slice().first()) } else { None };
    let rows = rows.into_iter().map(|(row, _)| (news.remove(&row.id), row)).map(|(news, row)| (row, news)).collect();
    Ok(SearchPage { rows, count, net_lb: net_lb.filter(|_| count <= COUNTED), previous, next, owners })
}

/// Some of the matches, in the order of the list.
pub struct Batch {
    pub rows: Vec<BolSummary>,
    /// The last BOL, if others may come after it.
    pub next: Option<Position>,
    /// As in [`SearchPage::owners`].
    pub owners: HashMap<i64, Owner>,
}

/// Returns up to `limit` of the BOLs within the scope that match, without counting the others.
pub async fn batch(db: &Database, scope: &Scope, search: &Search, limit: usize) -> DbResult<Batch> {
    let (rows, owners) = scope::read(db, scope, async |connection: &AsyncPgConnection| {
        let mut first = connection;
        let rows: Vec<(BolSummary, bool)> = ordered(scope, search, limit).load(&mut first).await?;
        let owners = if *scope == Scope::All { owners(connection, &rows).await? } else { HashMap::new() };
        Ok((rows, owners))
    })
    .await?;
    let last = rows.as_slice().last().filter(|_| rows.len() == limit);
    let next = last.map(|(row, _)| Position::of(row, search.sort.column));
    Ok(Batch { next, owners, rows: rows.into_iter().map(|(row, _)| row).collect() })
}

/// BOLs to download or export.
pub enum Selection {
    Matching(Box<Search>),
    /// BOLs within the viewer's scope, each with the name of its customer.
    These(Vec<(BolSummary, String)>),
}

/// Counts the matches. Adds up their weights if the list is filtered: for the whole list that would cost more than the
/// page.
async fn count(mut connection: &AsyncPgConnection, scope: &Scope, search: &Search) -> QueryResult<(i64, Option<i64>)> {
    let (companies, is_common) = (companies(scope, search), search.is_common());
    if search.is_filtered() {
        let matching = matching(companies, search, (bols::id, bols::net_lb, bols::voided_at));
        CountUpTo { matching, weights: "sum(net_lb) FILTER (WHERE voided_at IS NULL)", is_common }
            .get_result(&mut connection)
            .await
    } else {
        let matching = matching(companies, search, bols::id);
        CountUpTo { matching, weights: "NULL::bigint", is_common }.get_result(&mut connection).await
    }
}

/// One ordered query per company, merged: a single `customer_id = ANY(…)` would lose the order of the index.
fn ordered<'a>(scope: &'a Scope, search: &'a Search, limit: usize) -> Merged<'a> {
    let branches = match scope {
        Scope::All => {
            let select = (BolSummary::as_select(), false.into_sql::<Bool>());
            vec![beyond(matching(companies(scope, search), search, select), search)]
        }
        Scope::Companies { ids, .. } => {
            let branch = |id: &'a i64| {
                let select = (BolSummary::as_select(), IsNew(search.reader));
                beyond(matching(Some(std::slice::from_ref(id)), search, select), search)
            };
            // Without a company, one query that finds nothing.
            let wanted: Vec<_> = ids.iter().filter(|id| search.customer.is_none_or(|wanted| wanted == **id)).collect();
            if wanted.is_empty() { vec![branch(&NO_COMPANY)] } else { wanted.into_iter().map(branch).collect() }
        }
    };
    Merged { branches, sort: search.order(), limit: limit as i64, is_common: search.is_common() }
}

/// Returns the companies for the query: those of the scope, or the requested one of them. `None` means no filter.
fn companies<'a>(scope: &'a Scope, search: &'a Search) -> Option<&'a [i64]> {
    match (scope.companies(), &search.customer) {
        (within, None) => within,
        (Some(within), Some(wanted)) if !within.contains(wanted) => Some(&[]),
        (_, Some(wanted)) => Some(std::slice::from_ref(wanted)),
    }
}

/// An id that no company has.
static NO_COMPANY: i64 = 0;

fn matching<'a, S>(companies: Option<&'a [i64]>, search: &'a Search, select: S) -> BolQuery<'a, S::SqlType>
where
    S: Expression + diesel::expression::SelectableExpression<bols::table> + QueryFragment<Pg> + Send + 'a,
    S: diesel::expression::ValidGrouping<(), IsAggregate = diesel::expression::is_aggregate::No>,
{
    let mut query = bols::table.select(select).into_boxed();
    match companies {
        Some([one]) => query = query.filter(bols::customer_id.eq(one)),
        Some(several) => query = query.filter(bols::customer_id.eq_any(several)),
        None => {}
    }
    for condition in conditions(&search.terms) {
        query = query.filter(condition);
    }
    if let Some(from) = search.from {
        query = query.filter(bols::bol_date.ge(from));
    }
    if let Some(to) = search.to {
        query = query.filter(bols::bol_date.le(to));
    }
    if let Some(kind) = search.kind {
        query = query.filter(bols::document_kinds.contains(vec![kind.as_str()]));
    }
    if let Some(since) = search.changed_since {
        query = query.filter(bols::changed_at.ge(since));
    }
    if search.is_new {
        query = query.filter(IsNew(search.reader));
    }
    let signed = || bols::document_kinds.contains(vec![DocumentKind::SignedBol.as_str()]);
    match search.status {
        None => query,
        Some(Status::Issued) => query.filter(bols::voided_at.is_null()),
        Some(Status::Void) => query.filter(bols::voided_at.is_not_null()),
        Some(Status::Signed) => query.filter(bols::voided_at.is_null()).filter(signed()),
        Some(Status::Unsigned) => query.filter(bols::voided_at.is_null()).filter(not(signed())),
        Some(Status::Unassigned) => query.filter(bols::customer_id.is_null()),
        Some(Status::Unfetched) => query.filter(IsUnfetched(search.visible)),
    }
}

/// Restricts the query to what comes after the position, if there is one.
fn beyond<'a>(query: BolQuery<'a, RowType>, search: &'a Search) -> BolQuery<'a, RowType> {
    match search.after.as_ref().or(search.before.as_ref()) {
        None => query,
        Some(position) => query.filter(Beyond { position, ascending: search.order().ascending }),
    }
}
