//! Records tokens that are refused. Anyone can make up a token, so the log gets a bounded number of events.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};

use super::TokenScope;
use crate::accounts::Viewer;
use crate::accounts::throttle::{Attempt, Decision};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome, TokenName};
use crate::db::{DbError, DbResult};

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is unknown, expired, revoked or not allowed from there")]
    Refused,
    #[error("too many unknown tokens; wait {0:?}")]
    Slowed(std::time::Duration),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(TokenError);

/// A token that exists, and why it may not be used now.
pub(super) struct Refused<'a> {
    pub token: (i64, &'a str),
    /// Id, address and role.
    pub owner: (i64, &'a str, &'a str),
    pub reason: &'a str,
}

impl<'a> Refused<'a> {
    fn actor(&self) -> Actor<'a> {
        let ((id, name), (user_id, email, role)) = (self.token, self.owner);
        Actor { token: Some(TokenName { id, name }), ..Actor::user(user_id, email, role) }
    }
}

/// Records and counts a refused token, and returns the error for the program that sent it.
///
/// Unknown tokens are slowed like passwords, by address. A token that exists is refused without end, and the log has the
/// first refusals: its program may be one of many behind the same address.
pub(super) async fn refuse(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    origin: &Origin,
    refused: Option<Refused<'_>>,
) -> DbResult<TokenError> {
    let token_id = refused.as_ref().map(|refused| refused.token.0);
    let (actor, reason) = match &refused {
        Some(refused) => (refused.actor(), refused.reason),
        None => (Actor::UNKNOWN, "unknown"),
    };
    let event = Event::new(Action::TokenRefused, Outcome::Denied, actor, origin).detail(json!({"reason": reason}));
    let wait = record_bounded(connection, now, (token_id, origin), event).await?;
    Ok(match wait {
        Some(wait) if refused.is_none() => TokenError::Slowed(wait),
        _ => TokenError::Refused,
    })
}

/// Records the event unless there were many of its kind. Then it records the first one, and returns how long to wait.
async fn record_bounded(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    (token_id, origin): (Option<i64>, &Origin),
    event: Event<'_>,
) -> DbResult<Option<std::time::Duration>> {
    let mut attempt = Attempt::token(token_id, origin.ip);
    let wait = match attempt.begin(connection, now).await? {
        Decision::Allow(_) => None,
        Decision::Refuse(wait) => Some(wait),
    };
    match wait {
        None => audit::record(connection, &event).await?,
        Some(_) if attempt.is_first_refusal(connection, now).await? => {
            audit::record(connection, &event.detail(json!({"too_many": true}))).await?;
        }
        Some(_) => {}
    }
    Ok(wait)
}

/// What a valid token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// The token lacks this scope.
    Scope(TokenScope),
    /// No token may do it.
    AnyToken,
}

impl NotAllowed {
    fn detail(self) -> Value {
        match self {
            Self::Scope(scope) => json!({"reason": "scope", "scope": scope.as_str()}),
            Self::AnyToken => json!({"reason": "not_for_tokens"}),
        }
    }
}

/// Records that a valid token was refused what its scopes don't allow.
pub async fn record_not_allowed(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    (viewer, origin): (&Viewer, &Origin),
    what: NotAllowed,
    detail: Value,
) -> DbResult<()> {
    let token_id = viewer.token().map(|token| token.id);
    let event = Event::new(Action::TokenRefused, Outcome::Denied, viewer.actor(), origin);
    record_bounded(connection, now, (token_id, origin), event.detail(what.detail()).detail(detail)).await?;
    Ok(())
}
