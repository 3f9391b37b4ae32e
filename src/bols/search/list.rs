//! The list of a scope as queries: its pages, its count, and the part of it that a search looks at.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::Bool;

use super::condition::Needles;
use super::expression::Columns;
use super::news::IsNew;
use super::sort::{Beyond, KeyColumns};
use super::statements::{BolQuery, CountUpTo, Edge, ListTotal, Merged, RowType, WindowCount, WindowPage};
use super::unfetched::IsUnfetched;
use super::{BolSummary, Search, Status};
use crate::db::query_name::LIST_BOLS;
use crate::db::schema::bols;
use crate::db::scope::Scope;

/// An id that no company has.
static NO_COMPANY: i64 = 0;

/// The BOLs of a scope in the order of the search.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub scope: &'a Scope,
    pub search: &'a Search,
    /// Only these BOLs.
    pub among: Option<&'a [i64]>,
    /// Each row of a list without a filter has the number of BOLs in the whole list too.
    pub is_counted: bool,
}

impl<'a> List<'a> {
    pub fn new(scope: &'a Scope, search: &'a Search) -> Self {
        Self { scope, search, among: None, is_counted: false }
    }

    /// Up to `limit` BOLs that fit, from the position on.
    pub fn page(self, limit: usize) -> Merged<'a, RowType> {
        let branch = |companies| {
            let has_total = self.is_counted && !self.search.is_filtered();
            let total = ListTotal(has_total.then(|| self.companies()));
            let query = self.beyond(self.base(companies, (BolSummary::as_select(), self.is_new(), total)));
            self.fitting(query)
        };
        self.merged(branch, limit as i64).named(LIST_BOLS, self.search.is_common())
    }

    /// Counts the BOLs that fit, and adds up their weights.
    pub fn count(self) -> CountUpTo<'a> {
        CountUpTo(self.fitting(self.base(self.companies(), Columns("bols.net_lb, bols.voided_at"))))
    }

    /// Up to `limit` of the BOLs that fit among the first `rows` from the position on.
    pub fn page_within(self, rows: i64, limit: usize) -> WindowPage<'a> {
        let query = bols::table.select((BolSummary::as_select(), self.is_new(), ListTotal(None))).into_boxed();
        WindowPage { window: self.window(rows, true), query: self.fitting(query), limit: limit as i64 }
    }

    /// Counts the first `rows` of the list, and those of them that fit.
    pub fn count_within(self, rows: i64) -> WindowCount<'a> {
        WindowCount { window: self.window(rows, false), needles: Needles::of(self.search) }
    }

    /// The position of the last of the first `rows` from the position on, if there are so many. An index answers it.
    pub fn edge(self, rows: i64) -> Edge<'a> {
        let branch = |companies| self.beyond(self.base(companies, KeyColumns(self.search.order())));
        Edge(self.merged(branch, 1).after(rows - 1))
    }

    fn window(self, rows: i64, from_position: bool) -> Merged<'a, Bool> {
        let branch = |companies| {
            let query = self.base(companies, Columns("bols.*"));
            if from_position { self.beyond(query) } else { query }
        };
        self.merged(branch, rows)
    }

    fn merged<ST>(self, branch: impl Fn(Option<&'a [i64]>) -> BolQuery<'a, ST>, limit: i64) -> Merged<'a, ST> {
        Merged::new(self.branches().into_iter().map(branch).collect(), self.search.order(), limit)
    }

    fn is_new(self) -> IsNew {
        IsNew(self.search.reader.filter(|_| *self.scope != Scope::All))
    }

    /// Returns the companies of each query. One ordered query per company, merged: a single `customer_id = ANY(…)` would
    /// lose the order of the index.
    fn branches(self) -> Vec<Option<&'a [i64]>> {
        match self.scope {
            Scope::All => vec![self.companies()],
            Scope::Companies { ids, .. } => {
                let wanted = ids.iter().filter(|id| self.search.customer.is_none_or(|wanted| wanted == **id));
                let each: Vec<_> = wanted.map(|id| Some(std::slice::from_ref(id))).collect();
                // Without a company, one query that finds nothing.
                if each.is_empty() { vec![Some(std::slice::from_ref(&NO_COMPANY))] } else { each }
            }
        }
    }

    /// Returns the companies of one query for all: those of the scope, or the requested one of them. `None` means no
    /// filter.
    pub fn companies(self) -> Option<&'a [i64]> {
        match (self.scope.companies(), &self.search.customer) {
            (within, None) => within,
            (Some(within), Some(wanted)) if !within.contains(wanted) => Some(&[]),
            (_, Some(wanted)) => Some(std::slice::from_ref(wanted)),
        }
    }

    /// The BOLs of these companies that fit but for the [`Needles`].
    fn base<S>(self, companies: Option<&'a [i64]>, select: S) -> BolQuery<'a, S::SqlType>
    where
        S: Expression + diesel::expression::SelectableExpression<bols::table> + QueryFragment<Pg> + Send + 'a,
        S: diesel::expression::ValidGrouping<(), IsAggregate = diesel::expression::is_aggregate::No>,
    {
        let search = self.search;
        let mut query = bols::table.select(select).into_boxed();
        match companies {
            Some([one]) => query = query.filter(bols::customer_id.eq(one)),
            Some(several) => query = query.filter(bols::customer_id.eq_any(several)),
            None => {}
        }
        if let Some(ids) = self.among {
            query = query.filter(bols::id.eq_any(ids));
        }
        if let Some(from) = search.from {
            query = query.filter(bols::bol_date.ge(from));
        }
        if let Some(to) = search.to {
            query = query.filter(bols::bol_date.le(to));
        }
        if let Some(since) = search.changed_since {
            query = query.filter(bols::changed_at.ge(since));
        }
        if search.is_new {
            query = query.filter(IsNew(search.reader));
        }
        match search.status {
            Some(Status::Unassigned) => query.filter(bols::customer_id.is_null()),
            Some(Status::Unfetched) => query.filter(IsUnfetched(search.visible)),
            _ => query,
        }
    }

    fn fitting<ST>(self, query: BolQuery<'a, ST>) -> BolQuery<'a, ST> {
        let needles = Needles::of(self.search);
        if needles.is_empty() { query } else { query.filter(needles) }
    }

    /// Restricts the query to what comes after the position, if there is one.
    fn beyond<ST>(self, query: BolQuery<'a, ST>) -> BolQuery<'a, ST> {
        match self.search.after.as_ref().or(self.search.before.as_ref()) {
            None => query,
            Some(position) => query.filter(Beyond { position, ascending: self.search.order().ascending }),
        }
    }
}
