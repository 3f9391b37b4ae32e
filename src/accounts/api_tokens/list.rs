//! The tokens of a user, as its page and the command line show them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;

use crate::db::schema::{api_tokens, memberships, users};

/// Tokens that the list shows. There are fewer that work.
const MAX_ROWS: i64 = 100;

/// A token, without its secret.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = api_tokens, check_for_backend(diesel::pg::Pg))]
pub struct TokenRow {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<String>,
    pub networks: Vec<IpNet>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub last_ip: Option<IpNet>,
    pub last_agent: String,
}

impl TokenRow {
    /// Whether it still opens something, as far as the token itself is concerned.
    pub fn works(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at > now
    }
}

/// Returns the user's tokens: those that work, then those that have ended, each newest first.
pub async fn of_user(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
) -> QueryResult<Vec<TokenRow>> {
    let works = api_tokens::revoked_at.is_null().and(api_tokens::expires_at.gt(now));
    api_tokens::table
        .filter(api_tokens::user_id.eq(user_id))
        .select(TokenRow::as_select())
        // However many have ended, they hide none that works.
        .order((works.desc(), api_tokens::id.desc()))
        .limit(MAX_ROWS)
        .load(connection)
        .await
}

/// Returns the address of the maker of each of the user's tokens. Of those that are not members of `companies` it says nothing,
/// unless that is `None`.
pub async fn makers(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    companies: Option<&[i64]>,
) -> QueryResult<HashMap<i64, String>> {
    let of_tokens = api_tokens::table
        .inner_join(users::table.on(api_tokens::made_by.eq(users::id.nullable())))
        .filter(api_tokens::user_id.eq(user_id))
        .select((api_tokens::id, users::email))
        .into_boxed();
    let of_tokens = match companies {
        None => of_tokens,
        Some(ids) => {
            let members = memberships::table.filter(memberships::customer_id.eq_any(ids)).select(memberships::user_id);
            of_tokens.filter(users::id.eq_any(members))
        }
    };
    let found: Vec<(i64, String)> = of_tokens.load(connection).await?;
    Ok(found.into_iter().collect())
}

/// Returns one token of this user, and never one of another user.
pub async fn find(connection: &mut AsyncPgConnection, user_id: i64, id: i64) -> QueryResult<Option<TokenRow>> {
    let theirs = api_tokens::table.find(id).filter(api_tokens::user_id.eq(user_id));
    theirs.select(TokenRow::as_select()).first(connection).await.optional()
}

/// Returns the tokens of all users that still work, with their owners' addresses.
pub async fn working(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Vec<(String, TokenRow)>> {
    api_tokens::table
        .inner_join(users::table.on(users::id.eq(api_tokens::user_id)))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.gt(now))
        .select((users::email, TokenRow::as_select()))
        .order((users::email, api_tokens::id))
        .load(connection)
        .await
}
