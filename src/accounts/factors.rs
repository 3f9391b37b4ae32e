//! Second factors: which ones a login has, setting them up, and checking a typed code.
//!
//! Authenticator apps ([`totp`]) need no script. Recovery codes ([`recovery`]) replace a lost device, and a remembered
//! device ([`remembered`]) is not asked again for 30 days.

pub mod code;
pub mod enrollment;
mod key;
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

use crate::db::schema::{recovery_codes, totp_secrets, users};

pub use key::FactorKey;

/// The second factors of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    pub has_app: bool,
    /// Unused recovery codes.
    pub recovery_codes: i64,
}

impl Factors {
    /// Whether a login with the password asks for a second factor.
    pub fn is_any(&self) -> bool {
        self.has_app
    }

    /// The kinds of factors, as the command line and the log name them.
    pub fn names(&self) -> Vec<&'static str> {
        if self.has_app { vec!["otp"] } else { Vec::new() }
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
        let mut all: HashMap<i64, Self> = HashMap::new();
        for user_id in apps {
            all.entry(user_id).or_default().has_app = true;
        }
        for (user_id, left) in unused {
            all.entry(user_id).or_default().recovery_codes = left;
        }
        Ok(all)
    }

    /// "Authenticator app, 8 recovery codes left"
    pub fn summary(&self) -> String {
        match (self.has_app, self.recovery_codes) {
            (false, _) => "None".into(),
            (true, 1) => "Authenticator app, 1 recovery code left".into(),
            (true, left) => format!("Authenticator app, {left} recovery codes left"),
        }
    }

    pub async fn of(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<Self> {
        let app = totp_secrets::table.find((user_id, true));
        let unused = recovery_codes::table
            .filter(recovery_codes::user_id.eq(user_id))
            .filter(recovery_codes::used_at.is_null())
            .count()
            .single_value();
        let (has_app, recovery_codes): (bool, Option<i64>) =
            diesel::select((exists(app), unused)).get_result(connection).await?;
        Ok(Self { has_app, recovery_codes: recovery_codes.unwrap_or(0) })
    }
}

/// A login that had a factor gets no further time without one.
async fn make_due(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user_id: i64) -> QueryResult<usize> {
    diesel::update(users::table.find(user_id)).set(users::factor_due_at.eq(now)).execute(connection).await
}

/// Notes that a login has a factor.
async fn fulfill(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    let none = users::factor_due_at.eq(None::<DateTime<Utc>>);
    diesel::update(users::table.find(user_id)).set(none).execute(connection).await
}
