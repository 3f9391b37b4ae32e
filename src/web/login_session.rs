//! The login session of a request: a typed view of actix-session.
//!
//! The session's row is in Postgres ([`crate::accounts::sessions`]); the cookie holds its token. `session_store` loads
//! the row at each request, and handlers see only a [`LoginSession`].

use std::future::{Ready, ready};

use actix_session::{Session, SessionExt};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::Error;
use crate::accounts::{HalfLogin, Token, Viewer};

/// The key of a [`Loaded`] in the session.
pub(super) const LOADED: &str = "loaded";
/// The key of a new token, until the middleware moves it into the cookie.
pub(super) const TOKEN: &str = "token";

/// The result of looking up the token of a cookie.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) enum Loaded {
    Viewer(Box<Viewer>),
    /// A session that waits for a second factor. To every page but those for that, it is no session.
    Half(Box<HalfLogin>),
    /// The database can't be reached. The user keeps the session, and the status is 503.
    Unavailable,
    /// The query failed. The user keeps the session, and the status is 500.
    Failed,
}

pub struct LoginSession(Session);

impl LoginSession {
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.get_session())
    }

    /// The logged-in user, if there is one.
    pub fn viewer(&self) -> Result<Option<Viewer>, Error> {
        match self.0.get::<Loaded>(LOADED).map_err(|error| Error::Internal(error.to_string()))? {
            None | Some(Loaded::Half(_)) => Ok(None),
            Some(Loaded::Viewer(viewer)) => Ok(Some(*viewer)),
            Some(Loaded::Unavailable) => Err(Error::Unavailable("can't look up the session".into())),
            Some(Loaded::Failed) => Err(Error::Internal("the session's query failed".into())),
        }
    }

    /// The user who has given the password, but not the second factor yet.
    pub fn half(&self) -> Option<HalfLogin> {
        match self.0.get::<Loaded>(LOADED) {
            Ok(Some(Loaded::Half(half))) => Some(*half),
            _ => None,
        }
    }

    /// Sends the token of a session that was opened, or got a new token, as a new cookie. An earlier cookie stops working, so that
    /// a token known before the login opens nothing (session fixation).
    pub fn start(&self, token: &Token) -> Result<(), Error> {
        self.0.renew();
        self.0.insert(TOKEN, token.as_str()).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Removes the cookie. The caller has ended the session in the database.
    pub fn end(&self) {
        self.0.purge();
    }
}

impl FromRequest for LoginSession {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
