//! actix-session's store, on Postgres: a session is a row, and ending it counts on every instance at once.
//!
//! There is no free-form state. Loading answers with the [`Viewer`](crate::accounts::Viewer) as of now. Opening and
//! ending a session are the domain's, in one transaction with their records; what is left here is to hand the new
//! token to the cookie.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

use crate::accounts::Token;
use crate::accounts::sessions;
use crate::clock::Clock;
use crate::db::{Database, DbError};

/// The viewer, in a loaded session.
pub const VIEWER: &str = "viewer";
/// The token of a session that the log-in has just opened.
pub const TOKEN: &str = "token";
/// Set when the database could not be asked, so that a page answers 503 and nobody is thrown out.
pub const UNAVAILABLE: &str = "unavailable";
/// Set when the database was asked and the query failed: our fault, and no reason to throw anybody out either.
pub const BROKEN: &str = "broken";

type State = HashMap<String, String>;

pub struct PostgresSessions {
    db: Database,
    clock: Clock,
}

impl PostgresSessions {
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }
}

fn token(state: &State) -> Result<SessionKey, anyhow::Error> {
    let token = state.get(TOKEN).ok_or_else(|| anyhow::anyhow!("only a log-in opens a session"))?;
    Ok(SessionKey::try_from(serde_json::from_str::<String>(token)?)?)
}

impl SessionStore for PostgresSessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let viewer = async {
            let mut connection = self.db.get().await?;
            let token = Token::presented(key.as_ref());
            Ok::<_, DbError>(sessions::resume(&mut connection, self.clock.now(), &token).await?)
        };
        match viewer.await {
            Ok(Some(viewer)) => {
                let viewer =
                    serde_json::to_string(&viewer).map_err(|error| LoadError::Deserialization(error.into()))?;
                Ok(Some(State::from([(VIEWER.into(), viewer)])))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, "a session could not be looked up");
                let what = if error.is_unreachable() { UNAVAILABLE } else { BROKEN };
                Ok(Some(State::from([(what.into(), "true".into())])))
            }
        }
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        token(&state).map_err(SaveError::Other)
    }

    async fn update(&self, _: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        token(&state).map_err(UpdateError::Other)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(()) // `load` keeps `last_seen_at`
    }

    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(()) // the log-out, or the log-in that replaces it, has ended it
    }
}
