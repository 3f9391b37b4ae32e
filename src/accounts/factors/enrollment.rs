//! Sets up and removes a user's own second factors. Each change is recorded, and an email tells the user.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::code::CodeError;
use super::totp::{self, NewSecret, Setup};
use super::typed::six_digits;
use super::{FactorKey, Factors, recovery, remembered};
use crate::accounts::sessions::{HalfLogin, Step};
use crate::accounts::throttle::{Attempt, Decision};
use crate::accounts::{Token, Viewer, entry, sessions, users as logins};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::{Database, DbResult};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// The user who sets up a factor: logged in, or in a session that waits for it.
#[derive(Clone, Copy)]
pub enum Enrolling<'a> {
    Viewer(&'a Viewer),
    Half(&'a HalfLogin),
}

impl Enrolling<'_> {
    pub(super) fn session_id(&self) -> QueryResult<i64> {
        match self {
            Self::Viewer(viewer) => viewer.session(),
            Self::Half(half) => Ok(half.session_id),
        }
    }

    pub(super) fn user_id(&self) -> i64 {
        match self {
            Self::Viewer(viewer) => viewer.user_id,
            Self::Half(half) => half.user_id,
        }
    }

    pub(super) fn email(&self) -> &str {
        match self {
            Self::Viewer(viewer) => &viewer.email,
            Self::Half(half) => &half.email,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Viewer(viewer) => &viewer.name,
            Self::Half(half) => &half.name,
        }
    }

    pub(super) fn actor(&self) -> Actor<'_> {
        match self {
            Self::Viewer(viewer) => viewer.actor(),
            Self::Half(half) => half.actor(),
        }
    }

    /// Whether the user may set up a factor. A waiting session sets up the first one only: another one needs proof of the one
    /// that is there.
    pub(super) async fn may_enroll(&self, connection: &mut AsyncPgConnection) -> QueryResult<bool> {
        let Self::Half(half) = self else { return Ok(true) };
        Ok(half.step == Step::Enrollment && !Factors::of(connection, half.user_id).await?.is_any())
    }
}

/// What the user gets with a new app or passkey.
pub struct Enrolled {
    /// Shown once. A passkey beside another factor makes none.
    pub recovery_codes: Vec<String>,
    /// The session's new token.
    pub session: Token,
}

/// Changes of a user's own factors.
#[derive(Clone, Copy)]
pub struct Enrollment<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub key: &'a FactorKey,
    pub user: Enrolling<'a>,
    pub origin: &'a Origin,
}

