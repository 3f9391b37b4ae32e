//! Makes and revokes tokens.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use serde_json::json;

use super::company::company_of_service;
use super::{ApiToken, TokenOwner, TokenScope, revoke};
use crate::accounts::ActingUser;
use crate::accounts::factors::passkeys::clean_name;
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbError;
use crate::db::schema::api_tokens;
use crate::field_errors::FieldErrors;
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// The life of a token that the form proposes.
pub const DEFAULT_DAYS: i64 = 90;
const MAX_DAYS: i64 = 365;
/// Tokens of one user that work at the same time.
const MAX_TOKENS: i64 = 20;
const MAX_NETWORKS: usize = 20;
const MAX_FORM_KEY_BYTES: usize = 64;

/// A token as typed.
#[derive(Clone, Debug, Default)]
pub struct NewToken<'a> {
    /// Of the form, so that sending it twice makes one token.
    pub form_key: &'a str,
    pub name: &'a str,
    pub scopes: Vec<&'a str>,
    pub days: &'a str,
    /// One network a line.
    pub networks: &'a str,
}

/// A token that was just made. Its text is shown once.
pub struct MadeToken {
    pub secret: ApiToken,
    pub name: String,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenChangeError {
    #[error("no such user or token, or it is not in the user's charge")]
    NotFound,
    #[error("some fields are invalid")]
    Fields(FieldErrors),
    #[error("{0}")]
    Refused(String),
    /// The form was sent before. The token that it made is not shown again.
    #[error("this form has made its token already")]
    MadeBefore,
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(TokenChangeError);

/// What was typed, once it is right.
struct Read {
    name: String,
    scopes: Vec<TokenScope>,
    life: TimeDelta,
    networks: Vec<IpNet>,
}

impl NewToken<'_> {
    fn read(&self, owner: &TokenOwner) -> Result<Read, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = clean_name(self.name).unwrap_or_default();
        if name.is_empty() {
            errors.add("name", "Type a name of up to 100 characters, such as the system that uses the token.");
        }
        let scopes: Vec<TokenScope> = owner.scopes().filter(|scope| self.scopes.contains(&scope.as_str())).collect();
        if scopes.is_empty() || scopes.len() != self.scopes.len() {
            errors.add("scope", "Tick what the token may do.");
        }
        let days = self.days.trim().parse().ok().filter(|days| (1..=MAX_DAYS).contains(days));
        if days.is_none() {
            errors.add("days", format!("Type a number of days from 1 to {MAX_DAYS}."));
        }
        let networks = read_networks(self.networks).unwrap_or_else(|why| {
            errors.add("networks", why);
            Vec::new()
        });
        errors.or(Read { name, scopes, life: TimeDelta::days(days.unwrap_or_default()), networks })
    }
}

/// Reads addresses and networks, separated by white space or commas.
fn read_networks(typed: &str) -> Result<Vec<IpNet>, String> {
    let words = typed.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let networks: Result<Vec<IpNet>, String> = words
        .map(|word| {
            let network =
                word.parse::<IpNet>().or_else(|_| word.parse().map(|address: std::net::IpAddr| address.into()));
            match network {
                Ok(network) if network.trunc() == network => Ok(network),
                Ok(network) => {
                    Err(format!("{word} is an address within {}. Type the one or the other.", network.trunc()))
                }
                Err(_) => {
                    Err(format!("{word} is no network. Type one such as 203.0.113.0/24 or 2001:db8::/32 on each line."))
                }
            }
        })
        .collect();
    let networks = networks?;
    if networks.len() > MAX_NETWORKS { Err(format!("Type at most {MAX_NETWORKS} networks.")) } else { Ok(networks) }
}

