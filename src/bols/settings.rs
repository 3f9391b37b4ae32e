//! What the office sets: the terminal as the next BOL prints it, reminder thresholds, and the security contact.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::field_reader::FieldReader;
use super::lists::SaveError;
use crate::accounts::ActingUser;
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbResult;
use crate::db::schema::settings;
use crate::field_errors::FieldErrors;
use crate::mail;

/// Empty until the office has filled it in. Also what the form of the settings sends.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize, serde::Deserialize,
)]
#[diesel(table_name = settings, check_for_backend(diesel::pg::Pg))]
#[serde(default)]
pub struct Company {
    pub company_name: String,
    /// Street and city, a line each.
    pub company_address: String,
    pub company_phone: String,
    pub company_email: String,
}

/// After how many days the dashboard asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize)]
#[diesel(table_name = settings, check_for_backend(diesel::pg::Pg))]
pub struct ReminderThresholds {
    /// Days until a BOL should have its signed copy.
    pub unsigned_days: i32,
    /// Days within which the customer should fetch a BOL.
    pub collect_days: i32,
}

/// As typed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ReminderThresholdsForm {
    pub unsigned_days: String,
    pub collect_days: String,
}

/// Where to report a weakness of the portal. Also what its form sends.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize, serde::Deserialize,
)]
#[diesel(table_name = settings, check_for_backend(diesel::pg::Pg))]
#[serde(default)]
pub struct SecurityContact {
    /// An email address or an https URL; empty for the company's email address.
    pub security_contact: String,
}

impl SecurityContact {
    fn read(typed: &Self) -> Result<Self, FieldErrors> {
        let text = typed.security_contact.trim();
        let is_url = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        if text.is_empty() || is_url && text.len() <= 254 && text.is_ascii() || mail::is_address(text) {
            return Ok(Self { security_contact: text.into() });
        }
        let message = "Enter an email address, or the address of a page that begins with https://.";
        Err(FieldErrors::one("security_contact", message))
    }
}

impl ReminderThresholds {
    pub const MAX_DAYS: i32 = 60;

    fn read(typed: &ReminderThresholdsForm) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut days = |field, typed: &str| {
            let days = typed.trim().parse().ok().filter(|days| (1..=Self::MAX_DAYS).contains(days));
            if days.is_none() {
                errors.add(field, format!("Enter a whole number of days from 1 to {}.", Self::MAX_DAYS));
            }
            days.unwrap_or_default()
        };
        let read = Self {
            unsigned_days: days("unsigned_days", &typed.unsigned_days),
            collect_days: days("collect_days", &typed.collect_days),
        };
        errors.or(read)
    }
}

impl Company {
    fn read(typed: &Self) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let read = Self {
            company_name: reader.line("company_name", &typed.company_name, 200, Some("Enter the name of the company.")),
            company_address: reader.address(
                "company_address",
                &typed.company_address,
                Some("Enter the street and city."),
            ),
            company_phone: reader.line("company_phone", &typed.company_phone, 60, None),
            company_email: reader.line("company_email", &typed.company_email, 254, None),
        };
        reader.finish(read)
    }
}

/// Whether the office may file quarantined documents as they are.
pub async fn releases_originals(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    settings::table.select(settings::releases_originals).first(connection).await
}

pub async fn save_releases_originals(user: &ActingUser<'_>, after: bool) -> DbResult<()> {
    let saved = user.db.transaction(async |connection: &mut AsyncPgConnection| {
        let query = settings::table.select(settings::releases_originals).for_update();
        let before: bool = query.first(connection).await?;
        if before == after {
            return Ok(());
        }
        diesel::update(settings::table).set(settings::releases_originals.eq(after)).execute(connection).await?;
        let state = |is_allowed: bool| serde_json::json!({"releases_originals": is_allowed});
        let detail = serde_json::json!({"before": state(before), "after": state(after)});
        let event = Event::new(Action::SettingsChanged, Outcome::Success, user.actor(), user.origin).detail(detail);
        Ok(audit::record(connection, &event).await?)
    });
    saved.await
}

/// Saves a part of the settings, and records what it was before. Does nothing if nothing changes.
macro_rules! save_part {
    ($user:ident, $after:ident, $part:ty) => {{
        let saved = $user.db.transaction(async |connection: &mut AsyncPgConnection| {
            let before: $part = settings::table.select(<$part>::as_select()).for_update().first(connection).await?;
            if before == $after {
                return Ok(());
            }
            diesel::update(settings::table).set(&$after).execute(connection).await?;
            let detail = serde_json::json!({"before": before, "after": $after});
            let event = Event::new(Action::SettingsChanged, Outcome::Success, $user.actor(), $user.origin);
            Ok(audit::record(connection, &event.detail(detail)).await?)
        });
        saved.await
    }};
}

pub async fn company(connection: &mut AsyncPgConnection) -> QueryResult<Company> {
    settings::table.select(Company::as_select()).first(connection).await
}

pub async fn save(user: &ActingUser<'_>, typed: &Company) -> Result<(), SaveError> {
    let after = Company::read(typed)?;
    save_part!(user, after, Company)
}

/// Returns where to report a weakness: what the settings say, or the company's email address.
pub async fn security_contact(connection: &mut AsyncPgConnection) -> QueryResult<Option<String>> {
    let both = settings::table.select((settings::security_contact, settings::company_email));
    let (contact, email): (String, String) = both.first(connection).await?;
    Ok([contact, email].into_iter().find(|contact| !contact.is_empty()))
}

pub async fn typed_security_contact(connection: &mut AsyncPgConnection) -> QueryResult<SecurityContact> {
    settings::table.select(SecurityContact::as_select()).first(connection).await
}

pub async fn save_security_contact(user: &ActingUser<'_>, typed: &SecurityContact) -> Result<(), SaveError> {
    let after = SecurityContact::read(typed)?;
    save_part!(user, after, SecurityContact)
}

pub async fn reminder_thresholds(connection: &mut AsyncPgConnection) -> QueryResult<ReminderThresholds> {
    settings::table.select(ReminderThresholds::as_select()).first(connection).await
}

pub async fn save_reminder_thresholds(user: &ActingUser<'_>, typed: &ReminderThresholdsForm) -> Result<(), SaveError> {
    let after = ReminderThresholds::read(typed)?;
    save_part!(user, after, ReminderThresholds)
}
