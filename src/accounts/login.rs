//! The log-in: e-mail and password in, a user out, and every attempt on record.
//!
//! An unknown address, a disabled user, one who never set a password and a wrong password all take one argon2id
//! verification and get the same answer. Stored hashes with other parameters would still show in the time, so failed
//! answers leave on a grid of half seconds.

use std::time::Duration;

use tokio::time::Instant;

use super::passwords::{self, Verdict};
use super::throttle::{Attempt, Pace};
use super::{sessions, users};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::{Database, DbError};

const GRID: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("the e-mail address and the password don't match an active user")]
    Wrong,
    #[error("too many attempts; wait {0:?}")]
    Slowed(Duration),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for LoginError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Checks the password and records the outcome. The id is the user's; opening the session is the caller's part.
pub async fn log_in(
    db: &Database,
    clock: &Clock,
    origin: &Origin,
    email: &str,
    password: &str,
) -> Result<i64, LoginError> {
    let started = Instant::now();
    let attempt = Attempt::new(email, origin.ip);
    let mut typed: String = email.trim().chars().filter(|c| !c.is_control()).take(254).collect();
    if typed.is_empty() {
        typed.push('-');
    }

    let mut connection = db.get().await?;
    let delay = match attempt.begin(&mut connection, clock.now()).await? {
        Pace::Go(delay) => delay,
        Pace::Wait(wait) => {
            let actor = Actor { user_id: None, email: &typed, role: None };
            let event = Event::new(Action::LoginBlocked, Outcome::Denied, actor, origin);
            audit::record(&mut connection, &event).await?;
            return Err(LoginError::Slowed(wait));
        }
    };
    let user = users::by_email(&mut connection, &typed).await?;
    // Neither a hash nor a delay may keep a connection from others.
    drop(connection);
    tokio::time::sleep(delay).await;
    let usable = user.as_ref().filter(|user| user.active).and_then(|user| user.password_hash.as_deref());
    let verdict = passwords::verify(password, usable).await;

    let mut connection = db.get().await?;
    match user {
        Some(user) if verdict != Verdict::Wrong => {
            let actor = Actor { user_id: Some(user.id), email: &user.email, role: Some(&user.role) };
            audit::record(&mut connection, &Event::new(Action::LoginSucceeded, Outcome::Success, actor, origin))
                .await?;
            attempt.succeeded(&mut connection).await?;
            if let Verdict::RightButOld(hash) = verdict {
                users::set_password_hash(&mut connection, user.id, &hash).await?;
            }
            sessions::sweep(&mut connection, clock.now()).await?;
            Ok(user.id)
        }
        user => {
            let actor = Actor {
                user_id: user.as_ref().map(|user| user.id),
                email: user.as_ref().map_or(&typed, |user| &user.email),
                role: user.as_ref().map(|user| user.role.as_str()),
            };
            audit::record(&mut connection, &Event::new(Action::LoginFailed, Outcome::Denied, actor, origin)).await?;
            drop(connection);
            tokio::time::sleep_until(next_on_grid(started, Instant::now())).await;
            Err(LoginError::Wrong)
        }
    }
}

fn next_on_grid(started: Instant, now: Instant) -> Instant {
    let steps = (now - started).as_millis() / GRID.as_millis() + 1;
    started + GRID * u32::try_from(steps).unwrap_or(u32::MAX)
}
