//! Opens the session of a login that has proven itself. The log says how.
//!
//! A password opens a session that waits for the second factor, if the login has one or must have one. It becomes a whole
//! one with [`complete`]. Passkeys and single sign-on open a whole session at once.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};

use super::factor_policy::{PASSWORD, Policy, SSO};
use super::factors::{Factors, remembered};
use super::new_device::Login;
use super::sessions::{HalfLogin, Opening, Step};
use super::{Role, Token, User, Viewer, sessions};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::users;

/// How a user has proven who they are, before any second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The password, or a link that has just set it.
    Password,
    Passkey,
    /// Single sign-on. Without `recent`, the person may have logged in at the issuer long ago.
    Sso {
        recent: bool,
    },
    /// The single sign-on that links a login to the issuer. The login's own second factor is asked for once more.
    SsoLinking,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => PASSWORD,
            Self::Passkey => "passkey",
            Self::Sso { .. } | Self::SsoLinking => SSO,
        }
    }
}

/// A login that has proven itself, and the browser that gets its session.
pub struct Entry<'a> {
    pub user: &'a User,
    pub method: Method,
    pub origin: &'a Origin,
    /// The user who is logged in in this browser now. The new session ends that one.
    pub replaces: Option<&'a Viewer>,
    /// The browser's cookie of a remembered device.
    pub remembered: Option<&'a str>,
    /// More members for the event's detail.
    pub detail: Value,
}

/// A session, and what it still waits for.
pub struct Opened {
    pub session: Token,
    pub waits_for: Option<Step>,
}

impl Entry<'_> {
    /// Opens the session. Records the login, unless a second factor is missing. The caller has locked the user.
    pub async fn open(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        policy: &Policy,
    ) -> QueryResult<Opened> {
        let Self { user, origin, .. } = *self;
        if user.is_service {
            // No way in gets here with one. A new way that forgot it fails.
            return Err(QueryError::QueryBuilderError("a service account can't log in".into()));
        }
        sessions::sweep(connection, now).await?;
        if let Some(viewer) = self.replaces {
            sessions::end(connection, viewer.user_id, viewer.session()?).await?;
        }
        let (waits_for, is_remembered) = self.missing_factor(connection, now, policy).await?;
        let method = self.method.as_str();
        let method = if is_remembered { format!("{method}+device") } else { method.to_owned() };
        let is_proven = !is_remembered && !matches!(self.method, Method::Sso { recent: false } | Method::SsoLinking);
        let opening = Opening { user_id: user.id, method: &method, waits_for, is_proven };
        let session = sessions::open(connection, now, &opening, origin).await?;
        let actor = Actor::user(user.id, &user.email, &user.role);
        if let Some(step) = waits_for {
            let event = Event::new(Action::MfaRequested, Outcome::Success, actor, origin);
            let detail = json!({"method": method, "step": step.as_str()});
            audit::record(connection, &event.detail(detail).detail(self.detail.clone())).await?;
        } else {
            let login = Login { user_id: user.id, email: &user.email, name: &user.name, origin };
            let event = Event::new(Action::LoginSucceeded, Outcome::Success, actor, origin)
                .detail(json!({"method": method}))
                .detail(self.detail.clone());
            record_login(connection, now, &login, &event).await?;
        }
        Ok(Opened { session, waits_for })
    }

    /// Returns what the session has to wait for, and whether a remembered device replaces it.
    async fn missing_factor(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        policy: &Policy,
    ) -> QueryResult<(Option<Step>, bool)> {
        let user = self.user;
        match self.method {
            Method::Password => {}
            Method::Passkey | Method::Sso { .. } => return Ok((None, false)),
            Method::SsoLinking => {
                let has_factor = Factors::of(connection, user.id).await?.is_any();
                return Ok((has_factor.then_some(Step::Factor), false));
            }
        }
        let role: Role = user.role.parse().map_err(|error: String| QueryError::DeserializationError(error.into()))?;
        if Factors::of(connection, user.id).await?.is_any() {
            let is_remembered = match self.remembered.filter(|_| remembered::is_allowed(role)) {
                Some(cookie) => remembered::recognize(connection, now, user.id, cookie).await?,
                None => false,
            };
            return Ok((Some(Step::Factor).filter(|_| !is_remembered), is_remembered));
        }
        let due_at = policy.due_at(connection, now, (user.id, role)).await?;
        Ok((due_at.filter(|due_at| *due_at <= now).map(|_| Step::Enrollment), false))
    }
}

type QueryError = diesel::result::Error;

/// Makes the session of a user who has now given a second factor a whole one, and records the login. `second` names the
/// factor in the log. `None`: the session has ended.
pub(super) async fn complete(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    half: &HalfLogin,
    (second, origin): (&str, &Origin),
) -> QueryResult<Option<Token>> {
    let method = format!("{}+{second}", half.method);
    let Some(token) = sessions::complete(connection, now, half.session_id, &method).await? else { return Ok(None) };
    let login = Login { user_id: half.user_id, email: &half.email, name: &half.name, origin };
    let event = Event::new(Action::LoginSucceeded, Outcome::Success, half.actor(), origin);
    record_login(connection, now, &login, &event.detail(json!({"method": method}))).await?;
    Ok(Some(token))
}

/// Records a login. What its user sees as new begins with the first one. An email tells the user of a later one
/// from another device.
async fn record_login(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    login: &Login<'_>,
    event: &Event<'_>,
) -> QueryResult<()> {
    let never_logged_in = users::table.filter(users::id.eq(login.user_id)).filter(users::read_until.is_null());
    if diesel::update(never_logged_in).set(users::read_until.eq(now)).execute(connection).await? == 0 {
        login.announce(connection, now).await?;
    }
    audit::record(connection, event).await
}

impl HalfLogin {
    pub fn actor(&self) -> Actor<'_> {
        Actor::user(self.user_id, &self.email, self.role.as_str())
    }
}
