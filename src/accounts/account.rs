//! What users change about their own account: the password, notices and sessions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::breached::BreachList;
use super::factors::remembered;
use super::own_password::{self, OwnPasswordError};
use super::passwords::{self, Busy, Unacceptable};
use super::{HalfLogin, Token, Viewer, sessions, users};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::users as table;
use crate::db::{Database, DbError, DbResult};
use crate::mail::EmailTemplate;
use crate::mail::outbox::{self, To};

pub struct NewPassword<'a> {
    pub breached: Option<&'a BreachList>,
    pub current: &'a str,
    pub new: &'a str,
    pub repeated: &'a str,
}

impl From<OwnPasswordError> for ChangeError {
    fn from(error: OwnPasswordError) -> Self {
        match error {
            OwnPasswordError::Wrong => Self::Current,
            OwnPasswordError::Slowed(wait) => Self::Slowed(wait),
            OwnPasswordError::Busy(busy) => Self::Busy(busy),
            OwnPasswordError::Db(error) => Self::Db(error),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("That isn't your current password.")]
    Current,
    #[error("Too many attempts. Wait a few minutes and try again.")]
    Slowed(Duration),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("{0}")]
    New(#[from] Unacceptable),
    #[error("That is the password you have now. Choose another.")]
    Same,
    #[error("The two passwords don't match. Type the new password again.")]
    Repeat,
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(ChangeError);

/// Changes the password, ends all other sessions and returns the new token of this one. Requires the current password.
/// Attempts are rate-limited like logins.
pub async fn change_password(
    db: &Database,
    clock: &Clock,
    viewer: &Viewer,
    origin: &Origin,
    change: NewPassword<'_>,
) -> Result<Token, ChangeError> {
    let user = own_password::verify(db, clock, (viewer, origin), Action::PasswordChanged, change.current).await?;
    passwords::check(change.new, &[&viewer.email, &viewer.name, &viewer.company_names()], change.breached).await?;
    if change.new == change.current {
        return Err(ChangeError::Same);
    }
    if change.new != change.repeated {
        return Err(ChangeError::Repeat);
    }
    let Some(hash) = passwords::hash(change.new).await else {
        return Err(ChangeError::Db(DbError::Unreachable("the password can't be hashed right now".into())));
    };
    let now = clock.now();
    let changed = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Option<Token>> {
        if !users::lock_unchanged(connection, &user).await? {
            return Ok(None);
        }
        // The session was ended during the request.
        let Some(token) = sessions::renew(connection, viewer.session()?).await? else { return Ok(None) };
        diesel::update(table::table.find(viewer.user_id))
            .set((table::password_hash.eq(hash), table::password_changed_at.eq(now)))
            .execute(connection)
            .await?;
        sessions::end_others(connection, viewer.user_id, viewer.session()?).await?;
        sessions::prove(connection, now, viewer.session()?).await?;
        remembered::forget_all(connection, viewer.user_id).await?;
        let event = Event::new(Action::PasswordChanged, Outcome::Success, viewer.actor(), origin);
        audit::record(connection, &event).await?;
        let template = EmailTemplate::PasswordChanged { name: viewer.name.clone() };
        outbox::post(connection, now, To::new(&viewer.email, Some(viewer.user_id)), &template).await?;
        Ok(Some(token))
    });
    // The password was changed during the request, for example through a link.
    changed.await?.ok_or(ChangeError::Current)
}

/// How often a user gets emails about new documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    Immediately,
    Daily,
    Never,
}

impl Notify {
    pub const ALL: [Self; 3] = [Self::Immediately, Self::Daily, Self::Never];

    /// The name in the database and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immediately => "immediately",
            Self::Daily => "daily",
            Self::Never => "never",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notify| notify.as_str() == name)
    }
}

pub async fn notify(connection: &mut AsyncPgConnection, viewer: &Viewer) -> QueryResult<Notify> {
    let stored: String = table::table.find(viewer.user_id).select(table::notify).first(connection).await?;
    Ok(Notify::named(&stored).unwrap_or(Notify::Immediately))
}

/// Sets how often. The first daily email covers the documents from now on.
pub async fn set_notify(
    db: &Database,
    clock: &Clock,
    viewer: &Viewer,
    origin: &Origin,
    choice: Notify,
) -> DbResult<()> {
    let now = clock.now();
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let before = notify(connection, viewer).await?;
        if before == choice {
            return Ok(());
        }
        diesel::update(table::table.find(viewer.user_id))
            .set((table::notify.eq(choice.as_str()), table::told_until.eq(now)))
            .execute(connection)
            .await?;
        let event = Event::new(Action::NoticesChanged, Outcome::Success, viewer.actor(), origin);
        let detail = serde_json::json!({"before": before.as_str(), "after": choice.as_str()});
        Ok(audit::record(connection, &event.detail(detail)).await?)
    })
    .await
}

/// Makes BOLs that last changed before `until` no longer new to the viewer.
pub async fn set_read_until(db: &Database, viewer: &Viewer, until: DateTime<Utc>) -> DbResult<()> {
    let user = table::table.find(viewer.user_id);
    diesel::update(user).set(table::read_until.eq(until)).execute(&mut db.get().await?).await?;
    Ok(())
}

/// Ends the user's session. Returns whether single sign-on had opened it.
pub async fn log_out(db: &Database, viewer: &Viewer, origin: &Origin) -> DbResult<bool> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let is_of_sso = sessions::is_of_sso(connection, viewer.session()?).await?;
        sessions::end(connection, viewer.user_id, viewer.session()?).await?;
        audit::record(connection, &Event::new(Action::Logout, Outcome::Success, viewer.actor(), origin)).await?;
        Ok(is_of_sso)
    })
    .await
}

/// Ends a session that waits for a second factor. The log has no login that would end.
pub async fn cancel_login(db: &Database, half: &HalfLogin) -> DbResult<()> {
    sessions::end(&mut *db.get().await?, half.user_id, half.session_id).await?;
    Ok(())
}

pub async fn end_session(db: &Database, viewer: &Viewer, origin: &Origin, session_id: i64) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if sessions::end(connection, viewer.user_id, session_id).await? == 1 {
            let event = Event::new(Action::SessionRevoked, Outcome::Success, viewer.actor(), origin);
            audit::record(connection, &event.detail(serde_json::json!({"session": session_id}))).await?;
        }
        Ok(())
    })
    .await
}

pub async fn end_all_sessions(db: &Database, viewer: &Viewer, origin: &Origin) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        remembered::forget_all(connection, viewer.user_id).await?;
        let ended = sessions::end_all(connection, viewer.user_id).await?;
        let event = Event::new(Action::SessionRevoked, Outcome::Success, viewer.actor(), origin);
        Ok(audit::record(connection, &event.detail(serde_json::json!({"sessions": ended}))).await?)
    })
    .await
}
