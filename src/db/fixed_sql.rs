//! SQL text as a part of a query, like diesel's `sql`, for a text that is always the same.
//!
//! diesel prepares a statement anew for each query with a part of `sql`, which may be another one each time, and Postgres
//! plans it anew. For a query of the access log, which has a partition for each month, that takes most of the time.

use std::marker::PhantomData;

use diesel::expression::{
    AppearsOnTable, AsExpression, Expression, SelectableExpression, TypedExpressionType, ValidGrouping, is_aggregate,
};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{SingleValue, SqlType};

/// A text of the type `ST`, after the parts before it.
#[derive(Clone, Copy, Debug)]
pub struct FixedSql<ST, Before = ()> {
    before: Before,
    text: &'static str,
    of_type: PhantomData<ST>,
}

/// Parts of a text with a value after them.
#[derive(Clone, Copy, Debug)]
pub struct Bound<ST, Before, Value> {
    before: Before,
    value: Value,
    of_type: PhantomData<ST>,
}

/// Returns an expression of this text.
pub fn fixed_sql<ST: TypedExpressionType>(text: &'static str) -> FixedSql<ST> {
    FixedSql { before: (), text, of_type: PhantomData }
}

impl<ST, Before> FixedSql<ST, Before> {
    /// Adds a value, which the statement gets as a parameter.
    pub fn bind<T, V>(self, value: V) -> Bound<ST, Self, V::Expression>
    where
        T: SqlType + SingleValue,
        V: AsExpression<T>,
    {
        Bound { before: self, value: value.as_expression(), of_type: PhantomData }
    }
}

impl<ST, Before, Value> Bound<ST, Before, Value> {
    pub fn sql(self, text: &'static str) -> FixedSql<ST, Self> {
        FixedSql { before: self, text, of_type: PhantomData }
    }
}

impl<ST, Before: QueryFragment<Pg>> QueryFragment<Pg> for FixedSql<ST, Before> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.before.walk_ast(out.reborrow())?;
        out.push_sql(self.text);
        Ok(())
    }
}

impl<ST, Before: QueryFragment<Pg>, Value: QueryFragment<Pg>> QueryFragment<Pg> for Bound<ST, Before, Value> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.before.walk_ast(out.reborrow())?;
        self.value.walk_ast(out.reborrow())
    }
}

// The cache finds such a query by its text: two of one Rust type may have different ones.
impl<ST, Before> QueryId for FixedSql<ST, Before> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST, Before, Value> QueryId for Bound<ST, Before, Value> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST: TypedExpressionType, Before> Expression for FixedSql<ST, Before> {
    type SqlType = ST;
}

impl<QS, ST, Before> SelectableExpression<QS> for FixedSql<ST, Before> where Self: Expression {}
impl<QS, ST, Before> AppearsOnTable<QS> for FixedSql<ST, Before> where Self: Expression {}

impl<ST, Before, GB> ValidGrouping<GB> for FixedSql<ST, Before> {
    type IsAggregate = is_aggregate::Never;
}

#[cfg(test)]
mod tests {
    use diesel::dsl::sql;
    use diesel::prelude::*;
    use diesel::sql_types::{BigInt, Bool};

    use super::*;
    use crate::db::schema::bols;

    fn is_prepared_once(query: &impl QueryFragment<Pg>) -> bool {
        query.is_safe_to_cache_prepared(&Pg).expect("a query")
    }

    #[test]
    fn a_fixed_text_has_its_values_as_parameters_and_is_prepared_once() {
        let is_between = fixed_sql::<Bool>("bols.id > ").bind::<BigInt, _>(1_i64).sql(" AND bols.id < ");
        let is_between = is_between.bind::<BigInt, _>(9_i64).sql("");
        let query = bols::table.filter(is_between).select(bols::number).into_boxed::<Pg>();
        assert!(is_prepared_once(&query));
        let text = diesel::debug_query::<Pg, _>(&query).to_string();
        assert!(text.contains("WHERE bols.id > $1 AND bols.id < $2") && text.ends_with("[1, 9]"), "{text}");
        let changing = bols::table.filter(sql::<Bool>("true")).select(bols::number).into_boxed::<Pg>();
        assert!(!is_prepared_once(&changing));
    }
}
