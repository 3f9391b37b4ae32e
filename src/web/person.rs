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
    pub state: LoginState,
    pub active: bool,
    pub activated: bool,
    pub is_admin: bool,
    pub is_service: bool,
}

/// What the table says about a login.
pub enum LoginState {
    Active,
    Disabled,
    /// It has tokens, and can't log in.
    Service,
    /// The link works until then.
    Invited(String),
    /// The link stopped working then.
    Expired(String),
    /// The mail server's reply.
    Undelivered(String),
    NotInvited,
}

impl LoginState {
    fn new(person: &Person, now: DateTime<Utc>, zone: Tz) -> Self {
        match person.invited_until {
            _ if !person.active => Self::Disabled,
            _ if person.is_service => Self::Service,
            _ if person.activated => Self::Active,
            _ if !person.mail_error.is_empty() => Self::Undelivered(person.mail_error.clone()),
            Some(until) if until > now => Self::Invited(timestamp(until, zone).text),
            Some(until) => Self::Expired(timestamp(until, zone).text),
            None => Self::NotInvited,
        }
    }

    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }

    pub fn is_undelivered(&self) -> bool {
        matches!(self, Self::Undelivered(_))
    }

    pub fn label(&self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Service => "Service account",
            Self::Invited(_) => "Invited",
            Self::Expired(_) => "Invitation expired",
            Self::Undelivered(_) => "Invitation not delivered",
            Self::NotInvited => "Not invited",
        }
    }

    /// More about the state.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Active | Self::Disabled | Self::Service => None,
            Self::Invited(until) => Some(format!("The link works until {until}")),
            Self::Expired(since) => Some(format!("On {since}")),
            Self::Undelivered(answer) => Some(format!("The mail server says: {answer}")),
            Self::NotInvited => Some("No link to set a password has been made".into()),
        }
    }
}

impl PersonRow {
    pub fn new(person: Person, now: DateTime<Utc>, zone: Tz) -> Self {
        Self {
            id: person.id,
            state: LoginState::new(&person, now, zone),
            role_label: person.role_label(),
            email: person.email,
            name: person.name,
            companies: person.companies,
            active: person.active,
            activated: person.activated,
            is_admin: person.is_admin,
            is_service: person.is_service,
        }
    }
}

/// The error of a change without a form that could be shown again.
pub fn error(error: PeopleError) -> Error {
    refusal(error).map_or_else(|error| error, |refused| Error::Invalid(refused.to_string()))
}

/// Separates refusals, with which the form is shown again, from errors of the whole page.
pub fn refusal(error: PeopleError) -> Result<PeopleError, Error> {
    match error {
        PeopleError::NotFound => Err(Error::NotFound),
        PeopleError::Db(error) => Err(error.into()),
        refusal => Ok(refusal),
    }
}