impl ActingUser<'_> {
    /// Makes a token of this owner, records that, and tells the owner by email.
    pub async fn make_token(&self, owner: i64, new: &NewToken<'_>) -> Result<MadeToken, TokenChangeError> {
        let now = self.clock.now();
        if new.form_key.is_empty() || new.form_key.len() > MAX_FORM_KEY_BYTES {
            return Err(TokenChangeError::Refused("Open the page again, then make the token.".into()));
        }
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let owner = TokenOwner::lock(connection, self.viewer, owner).await?;
                let owner = owner.ok_or(TokenChangeError::NotFound)?;
                let theirs = || api_tokens::table.filter(api_tokens::user_id.eq(owner.id));
                let same = theirs().filter(api_tokens::form_key.eq(new.form_key));
                if diesel::select(diesel::dsl::exists(same)).get_result(connection).await? {
                    return Err(TokenChangeError::MadeBefore);
                }
                if !owner.active {
                    return Err(TokenChangeError::Refused("This account is disabled. Enable it first.".into()));
                }
                let read = new.read(&owner).map_err(TokenChangeError::Fields)?;
                let working = theirs().filter(api_tokens::revoked_at.is_null()).filter(api_tokens::expires_at.gt(now));
                if working.count().get_result::<i64>(connection).await? >= MAX_TOKENS {
                    let why = format!("There are {MAX_TOKENS} tokens already. Revoke one that is not used.");
                    return Err(TokenChangeError::Refused(why));
                }
                Ok(self.insert(connection, now, (&owner, new.form_key), read).await?)
            })
            .await
    }

    async fn insert(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        (owner, form_key): (&TokenOwner, &str),
        Read { name, scopes, life, networks }: Read,
    ) -> QueryResult<MadeToken> {
        let (secret, expires_at) = (ApiToken::generate()?, now + life);
        let scopes: Vec<&str> = scopes.into_iter().map(TokenScope::as_str).collect();
        let row = (
            api_tokens::user_id.eq(owner.id),
            api_tokens::made_by.eq(self.viewer.user_id),
            api_tokens::form_key.eq(form_key),
            api_tokens::name.eq(&name),
            api_tokens::scopes.eq(&scopes),
            api_tokens::token_hash.eq(secret.hash()),
            api_tokens::networks.eq(&networks),
            api_tokens::created_at.eq(now),
            api_tokens::expires_at.eq(expires_at),
        );
        let id: i64 =
            diesel::insert_into(api_tokens::table).values(row).returning(api_tokens::id).get_result(connection).await?;
        let company = company_of_service(connection, owner.id).await?;
        let event = Event::new(Action::TokenCreated, Outcome::Success, self.actor(), self.origin);
        let event = event.with_company(company.as_ref());
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        let detail = json!({"token": {"id": id, "name": name}, "owner": owner.email, "scopes": scopes, "networks": networks,
                            "expires_at": expires_at});
        audit::record(connection, &event.detail(detail)).await?;
        if !owner.is_service {
            let notice = SecurityNotice::TokenMade { token: name.clone() };
            let template = EmailTemplate::security(notice, &owner.name);
            outbox::post(connection, now, To::new(&owner.email, Some(owner.id)), &template).await?;
        }
        Ok(MadeToken { secret, name, expires_at })
    }

    /// Revokes a token of this owner at once, and records that. Does nothing to one that is revoked already.
    pub async fn revoke_token(&self, owner: i64, id: i64) -> Result<(), TokenChangeError> {
        let now = self.clock.now();
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let owner = TokenOwner::lock(connection, self.viewer, owner).await?;
                let owner = owner.ok_or(TokenChangeError::NotFound)?;
                let theirs = api_tokens::table.find(id).filter(api_tokens::user_id.eq(owner.id));
                if !diesel::select(diesel::dsl::exists(theirs)).get_result::<bool>(connection).await? {
                    return Err(TokenChangeError::NotFound);
                }
                revoke(connection, now, id, (self.actor(), self.origin)).await?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::read_networks;

    #[test]
    fn networks_are_read_with_a_message_for_each_mistake() {
        let read =
            |typed: &str| read_networks(typed).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(" \n"), Ok(Vec::new()));
        assert_eq!(
            read("203.0.113.0/24, 198.51.100.7\n2001:db8::/32 ::1"),
            Ok(["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32", "::1/128"].map(String::from).to_vec())
        );
        for (typed, part) in [
            ("203.0.113.5/24", "within 203.0.113.0/24"),
            ("203.0.113.0/33", "no network"),
            ("office", "no network"),
            (&"10.0.0.1 ".repeat(21), "at most 20"),
        ] {
            let why = read(typed).expect_err(typed);
            assert!(why.contains(part), "{typed}: {why}");
        }
    }
}
