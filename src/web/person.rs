//! What the pages about logins share: a row of a table, and what becomes of a refused change.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Error;
use super::page::timestamp;
use crate::accounts::directory::Person;
use crate::accounts::people::PeopleError;

/// A login in a table.
pub struct PersonRow {
    pub id: i64,
    pub email: String,
    pub name: String,
    pub role_label: &'static str,
    pub companies: String,
    pub state: &'static str,
    /// More about the state.
    pub detail: String,
    pub active: bool,
    pub activated: bool,
    pub is_admin: bool,
}

impl PersonRow {
    pub fn new(person: Person, now: DateTime<Utc>, zone: Tz) -> Self {
        let invited = person.invited_until.map(|until| (until > now, timestamp(until, zone).text));
        let (state, detail) = match (person.active, person.activated, invited) {
            (false, ..) => ("Disabled", String::new()),
            (true, true, _) => ("Active", String::new()),
            _ if !person.mail_error.is_empty() => {
                ("Invitation not delivered", format!("The mail server says: {}", person.mail_error))
            }
            (true, false, Some((true, until))) => ("Invited", format!("The link works until {until}")),
            (true, false, Some((false, since))) => ("Invitation expired", format!("On {since}")),
            (true, false, None) => ("Not invited", "No link to set a password has been made".into()),
        };
        Self {
            id: person.id,
            role_label: person.role_label(),
            email: person.email,
            name: person.name,
            companies: person.companies,
            state,
            detail,
            active: person.active,
            activated: person.activated,
            is_admin: person.is_admin,
        }
    }
}

/// Separates refusals, with which the form is shown again, from errors of the whole page.
pub fn refusal(error: PeopleError) -> Result<PeopleError, Error> {
    match error {
        PeopleError::NotFound => Err(Error::NotFound),
        PeopleError::Db(error) => Err(error.into()),
        refusal => Ok(refusal),
    }
}
