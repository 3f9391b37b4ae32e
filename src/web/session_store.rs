//! actix-session's store, on Postgres: a session is a row, and ending it takes effect on every instance at once.
//!
//! The store only reads. `accounts` opens and ends sessions, each in one transaction with its audit event.
//! actix-session keeps the cookie: `save` and `update` hand it the token of a session that the login has opened. A
//! session has no other state that could be changed.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

use super::login_session::{LOADED, Loaded, TOKEN};
use crate::accounts::sessions::{self, Resumed};
use crate::accounts::{Policy, Token};
use crate::clock::Clock;
use crate::db::{Database, DbError};

type State = HashMap<String, String>;

pub struct PostgresSessions {
    db: Database,
    clock: Clock,
    policy: Policy,
}

impl PostgresSessions {
    pub fn new(db: Database, clock: Clock, policy: Policy) -> Self {
        Self { db, clock, policy }
    }

    async fn find(&self, key: &SessionKey) -> Result<Option<Loaded>, DbError> {
        let mut connection = self.db.get().await?;
        let token = Token::presented(key.as_ref());
        let resumed = sessions::resume(&mut connection, self.clock.now(), &token, &self.policy).await?;
        Ok(resumed.map(|resumed| match resumed {
            Resumed::Full(viewer) => Loaded::Viewer(Box::new(viewer)),
            Resumed::Half(half) => Loaded::Half(Box::new(half)),
        }))
    }
}

/// The token of a new session. Nothing but a login may write to a session.
fn new_token(state: &State) -> Result<SessionKey, anyhow::Error> {
    let token = state.get(TOKEN).ok_or_else(|| anyhow::anyhow!("only a login opens a session"))?;
    Ok(SessionKey::try_from(serde_json::from_str::<String>(token)?)?)
}

impl SessionStore for PostgresSessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let loaded = match self.find(key).await {
            Ok(Some(viewer)) => viewer,
            Ok(None) => return Ok(None),
            Err(error) => {
                tracing::warn!(%error, "can't look up a session");
                if error.is_unreachable() { Loaded::Unavailable } else { Loaded::Failed }
            }
        };
        let loaded = serde_json::to_string(&loaded).map_err(|error| LoadError::Deserialization(error.into()))?;
        Ok(Some(State::from([(LOADED.into(), loaded)])))
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        new_token(&state).map_err(SaveError::Other)
    }

    async fn update(&self, _: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        new_token(&state).map_err(UpdateError::Other)
    }

    /// Does nothing: `load` has already updated `last_seen_at`.
    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    /// Does nothing: the logout, or the login that replaces the session, has already ended it in the database.
    async fn delete(&self, _: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(())
    }
}
