//! The terminal itself, as the next BOL prints it: name, address, telephone and e-mail.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::lists::{Clerk, Messages, SaveError, collapsed};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::schema::settings;

const MOST_LINES: usize = 6;

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

impl Company {
    fn read(typed: &Self) -> Result<Self, SaveError> {
        let mut messages = Messages::default();
        let company_name = messages.line("company_name", &typed.company_name, 200, "Give the name of the company.");
        let lines = lines(&typed.company_address);
        let company_address = lines.join("\n");
        if lines.len() > MOST_LINES {
            messages.add("company_address", format!("Use at most {MOST_LINES} lines."));
        } else {
            messages.check("company_address", &company_address, 600, "Give the address: street and city.");
        }
        let company_phone = messages.line("company_phone", &typed.company_phone, 60, "");
        let company_email = messages.line("company_email", &typed.company_email, 254, "");
        messages.none().map(|()| Self { company_name, company_address, company_phone, company_email })
    }
}

/// A browser sends CR LF. Empty lines would only take room on the paper.
fn lines(typed: &str) -> Vec<String> {
    typed.split(['\r', '\n']).map(collapsed).filter(|line| !line.is_empty()).collect()
}

pub async fn company(connection: &mut AsyncPgConnection) -> QueryResult<Company> {
    settings::table.select(Company::as_select()).first(connection).await
}

pub async fn save(clerk: &Clerk<'_>, typed: &Company) -> Result<(), SaveError> {
    let after = Company::read(typed)?;
    let saved = clerk.db.transaction(async |connection: &mut AsyncPgConnection| {
        let before: Company = settings::table.select(Company::as_select()).for_update().first(connection).await?;
        if before == after {
            return Ok(());
        }
        diesel::update(settings::table).set(&after).execute(connection).await?;
        let detail = serde_json::json!({"before": before, "after": after});
        let event = Event::new(Action::SettingsChanged, Outcome::Success, clerk.actor, clerk.origin).detail(detail);
        audit::record(connection, &event).await
    });
    saved.await.map_err(SaveError::from)
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn an_address_is_its_lines() {
        assert_eq!(lines(" 1  River Road \r\n\r\n Mobile,\tAL \n"), ["1 River Road", "Mobile, AL"]);
        assert!(lines(" \r\n ").is_empty());
    }
}
