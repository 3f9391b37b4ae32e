//! Gives the second factor of a session that waits for it.

use diesel_async::AsyncPgConnection;

use super::code::{CodeChecker, CodeError, CodeUser, TypedCode};
use super::remembered;
use crate::accounts::{HalfLogin, Token, entry, users};
use crate::audit::Origin;

/// What the browser gets.
pub struct Given {
    /// The session's new token.
    pub session: Token,
    /// The new device cookie, unless the browser has one already.
    pub device: Option<String>,
    /// The token of a browser that is to be remembered.
    pub remembered: Option<Token>,
}

/// Checks the code, and makes the session a whole one.
pub async fn give(
    checker: CodeChecker<'_>,
    half: &HalfLogin,
    (origin, device): (&Origin, Option<&str>),
    typed: TypedCode<'_>,
    remember: bool,
) -> Result<Given, CodeError> {
    let (actor, email, name) = (half.actor(), half.email.as_str(), half.name.as_str());
    let user = CodeUser { user_id: half.user_id, email, name, actor, origin, device };
    let then = async |connection: &mut AsyncPgConnection, now| {
        let Some(session) = entry::complete(connection, now, half, (typed.factor(), origin)).await? else {
            return Ok(None);
        };
        let remembered = match remember {
            true => Some(remembered::remember(connection, now, half.user_id, origin).await?),
            false => None,
        };
        let device = match device {
            Some(_) => None,
            None => {
                let stored = users::by_email(connection, email).await?.and_then(|user| user.password_hash);
                stored.and_then(|hash| checker.devices.issue(&users::one_spelling(email), &hash, now))
            }
        };
        Ok(Some(Given { session, device, remembered }))
    };
    checker.check(user, typed, then).await
}
