//! The lists that the office chooses from when it issues a BOL: customers and their addresses, products and lots,
//! carriers and trucks.
//!
//! A BOL copies what it prints, so nothing here reaches back into one that was issued. Nothing is deleted either: an
//! entry is retired, and can be taken back. Here stands what the lists have in common: who changes them, reading what
//! was typed, and what a change may fail with.

pub mod carriers;
pub mod customers;
pub mod products;

use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::AsyncPgConnection;

use crate::accounts::ActingUser;
use crate::audit::{self, Action, Event, Outcome};
use crate::db::{DbError, fragment};
use crate::typefaces::{unprintable, unprintable_message};

/// As many of each list as a page shows.
pub const MOST: usize = 500;
const ONE_MORE: i64 = MOST as i64 + 1;

/// The beginning of a list, or all of it.
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub more: bool,
}

impl<T> Listed<T> {
    fn new(mut rows: Vec<T>) -> Self {
        let more = rows.len() > MOST;
        rows.truncate(MOST);
        Self { rows, more }
    }
}

/// Which part of a list that grows by itself is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// A fragment of what the row shows; empty: all of it.
    pub fragment: &'a str,
    /// This one first, wherever it would stand: its form is shown again.
    pub first: Option<i64>,
}

impl Wanted<'_> {
    fn pattern(&self) -> String {
        fragment(self.fragment)
    }
}

/// Records a change of an entry: how it was, if it is not new, and how it is.
async fn record<V: serde::Serialize>(
    user: &ActingUser<'_>,
    connection: &mut AsyncPgConnection,
    list: &'static str,
    id: i64,
    (before, after): (Option<&V>, &V),
) -> QueryResult<()> {
    let detail = serde_json::json!({"list": list, "id": id, "before": before, "after": after});
    let event = Event::new(Action::ListChanged, Outcome::Success, user.actor(), user.origin).detail(detail);
    audit::record(connection, &event).await
}

#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error("not every field is right")]
    Fields(Messages),
    #[error("there is no such entry")]
    Gone,
    #[error(transparent)]
    Db(DbError),
}

crate::db::query_error_into!(SaveError);

impl From<DbError> for SaveError {
    /// What somebody else has just taken is for the database to say: between looking and writing there is room for two.
    fn from(error: DbError) -> Self {
        let message = match &error {
            DbError::Query(QueryError::NotFound) => return Self::Gone,
            DbError::Query(QueryError::DatabaseError(_, info)) => info.constraint_name().and_then(broken),
            _ => None,
        };
        match message {
            Some((field, text)) => Self::Fields(Messages(vec![(field, text.into())])),
            None => Self::Db(error),
        }
    }
}

/// The field, and what to tell, when a constraint is broken that no form can check beforehand.
fn broken(constraint: &str) -> Option<(&'static str, &'static str)> {
    match constraint {
        "customers_code_unique" => Some(("code", "There is a customer of that code already.")),
        "products_name_unique" => Some(("name", "There is a product of that name already.")),
        "lots_number_unique" => Some(("number", "There is a lot of that number already.")),
        "lots_product_id_fkey" => Some(("product", products::NO_PRODUCT)),
        "carriers_name_unique" => Some(("name", "There is a carrier of that name already.")),
        "trucks_number_unique" => Some(("truck_number", "This carrier has a truck of that number already.")),
        "trucks_carrier_id_fkey" => Some(("carrier", carriers::NO_CARRIER)),
        _ => None,
    }
}

/// What isn't right, by the name of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages(Vec<(&'static str, String)>);

impl Messages {
    /// Each field with its message.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, message)| (*field, message.as_str()))
    }

    /// The message beside a field, or nothing.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| *name == field).map_or("", |(_, message)| message.as_str())
    }

    pub(super) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push((field, message.into()));
    }

    /// One line of text. What is `missing` when there is none; nothing, if it may stay empty.
    pub(super) fn line(&mut self, field: &'static str, typed: &str, most: usize, missing: &'static str) -> String {
        let text = collapsed(typed);
        self.check(field, &text, most, missing);
        text
    }

    /// Several lines of text; a browser sends CR LF. Empty lines would only take room on the paper.
    pub(super) fn lines(
        &mut self,
        field: &'static str,
        typed: &str,
        most_lines: usize,
        most: usize,
        missing: &'static str,
    ) -> String {
        let lines: Vec<String> = typed.split(['\r', '\n']).map(collapsed).filter(|line| !line.is_empty()).collect();
        let text = lines.join("\n");
        if lines.len() > most_lines {
            self.add(field, format!("Use at most {most_lines} lines."));
        } else {
            self.check(field, &text, most, missing);
        }
        text
    }

    pub(super) fn check(&mut self, field: &'static str, text: &str, most: usize, missing: &'static str) {
        if text.is_empty() {
            if !missing.is_empty() {
                self.add(field, missing);
            }
        } else if text.chars().count() > most {
            self.add(field, format!("Use at most {most} characters."));
        } else if let Some(c) = unprintable(text) {
            self.add(field, unprintable_message(c));
        }
    }

    /// The id of an entry that was chosen.
    fn choice(&mut self, field: &'static str, typed: &str, otherwise: &'static str) -> Option<i64> {
        let id = typed.trim().parse::<i64>().ok();
        if id.is_none() {
            self.add(field, otherwise);
        }
        id
    }

    pub(super) fn none(self) -> Result<(), SaveError> {
        if self.0.is_empty() { Ok(()) } else { Err(SaveError::Fields(self)) }
    }
}

/// Without the white space around it, and with single spaces inside.
pub(super) fn collapsed(typed: &str) -> String {
    typed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_a_message_for_what_is_wrong() {
        let read = |typed: &str, missing| {
            let mut messages = Messages::default();
            let text = messages.line("name", typed, 12, missing);
            (text, messages.of("name").to_owned())
        };
        assert_eq!(read("  Basic\u{a0} \t pig\r\n", ""), ("Basic pig".into(), String::new()));
        assert_eq!(read(" ", "Give a name."), (String::new(), "Give a name.".into()));
        assert_eq!(read(" ", ""), (String::new(), String::new()));
        let address = Messages::default().lines("address", " 1  River Road \r\n\r\n Mobile,\tAL \n", 6, 600, "");
        assert_eq!(address, "1 River Road\nMobile, AL");
        assert_eq!(Messages::default().lines("address", " \r\n ", 6, 600, ""), "");
        assert_eq!(read("Łódź Łódź 12", "").1, "");
        assert_eq!(read("Łódź Łódź 123", "").1, "Use at most 12 characters.");
        assert_eq!(read("iron 😀", "").1, "“😀” can't be printed. Leave it out.");
        assert!(read("iron\0", "").1.contains("U+0000"));
    }
}
