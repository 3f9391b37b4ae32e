//! The terms of a search as SQL.

use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Text};

use super::terms::{Meaning, Term};

/// The text of all fields, which an index serves.
const ANY_FIELD: &str = "search_text";

/// Any of these has to fit.
#[derive(Debug, Default)]
pub(super) struct Condition {
    numbers: Vec<String>,
    /// Columns, and the patterns that their values in lower case match.
    patterns: Vec<(&'static str, String)>,
}

/// Returns the conditions of the terms, all of which have to fit.
pub(super) fn conditions(terms: &[Term]) -> Vec<Condition> {
    let (mut conditions, mut any_number) = (Vec::new(), Condition::default());
    for Term { typed, meaning } in terms {
        match meaning {
            Meaning::Number(number) => any_number.numbers.push(number.to_string()),
            Meaning::ShortNumber(number) => {
                any_number.numbers.push(number.to_string());
                any_number.patterns.push((ANY_FIELD, containing(typed)));
            }
            // Conditions of the search itself.
            Meaning::During(_) | Meaning::Signed | Meaning::Void => {}
            Meaning::Anywhere(text) => conditions.push(Condition::containing(ANY_FIELD, text)),
            Meaning::Field(field, value) => {
                // For the index.
                conditions.push(Condition::containing(ANY_FIELD, value));
                conditions.push(Condition::containing(field.column, value));
            }
        }
    }
    conditions.extend((!any_number.numbers.is_empty()).then_some(any_number));
    conditions
}

impl Condition {
    fn containing(column: &'static str, text: &str) -> Self {
        Self { numbers: Vec::new(), patterns: vec![(column, containing(text))] }
    }
}

/// Returns the pattern of `LIKE` for text that contains this, with wildcards taken literally.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

impl Expression for Condition {
    type SqlType = Bool;
}

impl<QS> AppearsOnTable<QS> for Condition {}

impl<QS> SelectableExpression<QS> for Condition {}

impl<GroupBy> ValidGrouping<GroupBy> for Condition {
    type IsAggregate = is_aggregate::No;
}

impl QueryId for Condition {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryFragment<Pg> for Condition {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        let mut separator = "";
        if !self.numbers.is_empty() {
            out.push_sql("bols.number = ANY(");
            out.push_bind_param::<Array<Text>, _>(&self.numbers)?;
            out.push_sql(")");
            separator = " OR ";
        }
        for (column, pattern) in &self.patterns {
            let (before, after) = if *column == ANY_FIELD { ("bols.", " LIKE ") } else { ("lower(bols.", ") LIKE ") };
            for part in [separator, before, column, after] {
                out.push_sql(part);
            }
            out.push_bind_param::<Text, _>(pattern)?;
            separator = " OR ";
        }
        out.push_sql(")");
        Ok(())
    }
}
