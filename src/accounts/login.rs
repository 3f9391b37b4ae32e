//! The login: takes an email address and a password, opens a session, and records every attempt.
//!
//! An unknown address, a disabled user, a user without a password and a wrong password all take one argon2id
//! verification and get the same response. Stored hashes with other parameters would still take a different time, so
//! failures are delayed to whole seconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use tokio::time::Instant;

use super::entry::{Entry, Method, Opened};
use super::passwords::{self, Busy, Place, Verdict};
use super::sessions::Step;
use super::throttle::{Attempt, Decision};
use super::{DeviceKey, Policy, Token, User, Viewer, throttle, users};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::{Database, DbError, DbResult};

/// The typed login, and the browser's cookies.
pub struct Credentials<'a> {
    pub email: &'a str,
    pub password: &'a str,
    /// The device cookie of the browser, if it sent one.
    pub device: Option<&'a str>,
    /// The cookie of a browser that is not asked for the second factor, if it sent one.
    pub remembered: Option<&'a str>,
    /// The user who is logged in in this browser now. A new login ends that session.
    pub replaces: Option<&'a Viewer>,
}

/// What the browser gets.
pub struct LoggedIn {
    pub session: Token,
    /// The new device cookie, unless the browser has one already, or a second factor is missing.
    pub device: Option<String>,
    /// What the session waits for.
    pub waits_for: Option<Step>,
}

/// What the server needs to check a login.
#[derive(Clone, Copy)]
pub struct LoginRules<'a> {
    pub clock: &'a Clock,
    pub devices: &'a DeviceKey,
    pub policy: &'a Policy,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the email address and the password don't match an active user")]
    Wrong,
    /// The password was right, but logins of this role use single sign-on.
    #[error("this role uses single sign-on")]
    SsoRequired,
    #[error("too many attempts; wait {0:?}")]
    Slowed(Duration),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(LoginError);

/// Checks the password, records the outcome, and opens a session.
pub async fn log_in(
    db: &Database,
    rules: LoginRules<'_>,
    origin: &Origin,
    credentials: &Credentials<'_>,
) -> Result<LoggedIn, LoginError> {
    let LoginRules { clock, devices, policy } = rules;
    let started = Instant::now();
    let mut typed = users::one_spelling(credentials.email);
    if typed.is_empty() {
        typed.push('-');
    }

    let mut connection = db.get().await?;
    let user = users::by_email(&mut connection, &typed).await?;
    let device = user
        .as_ref()
        .and_then(|user| user.password_hash.as_deref())
        .and_then(|hash| credentials.device.and_then(|cookie| devices.recognize(cookie, &typed, hash, clock.now())));
    let mut attempt = Attempt::new(&typed, origin.ip, device.as_ref());
    let delay = match attempt.begin(&mut connection, clock.now()).await? {
        Decision::Allow(delay) => delay,
        Decision::Refuse(wait) => {
            if attempt.is_first_refusal(&mut connection, clock.now()).await? {
                let event = Event::new(Action::LoginBlocked, Outcome::Denied, actor(user.as_ref(), &typed), origin);
                audit::record(&connection, &event).await?;
            }
            return Err(LoginError::Slowed(wait));
        }
    };
    // Neither hashing nor a delay may hold a connection.
    drop(connection);
    tokio::time::sleep(delay).await;
    let usable = user.as_ref().filter(|user| user.active).and_then(|user| user.password_hash.as_deref());
    let place = match Place::take(&typed, device.is_some()) {
        Ok(place) => place,
        Err(busy) => {
            attempt.withdraw(&mut *db.get().await?).await?;
            return Err(busy.into());
        }
    };
    let verdict = passwords::verify(&place, credentials.password, usable).await;
    drop(place);

    let is_right = usable.is_some() && verdict != Verdict::Wrong;
    if let Some(user) = user.as_ref().filter(|user| is_right && policy.requires_sso_of(user)) {
        return Err(require_sso(db, origin, user, &attempt).await?);
    }
    let entry = |user| Entry {
        user,
        method: Method::Password,
        origin,
        replaces: credentials.replaces,
        remembered: credentials.remembered,
        detail: serde_json::json!({}),
    };
    if let (Some(user), Some(hash), false) = (&user, usable, verdict == Verdict::Wrong)
        && let Some(Opened { session, waits_for }) =
            open_session(db, (clock.now(), policy), (&verdict, &attempt), &entry(user)).await?
    {
        let hash = if let Verdict::RightButOld(renewed) = &verdict { renewed } else { hash };
        let is_new = device.is_none() && waits_for.is_none();
        let device = if is_new { devices.issue(&typed, hash, clock.now()) } else { None };
        return Ok(LoggedIn { session, device, waits_for });
    }
    let event = Event::new(Action::LoginFailed, Outcome::Denied, actor(user.as_ref(), &typed), origin);
    audit::record(&*db.get().await?, &event).await?;
    throttle::finish_on_whole_second(started).await;
    Err(LoginError::Wrong)
}

/// Records that a right password was refused. It counts as no attempt.
async fn require_sso(db: &Database, origin: &Origin, user: &User, attempt: &Attempt) -> DbResult<LoginError> {
    let event = Event::new(Action::LoginFailed, Outcome::Denied, actor(Some(user), ""), origin);
    let detail = serde_json::json!({"method": "pwd", "reason": "sso_required"});
    let mut connection = db.get().await?;
    audit::record(&connection, &event.detail(detail)).await?;
    attempt.withdraw(&mut connection).await?;
    Ok(LoginError::SsoRequired)
}

/// Returns the user, or the address as typed, as the actor of an event.
fn actor<'a>(user: Option<&'a User>, typed: &'a str) -> Actor<'a> {
    user.map_or(Actor::named(typed), |user| Actor::user(user.id, &user.email, &user.role))
}

/// Opens the session of a user whose password was right. Returns `None` if the user was disabled or the password changed
/// since it was verified.
async fn open_session(
    db: &Database,
    (now, policy): (DateTime<Utc>, &Policy),
    (verdict, attempt): (&Verdict, &Attempt),
    entry: &Entry<'_>,
) -> DbResult<Option<Opened>> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !users::lock_unchanged(connection, entry.user).await? {
            return Ok(None);
        }
        attempt.succeeded(connection).await?;
        if let Verdict::RightButOld(hash) = verdict {
            users::set_password_hash(connection, entry.user.id, hash).await?;
        }
        Ok(Some(entry.open(connection, now, policy).await?))
    })
    .await
}
