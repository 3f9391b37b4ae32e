//! The statements of the list: its pages, and its count.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, BoxedSelectStatement, FromClause, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable};

use super::sort::Sort;
use super::{BolSummary, COUNTED};
use crate::db::query_name::{COUNT_BOLS, LIST_BOLS};
use crate::db::schema::bols;

pub(super) type BolQuery<'a, ST> = BoxedSelectStatement<'a, ST, FromClause<bols::table>, Pg>;
pub(super) type RowType = (diesel::dsl::SqlTypeOf<diesel::dsl::AsSelect<BolSummary, Pg>>, Bool);

/// One query per company, each ordered and limited, merged in the same order.
pub(super) struct Merged<'a> {
    pub branches: Vec<BolQuery<'a, RowType>>,
    pub sort: Sort,
    pub limit: i64,
    pub is_common: bool,
}

impl QueryFragment<Pg> for Merged<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.is_common {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(LIST_BOLS);
        let is_merged = self.branches.len() > 1;
        for (index, branch) in self.branches.iter().enumerate() {
            if is_merged {
                out.push_sql(if index == 0 { "(" } else { " UNION ALL (" });
            }
            QueryFragment::<Pg>::walk_ast(branch, out.reborrow())?;
            self.sort.push_order(&mut out, "bols.");
            out.push_sql(" LIMIT ");
            out.push_bind_param::<BigInt, _>(&self.limit)?;
            if is_merged {
                out.push_sql(")");
            }
        }
        if !is_merged {
            return Ok(());
        }
        // By the names of the first branch's columns.
        self.sort.push_order(&mut out, "");
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)
    }
}

impl Query for Merged<'_> {
    type SqlType = RowType;
}

/// The text depends on the search, so the statement cache has to use the text as key.
impl QueryId for Merged<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Counts the matches, up to [`COUNTED`] + 1, and adds up their weights.
pub(super) struct CountUpTo<'a, ST> {
    pub matching: BolQuery<'a, ST>,
    /// The sum, as SQL over the columns of `matching`.
    pub weights: &'static str,
    pub is_common: bool,
}

impl<ST> QueryFragment<Pg> for CountUpTo<'_, ST> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        const LIMIT: i64 = COUNTED + 1;
        if !self.is_common {
            out.unsafe_to_cache_prepared();
        }
        for part in [COUNT_BOLS, "SELECT count(*), ", self.weights, " FROM ("] {
            out.push_sql(part);
        }
        QueryFragment::<Pg>::walk_ast(&self.matching, out.reborrow())?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&LIMIT)?;
        out.push_sql(") AS counted");
        Ok(())
    }
}

impl<ST> Query for CountUpTo<'_, ST> {
    type SqlType = (BigInt, Nullable<BigInt>);
}

impl<ST> QueryId for CountUpTo<'_, ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
