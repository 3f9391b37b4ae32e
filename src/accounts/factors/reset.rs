//! Removes all second factors of a login whose user has lost them: by an administrator, or on the command line.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{Factors, passkeys, recovery, remembered, totp};
use crate::accounts::{User, sessions};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// Removes the factors, ends every session, records that, and tells the user by email. Returns `false` if there was none.
///
/// The caller has locked the user. If a factor is required, the next login asks to set one up.
pub async fn reset(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user: &User,
    (actor, origin): (Actor<'_>, &Origin),
) -> QueryResult<bool> {
    let had_any = Factors::of(connection, user.id).await?.is_any();
    // Also a secret that was never confirmed.
    totp::remove(connection, user.id).await?;
    if !had_any {
        return Ok(false);
    }
    passkeys::remove_all(connection, user.id).await?;
    recovery::remove(connection, user.id).await?;
    remembered::forget_all(connection, user.id).await?;
    sessions::end_all(connection, user.id).await?;
    super::make_due(connection, now, user.id).await?;
    let event = Event::new(Action::MfaRemoved, Outcome::Success, actor, origin);
    audit::record(connection, &event.detail(json!({"email": user.email, "factor": "all"}))).await?;
    let template = EmailTemplate::security(SecurityNotice::FactorsReset, &user.name);
    outbox::post(connection, now, To::new(&user.email, Some(user.id)), &template).await?;
    Ok(true)
}
