//! What a search looks for, as SQL: its words, the kind of document, and the status.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Text};

use super::expression::expression;
use super::terms::{Meaning, Term};
use super::{Search, Status};
use crate::bols::DocumentKind;

/// The text of all fields, which an index serves.
const ANY_FIELD: &str = "search_text";

/// Any of these has to fit.
#[derive(Debug, Default)]
pub(super) struct Condition {
    numbers: Vec<String>,
    /// Columns, and the patterns that their values in lower case match.
    patterns: Vec<(&'static str, String)>,
}

/// What no order of the list helps to find. All of it has to fit.
#[derive(Debug)]
pub(super) struct Needles<'a> {
    conditions: Vec<Condition>,
    search: &'a Search,
}

impl<'a> Needles<'a> {
    pub fn of(search: &'a Search) -> Self {
        Self { conditions: conditions(&search.terms), search }
    }

    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.search.kind.is_none() && !self.has_status()
    }

    fn has_status(&self) -> bool {
        matches!(self.search.status, Some(Status::Issued | Status::Void | Status::Signed | Status::Unsigned))
    }

    /// Whether a page may have to look at many BOLs before it finds enough that fit. Whole numbers have an index that
    /// serves every scope.
    pub fn may_be_rare(&self) -> bool {
        let has_numbers_only = |condition: &Condition| condition.patterns.is_empty();
        !self.is_empty() && !self.conditions.iter().any(has_numbers_only)
    }

    /// Returns the part that the index of `bols_matching` serves, or `None` if it serves none.
    pub fn indexed(&self) -> Option<Indexed<'_>> {
        let mut indexed = Indexed::default();
        for condition in &self.conditions {
            let patterns = condition.patterns.iter().filter(|(column, _)| *column == ANY_FIELD);
            let patterns: Vec<&str> = patterns.map(|(_, pattern)| pattern.as_str()).collect();
            if patterns.is_empty() || !patterns.iter().all(|pattern| has_trigram(pattern)) {
                continue;
            }
            if condition.numbers.is_empty() {
                indexed.patterns.extend(patterns);
            } else {
                (indexed.numbers, indexed.or_patterns) = (&condition.numbers, patterns);
            }
        }
        let status = match self.search.status {
            Some(Status::Void) => Some("void"),
            Some(Status::Unsigned) => Some("unsigned"),
            Some(Status::Signed) => Some(DocumentKind::SignedBol.as_str()),
            _ => None,
        };
        indexed.marks.extend(self.search.kind.map(DocumentKind::as_str).into_iter().chain(status));
        (indexed != Indexed::default()).then_some(indexed)
    }
}

/// What the index of `bols_matching` finds. All of it has to fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Indexed<'a> {
    pub patterns: Vec<&'a str>,
    /// One of these numbers, or one of these patterns.
    pub numbers: &'a [String],
    pub or_patterns: Vec<&'a str>,
    /// Kinds of documents, `void` and `unsigned`: see `bol_marks`.
    pub marks: Vec<&'static str>,
}

/// Whether the index can find the pattern: it knows three letters or digits that follow each other.
fn has_trigram(pattern: &str) -> bool {
    pattern.split(|c: char| !c.is_alphanumeric()).any(|run| run.chars().count() >= 3)
}

/// Returns the conditions of the terms, all of which have to fit.
fn conditions(terms: &[Term]) -> Vec<Condition> {
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

expression!(Needles<'_>, diesel::sql_types::Bool);

impl QueryFragment<Pg> for Needles<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(true");
        for condition in &self.conditions {
            out.push_sql(" AND ");
            condition.walk_ast(out.reborrow())?;
        }
        if let Some(kind) = self.search.kind {
            for part in [" AND bols.document_kinds @> '{", kind.as_str(), "}'"] {
                out.push_sql(part);
            }
        }
        // Values that are part of the text, so that they match those of an index.
        let signed = DocumentKind::SignedBol.as_str();
        let parts = match self.search.status {
            Some(Status::Issued) => [" AND bols.voided_at IS NULL", "", ""],
            Some(Status::Void) => [" AND bols.voided_at IS NOT NULL", "", ""],
            Some(Status::Signed) => [" AND bols.voided_at IS NULL AND bols.document_kinds @> '{", signed, "}'"],
            Some(Status::Unsigned) => [" AND bols.voided_at IS NULL AND NOT bols.document_kinds @> '{", signed, "}'"],
            None | Some(Status::Unassigned | Status::Unfetched) => ["", "", ""],
        };
        for part in parts {
            out.push_sql(part);
        }
        out.push_sql(")");
        Ok(())
    }
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
