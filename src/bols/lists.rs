//! The lists that the office chooses from when it issues a BOL: customers and their addresses, products and lots,
//! carriers and trucks.
//!
//! A BOL copies what it prints, so a change here never changes an issued BOL. Entries are retired instead of deleted, and
//! a retired one can be offered again. This file has what the lists have in common: adding and changing an entry, reading
//! typed text, and the errors.

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

/// Entries of each list that a page shows.
pub const MAX_LISTED: usize = 500;
const ONE_MORE: i64 = MAX_LISTED as i64 + 1;

/// The beginning of a list, or all of it.
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub more: bool,
}

impl<T> Listed<T> {
    fn new(mut rows: Vec<T>) -> Self {
        let more = rows.len() > MAX_LISTED;
        rows.truncate(MAX_LISTED);
        Self { rows, more }
    }
}

/// Which part of a long list to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListFilter<'a> {
    /// A fragment of what the row shows. An empty one matches every row.
    pub fragment: &'a str,
    /// The id of the entry to show first, because its form is shown again.
    pub first: Option<i64>,
}

impl ListFilter<'_> {
    fn pattern(&self) -> String {
        fragment(self.fragment)
    }
}

/// An entry of a list that can be added and changed. Nothing is deleted.
pub(crate) trait Entry: Sized + PartialEq + serde::Serialize {
    /// The name of the list in the audit log.
    const LIST: &'static str;

    /// Inserts the entry and returns its id.
    async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64>;

    /// Returns the entry of this id, locked until the transaction ends.
    async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self>;

    async fn update(&self, connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()>;
}

/// Implements [`Entry`] for a row of a table.
macro_rules! entry {
    ($entry:ty, $table:ident) => {
        impl $crate::bols::lists::Entry for $entry {
            const LIST: &'static str = stringify!($table);

            async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
                diesel::insert_into($table::table).values(self).returning($table::id).get_result(connection).await
            }

            async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self> {
                $table::table.find(id).select(Self::as_select()).for_update().first(connection).await
            }

            async fn update(&self, connection: &mut AsyncPgConnection, id: i64) -> QueryResult<()> {
                diesel::update($table::table.find(id)).set(self).execute(connection).await.map(drop)
            }
        }
    };
}
use entry;

/// Adds an entry, if what was typed is right, and records it.
pub(crate) async fn add_entry<E: Entry>(user: &ActingUser<'_>, entry: Result<E, SaveError>) -> Result<(), SaveError> {
    let entry = entry?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let id = entry.insert(connection).await?;
            Ok(record(user, connection, id, (None, &entry)).await?)
        })
        .await
}

/// Changes an entry and records how it was before. Saving it unchanged records nothing.
pub(crate) async fn change_entry<E: Entry>(
    user: &ActingUser<'_>,
    id: i64,
    after: Result<E, SaveError>,
) -> Result<(), SaveError> {
    let after = after?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let before = E::lock(connection, id).await?;
            if before == after {
                return Ok(());
            }
            after.update(connection, id).await?;
            Ok(record(user, connection, id, (Some(&before), &after)).await?)
        })
        .await
}

async fn record<E: Entry>(
    user: &ActingUser<'_>,
    connection: &mut AsyncPgConnection,
    id: i64,
    (before, after): (Option<&E>, &E),
) -> QueryResult<()> {
    let detail = serde_json::json!({"list": E::LIST, "id": id, "before": before, "after": after});
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
    /// Turns a broken constraint into a message beside its field. Only the database can tell that another request has just
    /// taken a name.
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

/// Returns the field and the message for a constraint that no form can check beforehand.
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

/// Messages by the name of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages(Vec<(&'static str, String)>);

impl Messages {
    /// Returns each field with its message.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, message)| (*field, message.as_str()))
    }

    /// Returns the message beside a field, or an empty text.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| *name == field).map_or("", |(_, message)| message.as_str())
    }

    pub(super) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push((field, message.into()));
    }

    /// Reads one line of text. `missing` is the message for an empty one; an empty message allows it.
    pub(super) fn line(&mut self, field: &'static str, typed: &str, most: usize, missing: &'static str) -> String {
        let text = collapsed(typed);
        self.check(field, &text, most, missing);
        text
    }

    /// Reads several lines of text, without empty lines: they would only take room on the paper.
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

    /// Reads the id of a chosen entry.
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

/// Returns the text with single spaces between its words.
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
