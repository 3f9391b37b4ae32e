//! Passkeys ([WebAuthn Level 3](https://www.w3.org/TR/webauthn-3/)): a log-in without a password, and a second factor.
//!
//! [`registration`] adds one, and [`authentication`] checks its answers. Both are ceremonies of two requests, whose state
//! waits in [`ceremony`].

mod answer;
pub mod authentication;
mod ceremony;
mod party;
mod refusal;
pub mod registration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{remembered, settle};
use crate::accounts::{ActingUser, sessions, users as logins};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbResult;
use crate::db::schema::passkeys as table;
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

pub use party::RelyingParty;
pub use refusal::{PasskeyError, Refusal};

/// Passkeys of one login.
pub const MAX_PASSKEYS: i64 = 20;
const MAX_NAME_CHARS: usize = 100;

/// A passkey, as its user sees it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = table, check_for_backend(diesel::pg::Pg))]
pub struct PasskeyRow {
    pub id: i64,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whether it may be synced between devices.
    pub backup_eligible: bool,
    /// Whether it was synced when it was last used.
    pub backed_up: bool,
}

/// Returns the user's passkeys, oldest first.
pub async fn of_user(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<Vec<PasskeyRow>> {
    let theirs = table::table.filter(table::user_id.eq(user_id));
    theirs.select(PasskeyRow::as_select()).order((table::created_at, table::id)).load(connection).await
}

/// Returns one passkey of this user, and never one of another user.
pub async fn find(connection: &mut AsyncPgConnection, user_id: i64, id: i64) -> QueryResult<Option<PasskeyRow>> {
    let theirs = table::table.find(id).filter(table::user_id.eq(user_id));
    theirs.select(PasskeyRow::as_select()).first(connection).await.optional()
}

/// Returns the name as it is stored: without control characters and needless spaces. `None` if nothing is left, or too much.
pub fn clean_name(typed: &str) -> Option<String> {
    let plain: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    (1..=MAX_NAME_CHARS).contains(&name.chars().count()).then_some(name)
}

/// Renames one passkey of this user, and records that. Returns `false` if there is none.
pub async fn rename(user: ActingUser<'_>, id: i64, name: &str) -> DbResult<bool> {
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let theirs = table::table.find(id).filter(table::user_id.eq(user.viewer.user_id));
            let former = theirs.select(table::name).for_no_key_update();
            let Some(former) = former.first::<String>(connection).await.optional()? else { return Ok(false) };
            if former != name {
                diesel::update(theirs).set(table::name.eq(name)).execute(connection).await?;
                let event = Event::new(Action::PasskeyRenamed, Outcome::Success, user.actor(), user.origin);
                audit::record(connection, &event.detail(json!({"id": id, "name": name, "from": former}))).await?;
            }
            Ok(true)
        })
        .await
}

/// Removes one passkey of this user, and ends the other sessions, which it may have opened. Records that, and tells the
/// user by email. Returns `false` if there is none.
///
/// If it was the last second factor and one is required, the next request asks for a new one.
pub async fn remove(user: ActingUser<'_>, id: i64) -> DbResult<bool> {
    let (now, viewer) = (user.clock.now(), user.viewer);
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            logins::lock(connection, viewer.user_id).await?;
            let theirs = table::table.find(id).filter(table::user_id.eq(viewer.user_id));
            let removed: Option<String> =
                diesel::delete(theirs).returning(table::name).get_result(connection).await.optional()?;
            let Some(name) = removed else { return Ok(false) };
            sessions::end_others(connection, viewer.user_id, viewer.session()?).await?;
            // The browsers were remembered by a user with this factor.
            remembered::forget_all(connection, viewer.user_id).await?;
            settle(connection, now, viewer.user_id).await?;
            let event = Event::new(Action::PasskeyRemoved, Outcome::Success, user.actor(), user.origin);
            audit::record(connection, &event.detail(json!({"id": id, "name": name}))).await?;
            let template = EmailTemplate::security(SecurityNotice::PasskeyRemoved { passkey: name }, &viewer.name);
            outbox::post(connection, now, To::new(&viewer.email, Some(viewer.user_id)), &template).await?;
            Ok(true)
        })
        .await
}

/// Removes every passkey of a user.
pub(super) async fn remove_all(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    diesel::delete(table::table.filter(table::user_id.eq(user_id))).execute(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_visible_text() {
        assert_eq!(clean_name("  Work\tlaptop \r\n").as_deref(), Some("Work laptop"));
        assert_eq!(clean_name(&"ü".repeat(100)).as_deref(), Some("ü".repeat(100).as_str()));
        for bad in ["", " \u{0}\n", &"x".repeat(101)] {
            assert_eq!(clean_name(bad), None, "{bad:?}");
        }
    }
}
