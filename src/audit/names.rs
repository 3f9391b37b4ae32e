//! The users, customers and BOLs that a part of a name means. The search then compares whole names, which indexes serve
//! however large the log is.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::event::Actor;
use super::search::Filter;
use crate::db::fragment;
use crate::field_errors::FieldErrors;

/// A part that more names have is refused: a list of them would no longer be a narrow search.
const MAX_NAMES: usize = 500;
/// The newest refusals and failures whose names are searched too. They name users and BOLs that don't exist.
const MAX_REFUSALS: i64 = 2_000;
/// Suggestions for a field.
pub const MAX_SUGGESTIONS: i64 = 500;

/// What parts of names were found to mean. A list is empty if nothing was typed, a whole name was typed, or no name has
/// the part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundNames {
    pub users: Vec<String>,
    pub customers: Vec<String>,
    pub numbers: Vec<String>,
}

/// A name that a field suggests, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Suggestion {
    #[diesel(sql_type = Text)]
    pub value: String,
    #[diesel(sql_type = Text)]
    pub label: String,
}

/// Users and customers that the fields of the log suggest, at most [`MAX_SUGGESTIONS`] each.
pub struct Suggestions {
    pub users: Vec<Suggestion>,
    pub customers: Vec<Suggestion>,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Replaces parts of names in a filter by the names that have them. A whole email address, the code of a customer and a
/// whole BOL number mean only themselves.
pub async fn resolve(
    connection: &mut AsyncPgConnection,
    filter: &mut Filter,
) -> QueryResult<Result<FoundNames, FieldErrors>> {
    let (mut found, mut errors) = (FoundNames::default(), FieldErrors::default());
    let days = (filter.from, filter.until);
    for (field, names, found) in [
        (Field::User, &mut filter.users, &mut found.users),
        (Field::Customer, &mut filter.customers, &mut found.customers),
        (Field::Number, &mut filter.numbers, &mut found.numbers),
    ] {
        let [typed] = names.as_slice() else { continue };
        if field.is_whole(typed) {
            continue;
        }
        let mut having = field.find(connection, typed).await?;
        if having.len() > MAX_NAMES {
            let message =
                format!("More than {MAX_NAMES} {} have this in their name. Enter more of it.", field.plural());
            errors.add(field.name(), message);
            continue;
        }
        if field == Field::Customer && having.contains(typed) {
            continue;
        }
        having.extend(field.find_refused(connection, typed, days).await?);
        having.sort_unstable();
        having.dedup();
        *found = having.clone();
        having.retain(|name| name != typed);
        names.append(&mut having);
    }
    Ok(errors.or(found))
}

/// Returns the users and customers to suggest.
pub async fn suggest(connection: &mut AsyncPgConnection) -> QueryResult<Suggestions> {
    let query = |sql: &str| diesel::sql_query(sql).bind::<BigInt, _>(MAX_SUGGESTIONS);
    let users = query("SELECT email AS value, name AS label FROM users ORDER BY lower(name), id LIMIT $1");
    let customers = query("SELECT code AS value, name AS label FROM customers ORDER BY lower(name), id LIMIT $1");
    Ok(Suggestions { users: users.load(connection).await?, customers: customers.load(connection).await? })
}

/// A field of the filter that takes parts of names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    User,
    Customer,
    Number,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Customer => "customer",
            Self::Number => "number",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Customer => "customers",
            Self::Number => "BOLs",
        }
    }

    /// Whether the text can only be a whole name.
    fn is_whole(self, text: &str) -> bool {
        match self {
            Self::User => {
                let is_address = |(local, domain): (&str, &str)| !local.is_empty() && domain.contains('.');
                [Actor::COMMAND_LINE.email, Actor::PORTAL.email].contains(&text)
                    || text.split_once('@').is_some_and(is_address)
            }
            Self::Customer => false,
            Self::Number => is_whole_number(text),
        }
    }

    /// Finds the names that have every word of the text, and at most one more than [`MAX_NAMES`].
    async fn find(self, connection: &mut AsyncPgConnection, text: &str) -> QueryResult<Vec<String>> {
        let sql = match self {
            Self::User => {
                "SELECT lower(email) AS name FROM users WHERE email || ' ' || name ILIKE ALL ($1) AND $3 <> '' LIMIT $2"
            }
            // A code means its customer alone, so it is the first.
            Self::Customer => {
                "SELECT code AS name FROM customers WHERE code || ' ' || name ILIKE ALL ($1) ORDER BY code <> $3 LIMIT $2"
            }
            // The index on the search text finds the BOLs. It can't serve ALL.
            Self::Number => {
                "SELECT number AS name FROM bols WHERE search_text LIKE $3 AND number ILIKE ALL ($1) LIMIT $2"
            }
        };
        let names: Vec<Name> = diesel::sql_query(sql)
            .bind::<Array<Text>, _>(patterns(text))
            .bind::<BigInt, _>(MAX_NAMES as i64 + 1)
            .bind::<Text, _>(if self == Self::Number { fragment(&text.to_lowercase()) } else { text.to_owned() })
            .load(connection)
            .await?;
        Ok(names.into_iter().map(|row| row.name).collect())
    }

    /// Finds names in the newest refusals and failures of these days: what a login that failed typed, and numbers that
    /// don't exist.
    async fn find_refused(
        self,
        connection: &mut AsyncPgConnection,
        text: &str,
        (from, until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    ) -> QueryResult<Vec<String>> {
        let column = match self {
            Self::User => "user_email",
            Self::Customer => return Ok(Vec::new()),
            Self::Number => "bol_number",
        };
        // Worded like the condition of the index.
        let of_outcome = |outcome: &str| {
            format!(
                "(SELECT {column} AS name FROM audit_events WHERE outcome = '{outcome}' AND outcome <> 'success' \
                 AND occurred_at >= coalesce($3, '-infinity') AND occurred_at < coalesce($4, 'infinity') \
                 ORDER BY occurred_at DESC, id DESC LIMIT $5)"
            )
        };
        let name = if self == Self::User { "lower(name)" } else { "name" };
        let (denied, failed) = (of_outcome("denied"), of_outcome("failed"));
        let names: Vec<Name> = diesel::sql_query(format!(
            "SELECT DISTINCT {name} AS name FROM ({denied} UNION ALL {failed}) refused WHERE name ILIKE ALL ($1) LIMIT $2"
        ))
        .bind::<Array<Text>, _>(patterns(text))
        .bind::<BigInt, _>(MAX_NAMES as i64)
        .bind::<Nullable<Timestamptz>, _>(from)
        .bind::<Nullable<Timestamptz>, _>(until)
        .bind::<BigInt, _>(MAX_REFUSALS)
        .load(connection)
        .await?;
        Ok(names.into_iter().map(|row| row.name).collect())
    }
}

