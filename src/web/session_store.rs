//! actix-session's store, on Postgres: a session is a row, and ending it counts on every instance at once.
//!
//! There is no free-form state. Loading answers with the [`Viewer`](crate::accounts::Viewer) as of now; saving opens a
//! session for the user the log-in has put in.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;

use crate::accounts::sessions::{self, Token};
use crate::audit::Origin;
use crate::clock::Clock;
use crate::db::{Database, DbError};

/// The viewer, in a loaded session.
pub const VIEWER: &str = "viewer";
/// The user's id, in a session about to be saved.
pub const USER: &str = "user";
/// Where the log-in came from, in a session about to be saved.
pub const ADDRESS: &str = "address";
pub const AGENT: &str = "agent";
/// Set when the database could not be asked, so that a page answers 503 and nobody is thrown out.
pub const UNAVAILABLE: &str = "unavailable";

type State = HashMap<String, String>;

pub struct PostgresSessions {
    db: Database,
    clock: Clock,
}

impl PostgresSessions {
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }

    async fn open(&self, state: &State) -> Result<SessionKey, DbError> {
        let read = |name: &str| state.get(name).map_or("null", String::as_str);
        let user_id: Option<i64> = serde_json::from_str(read(USER)).unwrap_or_default();
        let Some(user_id) = user_id else {
            return Err(DbError::Query(diesel::result::Error::QueryBuilderError("a session needs a user".into())));
        };
        let agent: Option<String> = serde_json::from_str(read(AGENT)).unwrap_or_default();
        let ip = serde_json::from_str(read(ADDRESS)).unwrap_or_default();
        let origin = Origin::new(ip, agent.as_deref().unwrap_or_default(), String::new());
        let mut connection = self.db.get().await?;
        let token = sessions::open(&mut connection, self.clock.now(), user_id, &origin).await?;
        SessionKey::try_from(token.into_string())
            .map_err(|error| DbError::Query(diesel::result::Error::QueryBuilderError(error.to_string().into())))
    }

    async fn close(&self, key: &SessionKey) -> Result<(), DbError> {
        let mut connection = self.db.get().await?;
        sessions::close(&mut connection, &Token::from_cookie(key.as_ref())).await?;
        Ok(())
    }
}

impl SessionStore for PostgresSessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let viewer = async {
            let mut connection = self.db.get().await?;
            Ok::<_, DbError>(
                sessions::resume(&mut connection, self.clock.now(), &Token::from_cookie(key.as_ref())).await?,
            )
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
                Ok(Some(State::from([(UNAVAILABLE.into(), "true".into())])))
            }
        }
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        self.open(&state).await.map_err(|error| SaveError::Other(error.into()))
    }

    async fn update(&self, key: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        let renewed = self.open(&state).await.map_err(|error| UpdateError::Other(error.into()))?;
        self.close(&key).await.map_err(|error| UpdateError::Other(error.into()))?;
        Ok(renewed)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(()) // `load` keeps `last_seen_at`
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        Ok(self.close(key).await?)
    }
}