impl Enrollment<'_> {
    /// Returns the secret of an app that waits for its first code.
    pub async fn begin(&self) -> Result<NewSecret, CodeError> {
        let now = self.clock.now();
        let setup = self.setup()?;
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                logins::lock(connection, setup.user_id).await?;
                self.require_proof(connection).await?;
                Ok(totp::begin(connection, now, self.key, setup).await?)
            })
            .await
    }

    /// Confirms the app with its first code. Makes new recovery codes, renews the session's token, and lets a waiting session
    /// do everything.
    pub async fn confirm(&self, typed: &str) -> Result<Enrolled, CodeError> {
        let code = six_digits(typed).ok_or(CodeError::NotSixDigits)?;
        let now = self.clock.now();
        let mut attempt = Attempt::of_user(self.user.user_id());
        if let Decision::Refuse(wait) = attempt.begin(&mut *self.db.get().await?, now).await? {
            return Err(CodeError::Slowed(wait));
        }
        let confirmed = self.confirmed(now, &code, &attempt).await;
        if matches!(confirmed, Err(CodeError::WrongCode)) {
            let event = Event::new(Action::MfaFailed, Outcome::Denied, self.user.actor(), self.origin);
            let detail = json!({"factor": "otp", "reason": "first code"});
            audit::record(&*self.db.get().await?, &event.detail(detail)).await?;
        }
        confirmed
    }

    async fn confirmed(&self, now: DateTime<Utc>, code: &str, attempt: &Attempt) -> Result<Enrolled, CodeError> {
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| -> Result<Enrolled, CodeError> {
                let user_id = self.user.user_id();
                logins::lock(connection, user_id).await?;
                self.require_proof(connection).await?;
                if !totp::is_waiting(connection, now, self.setup()?).await? {
                    return Err(CodeError::Ended);
                }
                if !totp::confirm(connection, now, self.key, user_id, code).await? {
                    return Err(CodeError::WrongCode);
                }
                self.end_other_sessions(connection).await?;
                attempt.succeeded(connection).await?;
                super::fulfill(connection, user_id).await?;
                // The browsers were remembered with the former app.
                remembered::forget_all(connection, user_id).await?;
                let recovery_codes = recovery::replace(connection, self.key, user_id).await?;
                self.record(connection, now, Action::MfaEnrolled, SecurityNotice::AppAdded).await?;
                let session = match self.user {
                    Enrolling::Viewer(viewer) => {
                        sessions::prove(connection, now, viewer.session()?).await?;
                        sessions::renew(connection, viewer.session()?).await?
                    }
                    Enrolling::Half(half) => entry::complete(connection, now, half, ("otp", self.origin)).await?,
                };
                Ok(Enrolled { recovery_codes, session: session.ok_or(CodeError::Ended)? })
            })
            .await
    }

    async fn require_proof(&self, connection: &mut AsyncPgConnection) -> Result<(), CodeError> {
        if self.user.may_enroll(connection).await? { Ok(()) } else { Err(CodeError::Ended) }
    }

    /// Replaces the recovery codes. `None` if the user has no app.
    pub async fn replace_recovery_codes(&self) -> DbResult<Option<Vec<String>>> {
        let (now, user_id) = (self.clock.now(), self.user.user_id());
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                logins::lock(connection, user_id).await?;
                if !Factors::of(connection, user_id).await?.is_any() {
                    return Ok(None);
                }
                let codes = recovery::replace(connection, self.key, user_id).await?;
                let notice = SecurityNotice::RecoveryCodesReplaced;
                self.record(connection, now, Action::MfaEnrolled, notice).await?;
                Ok(Some(codes))
            })
            .await
    }

    /// Removes the app; with the last factor, the recovery codes too. Returns `false` if there was none. If a factor is required, the next request
    /// asks for a new one.
    pub async fn remove_app(&self) -> DbResult<bool> {
        let (now, user_id) = (self.clock.now(), self.user.user_id());
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                logins::lock(connection, user_id).await?;
                if !totp::remove(connection, user_id).await? {
                    return Ok(false);
                }
                super::settle(connection, now, user_id).await?;
                self.end_other_sessions(connection).await?;
                remembered::forget_all(connection, user_id).await?;
                self.record(connection, now, Action::MfaRemoved, SecurityNotice::AppRemoved).await?;
                Ok(true)
            })
            .await
    }

    fn setup(&self) -> QueryResult<Setup<'_>> {
        Ok(Setup { user_id: self.user.user_id(), session_id: self.user.session_id()?, email: self.user.email() })
    }

    /// A factor ends what the password, or the former factor, had opened: that may have been someone else.
    async fn end_other_sessions(&self, connection: &mut AsyncPgConnection) -> DbResult<()> {
        sessions::end_others(connection, self.user.user_id(), self.user.session_id()?).await?;
        Ok(())
    }

    async fn record(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        action: Action,
        notice: SecurityNotice,
    ) -> DbResult<()> {
        let factor = if notice == SecurityNotice::RecoveryCodesReplaced { "recovery codes" } else { "otp" };
        let event = Event::new(action, Outcome::Success, self.user.actor(), self.origin);
        audit::record(connection, &event.detail(json!({"factor": factor}))).await?;
        let to = To::new(self.user.email(), Some(self.user.user_id()));
        Ok(outbox::post(connection, now, to, &EmailTemplate::security(notice, self.user.name())).await?)
    }
}