/// A pattern for each word, in lower case.
fn patterns(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(fragment).collect()
}

/// Whether the text has the form of a BOL number: a prefix, a year, and at least four digits.
fn is_whole_number(text: &str) -> bool {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.rsplitn(3, '-');
    let (Some(running), Some(year), Some(prefix)) = (parts.next(), parts.next(), parts.next()) else { return false };
    running.len() >= 4 && is_digits(running) && year.len() == 4 && is_digits(year) && !prefix.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_told_from_parts() {
        for whole in ["jo@acme.example", "command line", "portal"] {
            assert!(Field::User.is_whole(whole), "{whole}");
        }
        for part in ["jo", "@acme.example", "jo@acme", "acme.example", "portal.jo"] {
            assert!(!Field::User.is_whole(part), "{part}");
        }
        for whole in ["PRT-2025-0001", "PRT-2025-12345", "A-B-2025-0001"] {
            assert!(Field::Number.is_whole(whole), "{whole}");
        }
        for part in ["0001", "2025-0001", "PRT-2025-", "PRT-2025-001", "PRT-25-0001", "-2025-0001"] {
            assert!(!Field::Number.is_whole(part), "{part}");
        }
        assert_eq!(patterns("Miami  50%"), ["%miami%", "%50\\%%"]);
    }
}
