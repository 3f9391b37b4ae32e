//! What a statement is called in the metrics. A name never comes from what a user typed: parameters are not part of the
//! text of a statement, and names come from lists.
//!
//! A statement that begins with one of the comments below has that name, which the log of Postgres shows too. Any other
//! one is called by its verb and the first table that it reads or writes, such as `SELECT users` (OpenTelemetry calls
//! this `db.query.summary`).

use super::schema::TABLES;
use crate::metrics::QueryName;

/// A page of the list of BOLs.
pub const LIST_BOLS: &str = "/* list_bols */ ";
/// The number of BOLs on all pages of the list.
pub const COUNT_BOLS: &str = "/* count_bols */ ";
/// Finds a BOL, and records that its page was opened.
pub const VIEW_BOL: &str = "/* view_bol */ ";
/// Finds a document, and records its link.
pub const RECORD_LINK: &str = "/* record_link */ ";
/// Begins a transaction that sees the BOLs of some companies.
pub const ENTER_SCOPE: &str = "/* enter_scope */ ";
/// Checks once more that a document is in scope, and commits its link.
pub const COMMIT_LINK: &str = "/* commit_link */ ";

const NAMED: [&str; 6] = [LIST_BOLS, COUNT_BOLS, VIEW_BOL, RECORD_LINK, ENTER_SCOPE, COMMIT_LINK];
const VERBS: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "SET"];
/// What stands before the name of a table.
const BEFORE_TABLES: [&str; 3] = [" FROM ", "INSERT INTO ", "UPDATE "];

/// Returns the name of a statement, or of the first of several.
pub(super) fn query_name(sql: &str) -> QueryName {
    if sql.starts_with("/*")
        && let Some(named) = NAMED.into_iter().find(|comment| sql.starts_with(comment))
    {
        return QueryName::Named(named.trim_start_matches("/* ").trim_end_matches(" */ "));
    }
    let verb = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let verb = VERBS.into_iter().find(|known| known.eq_ignore_ascii_case(verb)).unwrap_or("other");
    QueryName::Summary(verb, first_table(sql, verb).unwrap_or_default())
}

/// Looks only where a statement of this kind names a table: this runs for every statement.
fn first_table(sql: &str, verb: &str) -> Option<&'static str> {
    let before_tables = match verb {
        "SELECT" | "DELETE" => &BEFORE_TABLES[..1],
        "INSERT" => &BEFORE_TABLES[1..2],
        "UPDATE" => &BEFORE_TABLES[2..],
        "BEGIN" | "COMMIT" | "ROLLBACK" | "SET" => &[],
        _ => &BEFORE_TABLES[..],
    };
    let named_after = |before: &&str| {
        let places = sql.match_indices(*before).map(|(at, before)| (at, &sql[at + before.len()..]));
        places.filter_map(|(at, rest)| Some((at, table(rest)?))).next()
    };
    before_tables.iter().filter_map(named_after).min_by_key(|(at, _)| *at).map(|(_, table)| table)
}

/// Returns the table whose name the text begins with, in quotes or without.
fn table(text: &str) -> Option<&'static str> {
    let text = text.strip_prefix('"').unwrap_or(text);
    let name = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
    TABLES.iter().copied().find(|table| *table == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_called_by_their_name_or_their_verb_and_table() {
        for (sql, verb, table) in [
            (r#"SELECT "users"."id", "users"."email" FROM "users" WHERE "users"."id" = $1"#, "SELECT", "users"),
            ("SELECT count(*) FROM (SELECT id FROM bols LIMIT 9) AS counted", "SELECT", "bols"),
            (r#"INSERT INTO "mails" ("purpose") VALUES ($1)"#, "INSERT", "mails"),
            ("INSERT INTO audit_leaves (position) SELECT n FROM unnest($1)", "INSERT", "audit_leaves"),
            ("UPDATE mails SET due_at = $1 WHERE id IN (SELECT id FROM users)", "UPDATE", "mails"),
            ("DELETE FROM sessions WHERE id = $1", "DELETE", "sessions"),
            ("BEGIN; SET LOCAL ROLE x", "BEGIN", ""),
            ("COMMIT", "COMMIT", ""),
            ("SELECT pg_advisory_xact_lock($1)", "SELECT", ""),
            ("SELECT 1 FROM \"PRT-2025-0001\"", "SELECT", ""),
            ("/* anything */ SELECT 1 FROM users", "other", "users"),
            ("EXPLAIN é", "other", ""),
            ("", "other", ""),
        ] {
            assert_eq!(query_name(sql), QueryName::Summary(verb, table), "{sql}");
        }
        assert_eq!(query_name(&format!("{LIST_BOLS}SELECT 1 FROM users")), QueryName::Named("list_bols"));
        assert_eq!(query_name(&format!("{ENTER_SCOPE}BEGIN; SELECT 1")), QueryName::Named("enter_scope"));
    }

    #[test]
    fn every_table_of_the_schema_has_its_name() {
        let source = include_str!("schema.rs");
        let described = source.split("diesel::table! {").skip(1).filter_map(|table| table.split_whitespace().next());
        let unnamed: Vec<&str> = described.filter(|name| !TABLES.contains(name)).collect();
        assert!(unnamed.is_empty(), "add these to the list at the end of src/db/schema.rs: {unnamed:?}");
    }
}
