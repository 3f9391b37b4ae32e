//! Asks a logged-in user for the password again.

use std::time::Duration;

use super::passwords::{self, Busy, Place, Verdict};
use super::throttle::{Attempt, Decision};
use super::{User, Viewer, users};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::{Database, DbError};

#[derive(Debug, thiserror::Error)]
pub(super) enum OwnPasswordError {
    #[error("the password is wrong")]
    Wrong,
    #[error("too many attempts; wait {0:?}")]
    Slowed(Duration),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(OwnPasswordError);

/// Verifies the viewer's password. Attempts are rate-limited like logins; failures are recorded as a denied `action`.
pub(super) async fn verify(
    db: &Database,
    clock: &Clock,
    (viewer, origin): (&Viewer, &Origin),
    action: Action,
    password: &str,
) -> Result<User, OwnPasswordError> {
    let place = Place::take(&viewer.email, true)?;
    let mut attempt = Attempt::of_user(viewer.user_id);
    let mut connection = db.get().await?;
    if let Decision::Refuse(wait) = attempt.begin(&mut connection, clock.now()).await? {
        if attempt.is_first_refusal(&mut connection, clock.now()).await? {
            let event = Event::new(action, Outcome::Denied, viewer.actor(), origin);
            audit::record(&connection, &event.detail(serde_json::json!({"reason": "too many attempts"}))).await?;
        }
        return Err(OwnPasswordError::Slowed(wait));
    }
    let user = users::by_email(&mut connection, &viewer.email).await?;
    // Hashing may wait for its turn, and must not hold a connection.
    drop(connection);
    let stored = user.as_ref().and_then(|user| user.password_hash.as_deref());
    let verdict = passwords::verify(&place, password, stored).await;
    let Some(user) = user.filter(|_| verdict != Verdict::Wrong) else {
        let event = Event::new(action, Outcome::Denied, viewer.actor(), origin);
        audit::record(&*db.get().await?, &event).await?;
        return Err(OwnPasswordError::Wrong);
    };
    attempt.succeeded(&mut *db.get().await?).await?;
    Ok(user)
}
