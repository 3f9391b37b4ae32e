//! The statements of the list: its pages, its count, and those that look only at a part of it.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, BoxedSelectStatement, FromClause, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable};

use super::condition::Needles;
use super::expression::expression;
use super::sort::Sort;
use super::{BolSummary, COUNTED};
use crate::bols::counts;
use crate::db::query_name::{COUNT_BOLS, LIST_BOLS};
use crate::db::schema::bols;

pub(super) type BolQuery<'a, ST> = BoxedSelectStatement<'a, ST, FromClause<bols::table>, Pg>;
/// A BOL, whether it is new to the reader, and the number of BOLs in the whole list ([`ListTotal`]).
pub(super) type RowType = (diesel::dsl::SqlTypeOf<diesel::dsl::AsSelect<BolSummary, Pg>>, Bool, Nullable<BigInt>);

/// The number of BOLs of the whole list, in every row of a page: less work than another statement. The inner `None`
/// counts all BOLs, the outer one counts nothing.
pub(super) struct ListTotal<'a>(pub Option<Option<&'a [i64]>>);

expression!(ListTotal<'_>, Nullable<BigInt>);

impl QueryFragment<Pg> for ListTotal<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(companies) = &self.0 else {
            out.push_sql("NULL::bigint");
            return Ok(());
        };
        out.push_sql("(");
        counts::push_sum(&mut out, companies)?;
        out.push_sql(")");
        Ok(())
    }
}

/// One query per company, each ordered and limited, merged in the same order.
pub(super) struct Merged<'a, ST> {
    /// What the statement begins with.
    name: &'static str,
    branches: Vec<BolQuery<'a, ST>>,
    sort: Sort,
    limit: i64,
    /// How many rows come before the first.
    offset: i64,
    /// What each branch has to contribute.
    reach: i64,
    is_common: bool,
}

impl<'a, ST> Merged<'a, ST> {
    pub fn new(branches: Vec<BolQuery<'a, ST>>, sort: Sort, limit: i64) -> Self {
        Self { name: "", branches, sort, limit, offset: 0, reach: limit, is_common: false }
    }

    /// Names the statement, and prepares it on every connection if it is common.
    pub fn named(self, name: &'static str, is_common: bool) -> Self {
        Self { name, is_common, ..self }
    }

    pub fn after(self, offset: i64) -> Self {
        Self { offset, reach: self.limit + offset, ..self }
    }
}

impl<ST> QueryFragment<Pg> for Merged<'_, ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.is_common {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(self.name);
        let is_merged = self.branches.len() > 1;
        for (index, branch) in self.branches.iter().enumerate() {
            if is_merged {
                out.push_sql(if index == 0 { "(" } else { " UNION ALL (" });
            }
            QueryFragment::<Pg>::walk_ast(branch, out.reborrow())?;
            self.sort.push_order(&mut out, "bols.");
            if is_merged {
                out.push_sql(" LIMIT ");
                out.push_bind_param::<BigInt, _>(&self.reach)?;
                out.push_sql(")");
            }
        }
        if is_merged {
            // By the names of the first branch's columns.
            self.sort.push_order(&mut out, "");
        }
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        if self.offset > 0 {
            out.push_sql(" OFFSET ");
            out.push_bind_param::<BigInt, _>(&self.offset)?;
        }
        Ok(())
    }
}

/// The BOLs that fit among the first ones of the list. Postgres looks at no others, whatever it expects of the words.
pub(super) struct WindowPage<'a> {
    /// The first rows of the list. The query behind it reads them instead of the table of the same name.
    pub window: Merged<'a, Bool>,
    pub query: BolQuery<'a, RowType>,
    pub limit: i64,
}

impl QueryFragment<Pg> for WindowPage<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        push_window(&mut out, LIST_BOLS, &self.window)?;
        QueryFragment::<Pg>::walk_ast(&self.query, out.reborrow())?;
        self.window.sort.push_order(&mut out, "bols.");
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

/// The position of one BOL of the list.
pub(super) struct Edge<'a>(pub Merged<'a, Bool>);

impl QueryFragment<Pg> for Edge<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(LIST_BOLS);
        out.push_sql("SELECT ");
        self.0.sort.push_position(&mut out);
        out.push_sql(" FROM (");
        QueryFragment::<Pg>::walk_ast(&self.0, out.reborrow())?;
        out.push_sql(") AS edge");
        Ok(())
    }
}

/// Counts the first rows of the list: those that fit, the weights of these, and all.
pub(super) struct WindowCount<'a> {
    pub window: Merged<'a, Bool>,
    pub needles: Needles<'a>,
}

impl QueryFragment<Pg> for WindowCount<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        push_window(&mut out, COUNT_BOLS, &self.window)?;
        out.push_sql(
            "SELECT count(*) FILTER (WHERE fits), sum(net_lb) FILTER (WHERE fits AND voided_at IS NULL), count(*) \
             FROM (SELECT net_lb, voided_at, ",
        );
        QueryFragment::<Pg>::walk_ast(&self.needles, out.reborrow())?;
        out.push_sql(" AS fits FROM bols) AS looked_at");
        Ok(())
    }
}

fn push_window<'b>(out: &mut AstPass<'_, 'b, Pg>, name: &'static str, window: &'b Merged<'_, Bool>) -> QueryResult<()> {
    out.push_sql(name);
    out.push_sql("WITH bols AS (");
    QueryFragment::<Pg>::walk_ast(window, out.reborrow())?;
    out.push_sql(") ");
    Ok(())
}

/// Counts the matches, up to [`COUNTED`] + 1, and adds up their weights.
pub(super) struct CountUpTo<'a>(pub BolQuery<'a, Bool>);

impl QueryFragment<Pg> for CountUpTo<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        const LIMIT: i64 = COUNTED + 1;
        out.unsafe_to_cache_prepared();
        out.push_sql(COUNT_BOLS);
        out.push_sql("SELECT count(*), sum(net_lb) FILTER (WHERE voided_at IS NULL) FROM (");
        QueryFragment::<Pg>::walk_ast(&self.0, out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&LIMIT)?;
        out.push_sql(") AS counted");
        Ok(())
    }
}

impl<ST> Query for Merged<'_, ST> {
    type SqlType = ST;
}

impl Query for Edge<'_> {
    type SqlType = Jsonb;
}

impl Query for WindowPage<'_> {
    type SqlType = RowType;
}

impl Query for WindowCount<'_> {
    type SqlType = (BigInt, Nullable<BigInt>, BigInt);
}

impl Query for CountUpTo<'_> {
    type SqlType = (BigInt, Nullable<BigInt>);
}

/// The texts depend on the search, so the statement cache has to use the text as key.
macro_rules! text_is_key {
    ($($statement:ident $(<$type:ident>)?),*) => {
        $(impl$(<$type>)? QueryId for $statement<'_ $(, $type)?> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        })*
    };
}

text_is_key!(Merged<ST>, Edge, WindowPage, WindowCount, CountUpTo);
