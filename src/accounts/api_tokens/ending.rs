//! Ends tokens: one that is revoked, and those of a user who is disabled.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::company::company_of_service;
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::{api_tokens, users};

/// Revokes a token, and records that. Returns its name, or `None` if there is no such token that isn't revoked.
pub async fn revoke(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    id: i64,
    (actor, origin): (Actor<'_>, &Origin),
) -> QueryResult<Option<String>> {
    let open = api_tokens::table.find(id).filter(api_tokens::revoked_at.is_null());
    let revoked: Option<(String, i64)> = diesel::update(open)
        .set(api_tokens::revoked_at.eq(now))
        .returning((api_tokens::name, api_tokens::user_id))
        .get_result(connection)
        .await
        .optional()?;
    let Some((name, user_id)) = revoked else { return Ok(None) };
    let owner: String = users::table.find(user_id).select(users::email).first(connection).await?;
    let company = company_of_service(connection, user_id).await?;
    let event = Event::new(Action::TokenRevoked, Outcome::Success, actor, origin);
    let event = event.with_company(company.as_ref());
    let detail = json!({"token": {"id": id, "name": name}, "owner": owner});
    audit::record(connection, &event.detail(detail)).await?;
    Ok(Some(name))
}

/// Revokes the tokens of a user who is disabled. Returns how many there were. The event of the disabling names the number.
pub(in crate::accounts) async fn revoke_all(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
) -> QueryResult<usize> {
    let open = api_tokens::table
        .filter(api_tokens::user_id.eq(user_id))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now));
    diesel::update(open).set(api_tokens::revoked_at.eq(now)).execute(connection).await
}
