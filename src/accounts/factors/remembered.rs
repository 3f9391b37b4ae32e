//! Browsers in which a user is not asked for the second factor, for 30 days.
//!
//! A row each, so that the user can take it back. Administrators are always asked.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use serde_json::json;

use crate::accounts::{ActingUser, HalfLogin, Role, Token, device_name};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::db::DbResult;
use crate::db::schema::remembered_devices as table;

pub const LIFE: TimeDelta = TimeDelta::days(30);

/// Whether browsers of this role can be remembered.
pub fn is_allowed(role: Role) -> bool {
    role != Role::Admin
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = table, check_for_backend(diesel::pg::Pg))]
pub struct RememberedDevice {
    pub id: i64,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub ip: Option<IpNet>,
    pub user_agent: String,
}

/// Remembers this browser, and records that. The token is stored in its cookie only.
pub(super) async fn remember(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    half: &HalfLogin,
    origin: &Origin,
) -> QueryResult<Token> {
    diesel::delete(table::table.filter(table::created_at.le(now - LIFE))).execute(connection).await?;
    let token = Token::generate()?;
    let row = (
        table::token_hash.eq(token.hash()),
        table::user_id.eq(half.user_id),
        table::created_at.eq(now),
        table::last_used_at.eq(now),
        table::ip.eq(origin.ip.map(IpNet::from)),
        table::user_agent.eq(&origin.user_agent),
    );
    let id: i64 = diesel::insert_into(table::table).values(row).returning(table::id).get_result(connection).await?;
    let event = Event::new(Action::DeviceRemembered, Outcome::Success, half.actor(), origin);
    audit::record(connection, &event.detail(json!({"id": id, "days": LIFE.num_days()}))).await?;
    Ok(token)
}

/// Whether this cookie is that of a browser which the user told to remember.
pub(in crate::accounts) async fn recognize(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
    cookie: &str,
) -> QueryResult<bool> {
    let device = table::table
        .find(Token::presented(cookie).hash())
        .filter(table::user_id.eq(user_id))
        .filter(table::created_at.gt(now - LIFE));
    Ok(diesel::update(device).set(table::last_used_at.eq(now)).execute(connection).await? == 1)
}

/// Returns the user's remembered browsers, latest first.
pub async fn of_user(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
) -> QueryResult<Vec<RememberedDevice>> {
    table::table
        .select(RememberedDevice::as_select())
        .filter(table::user_id.eq(user_id))
        .filter(table::created_at.gt(now - LIFE))
        .order((table::last_used_at.desc(), table::id.desc()))
        .load(connection)
        .await
}

/// Forgets one browser of this user, and never one of another user. Records that.
pub async fn forget(user: ActingUser<'_>, id: i64) -> DbResult<()> {
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let theirs = table::table.filter(table::user_id.eq(user.viewer.user_id)).filter(table::id.eq(id));
            let forgotten = diesel::delete(theirs).returning(table::user_agent).get_result::<String>(connection).await;
            if let Some(user_agent) = forgotten.optional()? {
                let detail = json!({"id": id, "device": device_name(&user_agent)});
                let event = Event::new(Action::DeviceForgotten, Outcome::Success, user.actor(), user.origin);
                audit::record(connection, &event.detail(detail)).await?;
            }
            Ok(())
        })
        .await
}

pub async fn forget_all(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    diesel::delete(table::table.filter(table::user_id.eq(user_id))).execute(connection).await
}
