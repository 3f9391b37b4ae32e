//! Expressions of our own over the columns of `bols`.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;

/// Makes a type, which writes its own SQL, an expression of an SQL type over the columns of `bols`.
macro_rules! expression {
    ($type:ty, $sql_type:ty) => {
        impl diesel::expression::Expression for $type {
            type SqlType = $sql_type;
        }

        impl<QS> diesel::expression::AppearsOnTable<QS> for $type {}

        impl<QS> diesel::expression::SelectableExpression<QS> for $type {}

        impl<GroupBy> diesel::expression::ValidGrouping<GroupBy> for $type {
            type IsAggregate = diesel::expression::is_aggregate::No;
        }

        // The text depends on the values, so the statement cache has to use the text as key.
        impl diesel::query_builder::QueryId for $type {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}
pub(super) use expression;

/// Columns that another query around this one reads. Their type is never looked at.
#[derive(Clone, Copy)]
pub(super) struct Columns(pub &'static str);

expression!(Columns, diesel::sql_types::Bool);

impl QueryFragment<Pg> for Columns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}
