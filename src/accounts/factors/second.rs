//! Gives the second factor of a session that waits for it.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

use super::code::{CodeChecker, CodeError, CodeUser, TypedCode};
use super::remembered;
use crate::accounts::{DeviceKey, HalfLogin, Token, entry, users};
use crate::audit::Origin;
use crate::db::DbResult;

/// What the browser gets.
pub struct Given {
    /// The session's new token.
    pub session: Token,
    /// The new device cookie, unless the browser has one already.
    pub device: Option<String>,
    /// The token of a browser that is to be remembered.
    pub remembered: Option<Token>,
}

/// The browser that gives the factor.
#[derive(Clone, Copy)]
pub struct Remembering<'a> {
    pub devices: &'a DeviceKey,
    /// Its device cookie.
    pub device: Option<&'a str>,
    /// The user doesn't want to be asked in this browser again.
    pub remember: bool,
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
    let remembering = Remembering { devices: checker.devices, device, remember };
    let then = async |connection: &mut AsyncPgConnection, now| {
        complete(connection, now, half, (typed.factor(), origin), remembering).await
    };
    checker.check(user, typed, then).await
}

/// Makes the session of a user who has given this factor a whole one. `None`: it has ended.
pub(super) async fn complete(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    half: &HalfLogin,
    (factor, origin): (&str, &Origin),
    remembering: Remembering<'_>,
) -> DbResult<Option<Given>> {
    let Remembering { devices, device, remember } = remembering;
    let Some(session) = entry::complete(connection, now, half, (factor, origin)).await? else { return Ok(None) };
    let remembered = match remember {
        true => Some(remembered::remember(connection, now, half, origin).await?),
        false => None,
    };
    let device = match device {
        Some(_) => None,
        None => {
            let stored = users::by_email(connection, &half.email).await?.and_then(|user| user.password_hash);
            stored.and_then(|hash| devices.issue(&users::one_spelling(&half.email), &hash, now))
        }
    };
    Ok(Some(Given { session, device, remembered }))
}
