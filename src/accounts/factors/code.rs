//! Checks a typed code: of the authenticator app, or a recovery code.
//!
//! Attempts are counted like passwords ([`crate::accounts::throttle`]), and each failure is recorded.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::typed::six_digits;
use super::{FactorKey, recovery, totp};
use crate::accounts::throttle::{Attempt, Decision};
use crate::accounts::{DeviceKey, users};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::{Database, DbError, DbResult};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// Wrong codes in a row after which the user gets an email.
const TOLD_FAILURES: i32 = 5;

/// A code as it was typed.
#[derive(Clone, Copy, Debug)]
pub enum TypedCode<'a> {
    App(&'a str),
    Recovery(&'a str),
}

impl<'a> TypedCode<'a> {
    /// The code of a form with two fields, of which one is filled in.
    pub fn of_form(app: &'a str, recovery: &'a str) -> Self {
        if app.trim().is_empty() && !recovery.trim().is_empty() { Self::Recovery(recovery) } else { Self::App(app) }
    }

    /// The name in the log.
    pub fn factor(self) -> &'static str {
        match self {
            Self::App(_) => "otp",
            Self::Recovery(_) => "recovery",
        }
    }

    /// The form's field.
    pub fn field(self) -> &'static str {
        match self {
            Self::App(_) => "code",
            Self::Recovery(_) => "recovery_code",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    #[error("Enter the six digits that your authenticator app shows now.")]
    NotSixDigits,
    #[error(
        "This code doesn’t fit, or was used before. Wait for the next one, and check that the phone’s clock is right."
    )]
    WrongCode,
    #[error("This recovery code doesn’t fit, or was used before. Try another one of your list.")]
    WrongRecoveryCode,
    #[error("too many attempts; wait {0:?}")]
    Slowed(Duration),
    /// The session has ended during the request.
    #[error("the session has ended")]
    Ended,
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(CodeError);

/// The user who types a code, and their browser.
#[derive(Clone, Copy)]
pub struct CodeUser<'a> {
    pub user_id: i64,
    pub email: &'a str,
    pub name: &'a str,
    pub actor: Actor<'a>,
    pub origin: &'a Origin,
    /// The browser's device cookie, which gives it a count of its own.
    pub device: Option<&'a str>,
}

/// What checking a code needs.
#[derive(Clone, Copy)]
pub struct CodeChecker<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub key: &'a FactorKey,
    pub devices: &'a DeviceKey,
}

impl CodeChecker<'_> {
    /// Uses the code up and runs `then`, in one transaction. `then` returns `None` if the session has ended.
    pub async fn check<T>(
        &self,
        user: CodeUser<'_>,
        typed: TypedCode<'_>,
        then: impl AsyncFnOnce(&mut AsyncPgConnection, DateTime<Utc>) -> DbResult<Option<T>>,
    ) -> Result<T, CodeError> {
        let code = match typed {
            TypedCode::App(text) => six_digits(text).ok_or(CodeError::NotSixDigits)?,
            TypedCode::Recovery(text) => text.to_owned(),
        };
        let now = self.clock.now();
        let attempt = self.begin(user, now).await?;
        let checked = self
            .db
            .transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Checked<T>> {
                // Locks the user first, like every other change of a login.
                if users::lock(connection, user.user_id).await?.is_none_or(|user| !user.active) {
                    return Ok(Checked::Ended);
                }
                let is_right = match typed {
                    TypedCode::App(_) => totp::check(connection, now, self.key, user.user_id, &code).await?,
                    TypedCode::Recovery(_) => recovery::spend(connection, now, self.key, user.user_id, &code).await?,
                };
                if !is_right {
                    return Ok(Checked::Wrong);
                }
                attempt.succeeded(connection).await?;
                if matches!(typed, TypedCode::Recovery(_)) {
                    record_recovery(connection, now, user).await?;
                }
                Ok(then(connection, now).await?.map_or(Checked::Ended, Checked::Right))
            })
            .await?;
        match checked {
            Checked::Right(value) => Ok(value),
            Checked::Ended => Err(CodeError::Ended),
            Checked::Wrong => {
                self.record_failure(user, now, (typed, attempt.failures())).await?;
                Err(match typed {
                    TypedCode::App(_) => CodeError::WrongCode,
                    TypedCode::Recovery(_) => CodeError::WrongRecoveryCode,
                })
            }
        }
    }

    /// Counts the attempt, or refuses it.
    async fn begin(&self, user: CodeUser<'_>, now: DateTime<Utc>) -> Result<Attempt, CodeError> {
        let mut connection = self.db.get().await?;
        let stored = users::by_email(&mut connection, user.email).await?;
        let hash = stored.and_then(|stored| stored.password_hash);
        let device = user
            .device
            .zip(hash)
            .and_then(|(cookie, hash)| self.devices.recognize(cookie, &users::one_spelling(user.email), &hash, now));
        let mut attempt = Attempt::code(user.user_id, user.origin.ip, device.as_ref());
        let wait = match attempt.begin(&mut connection, now).await? {
            Decision::Allow(_) => return Ok(attempt),
            Decision::Refuse(wait) => wait,
        };
        if attempt.is_first_refusal(&mut connection, now).await? {
            let event = Event::new(Action::MfaFailed, Outcome::Denied, user.actor, user.origin);
            audit::record(&connection, &event.detail(json!({"reason": "too many attempts"}))).await?;
        }
        Err(CodeError::Slowed(wait))
    }

    /// Records the failure. After several in a row, tells the user that someone knows the password.
    async fn record_failure(
        &self,
        user: CodeUser<'_>,
        now: DateTime<Utc>,
        (typed, failures): (TypedCode<'_>, i32),
    ) -> DbResult<()> {
        let mut connection = self.db.get().await?;
        let event = Event::new(Action::MfaFailed, Outcome::Denied, user.actor, user.origin);
        audit::record(&connection, &event.detail(json!({"factor": typed.factor()}))).await?;
        let notice = SecurityNotice::WrongCodes;
        let (purposes, since) = ([notice.purpose()], now - TimeDelta::days(1));
        if failures >= TOLD_FAILURES && outbox::written(&mut connection, user.email, &purposes, since).await? == 0 {
            let to = To::new(user.email, Some(user.user_id));
            outbox::post(&mut connection, now, to, &EmailTemplate::security(notice, user.name)).await?;
        }
        Ok(())
    }
}

enum Checked<T> {
    Right(T),
    Wrong,
    Ended,
}

async fn record_recovery(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user: CodeUser<'_>) -> DbResult<()> {
    let left = super::Factors::of(connection, user.user_id).await?.recovery_codes;
    let event = Event::new(Action::RecoveryCodeUsed, Outcome::Success, user.actor, user.origin);
    audit::record(connection, &event.detail(json!({"left": left}))).await?;
    let template = EmailTemplate::security(SecurityNotice::RecoveryCodeUsed { left }, user.name);
    Ok(outbox::post(connection, now, To::new(user.email, Some(user.user_id)), &template).await?)
}
