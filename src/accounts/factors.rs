//! Second factors: which ones a login has, setting them up, and checking a typed code.
//!
//! Authenticator apps ([`totp`]) need no script. Passkeys ([`passkeys`]) replace the password too. Recovery codes
//! ([`recovery`]) replace a lost device, and a remembered device ([`remembered`]) is not asked again for 30 days.

pub mod code;
pub mod enrollment;
mod key;
pub mod passkeys;
pub mod recovery;
pub mod remembered;
pub mod reset;
pub mod second;
pub mod totp;
mod typed;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::schema::{passkeys as passkey_rows, recovery_codes, totp_secrets, users};

pub use key::FactorKey;

/// The second factors of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    pub has_app: bool,
    pub passkeys: i64,
    /// Unused recovery codes.
    pub recovery_codes: i64,
}

impl Factors {
    /// Whether a login with the password asks for a second factor.
    pub fn is_any(&self) -> bool {
        self.has_app || self.passkeys > 0
    }

    /// The kinds of factors, as the command line and the log name them.
    pub fn names(&self) -> Vec<&'static str> {
        [("otp", self.has_app), ("passkey", self.passkeys > 0)]
            .into_iter()
            .filter_map(|(name, is_there)| is_there.then_some(name))
            .collect()
    }

    /// Returns the factors of every login that has any.
    pub async fn of_all(connection: &mut AsyncPgConnection) -> QueryResult<HashMap<i64, Self>> {
        let apps: Vec<i64> = totp_secrets::table
            .filter(totp_secrets::is_confirmed)
            .select(totp_secrets::user_id)
            .load(connection)
            .await?;
        let unused: Vec<(i64, i64)> = recovery_codes::table
            .filter(recovery_codes::used_at.is_null())
            .group_by(recovery_codes::user_id)
            .select((recovery_codes::user_id, count_star()))
            .load(connection)
            .await?;
        let passkeys: Vec<(i64, i64)> = passkey_rows::table
            .group_by(passkey_rows::user_id)
            .select((passkey_rows::user_id, count_star()))
            .load(connection)
            .await?;
        let mut all: HashMap<i64, Self> = HashMap::new();
        for user_id in apps {
            all.entry(user_id).or_default().has_app = true;
        }
        for (user_id, count) in passkeys {
            all.entry(user_id).or_default().passkeys = count;
        }
        for (user_id, left) in unused {
            all.entry(user_id).or_default().recovery_codes = left;
        }
        Ok(all)
    }

    /// "Authenticator app, 2 passkeys, 8 recovery codes left"
    pub fn summary(&self) -> String {
        let count = |count: i64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let mut parts = Vec::new();
        if self.has_app {
            parts.push("Authenticator app".to_owned());
        }
        if self.passkeys > 0 {
            parts.push(count(self.passkeys, "passkey"));
        }
        if parts.is_empty() {
            return "None".into();
        }
        parts.push(format!("{} left", count(self.recovery_codes, "recovery code")));
        parts.join(", ")
    }

    pub async fn of(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<Self> {
        let app = totp_secrets::table.find((user_id, true));
        let passkeys = passkey_rows::table.filter(passkey_rows::user_id.eq(user_id)).count().single_value();
        let unused = recovery_codes::table
            .filter(recovery_codes::user_id.eq(user_id))
            .filter(recovery_codes::used_at.is_null())
            .count()
            .single_value();
        let (has_app, passkeys, recovery_codes): (bool, Option<i64>, Option<i64>) =
            diesel::select((exists(app), passkeys, unused)).get_result(connection).await?;
        Ok(Self { has_app, passkeys: passkeys.unwrap_or(0), recovery_codes: recovery_codes.unwrap_or(0) })
    }
}

/// A login that had a factor gets no further time without one.
async fn make_due(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user_id: i64) -> QueryResult<usize> {
    diesel::update(users::table.find(user_id)).set(users::factor_due_at.eq(now)).execute(connection).await
}

/// After a factor was removed. Recovery codes replace a factor, so they go with the last one.
async fn settle(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user_id: i64) -> QueryResult<()> {
    if !Factors::of(connection, user_id).await?.is_any() {
        recovery::remove(connection, user_id).await?;
        make_due(connection, now, user_id).await?;
    }
    Ok(())
}

/// Notes that a login has a factor.
async fn fulfill(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    let none = users::factor_due_at.eq(None::<DateTime<Utc>>);
    diesel::update(users::table.find(user_id)).set(none).execute(connection).await
}
