//! Confirms who a logged-in user is, before a change that needs a fresh proof ([`super::viewer::FRESH`]).

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::factors::code::{CodeChecker, CodeError, CodeUser, TypedCode};
use super::own_password::{self, OwnPasswordError};
use super::passwords::Busy;
use super::{Policy, Token, Viewer, sessions, users};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::db::{DbError, DbResult};

/// What the user proves it with: the second factor, or the password of a login that has none.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    Code(TypedCode<'a>),
    Password(&'a str),
}

#[derive(Debug, thiserror::Error)]
pub enum StepUpError {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error("That isn’t your password.")]
    Password,
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl From<DbError> for StepUpError {
    fn from(error: DbError) -> Self {
        Self::Code(error.into())
    }
}

impl From<OwnPasswordError> for StepUpError {
    fn from(error: OwnPasswordError) -> Self {
        match error {
            OwnPasswordError::Wrong => Self::Password,
            OwnPasswordError::Slowed(wait) => Self::Code(CodeError::Slowed(wait)),
            OwnPasswordError::Busy(busy) => Self::Busy(busy),
            OwnPasswordError::Db(error) => error.into(),
        }
    }
}

/// Whether a login has a password, and may use it.
pub async fn has_password(connection: &mut AsyncPgConnection, policy: &Policy, user_id: i64) -> DbResult<bool> {
    let user = users::by_id(connection, user_id).await?;
    Ok(user.is_some_and(|user| user.password_hash.is_some() && !policy.requires_sso_of(&user)))
}

/// Checks the proof, notes and records it, and returns the session's new token.
pub async fn confirm(
    checker: CodeChecker<'_>,
    viewer: &Viewer,
    (origin, device): (&Origin, Option<&str>),
    proof: Proof<'_>,
) -> Result<Token, StepUpError> {
    let actor = viewer.actor();
    match proof {
        Proof::Code(typed) => {
            let user =
                CodeUser { user_id: viewer.user_id, email: &viewer.email, name: &viewer.name, actor, origin, device };
            let then = async |connection: &mut AsyncPgConnection, now| {
                note(connection, now, (viewer, origin), typed.factor()).await
            };
            Ok(checker.check(user, typed, then).await?)
        }
        Proof::Password(password) => {
            let (db, clock) = (checker.db, checker.clock);
            own_password::verify(db, clock, (viewer, origin), Action::StepUp, password).await?;
            let noted = db
                .transaction(async |connection: &mut AsyncPgConnection| {
                    note(connection, clock.now(), (viewer, origin), "pwd").await
                })
                .await?;
            Ok(noted.ok_or(CodeError::Ended)?)
        }
    }
}

/// Notes the proof in the session and in the log. `None`: the session has ended.
pub(super) async fn note(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    (viewer, origin): (&Viewer, &Origin),
    factor: &str,
) -> DbResult<Option<Token>> {
    if sessions::prove(connection, now, viewer.session()?).await? == 0 {
        return Ok(None);
    }
    let event = Event::new(Action::StepUp, Outcome::Success, viewer.actor(), origin);
    audit::record(connection, &event.detail(json!({"factor": factor}))).await?;
    Ok(sessions::renew(connection, viewer.session()?).await?)
}
