//! Looks up again whether a user may still do what a long request does.
//!
//! A ZIP or an export can take hours. Its session or token, login, role, companies and the customer that it is viewed as are
//! checked before each document and each batch of rows, so that access ends when it is taken away.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::result::Error as QueryError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::response_slots::ResponseSlot;
use super::{Door, Viewer, sessions};
use crate::audit::export::{AccessCheck, ExportBroken};
use crate::clock::Clock;
use crate::db::{Database, DbError, DbResult, scope};

/// The constraint that `assert_access` names when it refuses.
const ACCESS_STANDS: &str = "access_stands";

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The access was taken away during the request. The text says how, for the log.
    #[error("access was taken away: {0}")]
    Ended(String),
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for AccessError {
    fn from(error: DbError) -> Self {
        match &error {
            DbError::Query(QueryError::DatabaseError(_, info)) if info.constraint_name() == Some(ACCESS_STANDS) => {
                Self::Ended(info.message().to_owned())
            }
            _ => Self::Db(error),
        }
    }
}

crate::db::query_error_into!(AccessError);

impl From<AccessError> for ExportBroken {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Ended(_) => Self::AccessEnded(error.to_string()),
            AccessError::Db(error) => error.into(),
        }
    }
}

/// The access with which a long request began.
#[derive(Clone)]
pub struct Access {
    db: Database,
    clock: Clock,
    viewer: Viewer,
}

impl Access {
    pub fn new(db: &Database, clock: &Clock, viewer: &Viewer) -> Self {
        Self { db: db.clone(), clock: clock.clone(), viewer: viewer.clone() }
    }

    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Fails if any part of the access has ended.
    pub async fn check(&self) -> Result<(), AccessError> {
        let check: DbResult<()> =
            async { Ok(self.db.get().await?.batch_execute(&statement(&self.viewer, self.clock.now())).await?) }.await;
        Ok(check?)
    }

    /// Returns [`Access::check`] for an export of the log, which holds the slot.
    pub fn export_check(&self, slot: ResponseSlot) -> AccessCheck {
        let access = self.clone();
        Arc::new(move || {
            let (access, _) = (access.clone(), &slot);
            Box::pin(async move { Ok(access.check().await?) })
        })
    }

    /// Runs `work` in the user's scope and commits what it wrote, unless the access has ended. Takes no further round
    /// trip.
    pub async fn record<T>(
        &self,
        work: impl AsyncFnOnce(&AsyncPgConnection) -> diesel::QueryResult<T>,
    ) -> Result<T, AccessError> {
        let check = statement(&self.viewer, self.clock.now());
        Ok(scope::record_if(&self.db, &self.viewer.scope(), Some(&check), work).await?)
    }
}

/// Fails inside a transaction if the viewer's access has ended. [`AccessError`] recognizes the error.
pub async fn assert_access(
    connection: &mut AsyncPgConnection,
    viewer: &Viewer,
    now: DateTime<Utc>,
) -> diesel::QueryResult<()> {
    connection.batch_execute(&statement(viewer, now)).await
}

/// Only numbers, times and the names of roles, which need no quoting.
fn statement(viewer: &Viewer, now: DateTime<Utc>) -> String {
    let ids: Vec<String> = viewer.companies.iter().map(|company| company.id.to_string()).collect();
    let (seen_as, ids) = match viewer.seeing_from {
        Some(_) => (ids.join(","), String::new()),
        None => ("NULL".into(), ids.join(",")),
    };
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    let (user_id, role) = (viewer.user_id, viewer.true_role().as_str());
    match &viewer.door {
        Door::Session { id } => format!(
            "SELECT assert_access({user_id}, {id}, '{role}', {seen_as}, '{{{ids}}}', '{}', '{}')",
            time(now - sessions::ABSOLUTE),
            time(now - sessions::IDLE),
        ),
        // A token never views as a customer.
        Door::Token(token) => {
            format!("SELECT assert_token_access({user_id}, {}, '{role}', '{{{ids}}}', '{}')", token.id, time(now))
        }
    }
}
