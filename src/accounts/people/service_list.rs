//! The list of service accounts, for the users in whose charge they are.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Authority;
use crate::accounts::Role;

/// A service account in a list.
#[derive(Clone, Debug, QueryableByName)]
pub struct ServiceAccount {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub email: String,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub role: String,
    #[diesel(sql_type = Bool)]
    pub active: bool,
    /// Codes of the companies, separated by spaces.
    #[diesel(sql_type = Text)]
    pub companies: String,
    /// The number of tokens that work.
    #[diesel(sql_type = BigInt)]
    pub tokens: i64,
}

impl ServiceAccount {
    pub fn role_label(&self) -> &'static str {
        self.role.parse().map_or("", Role::label)
    }
}

/// Returns the service accounts in the user's charge, active ones first ([`Authority::has_charge_of`]).
pub async fn service_accounts(
    connection: &mut AsyncPgConnection,
    authority: &Authority,
    now: DateTime<Utc>,
) -> QueryResult<Vec<ServiceAccount>> {
    let roles: Vec<&str> = authority.roles().iter().map(|role| role.as_str()).collect();
    let companies = match authority {
        Authority::Companies(ids) => Some(ids),
        Authority::Everybody | Authority::Customers => None,
    };
    diesel::sql_query(
        "SELECT u.id, u.email, u.name, u.role, u.active, \
         coalesce((SELECT string_agg(c.code, ' ' ORDER BY c.code) FROM memberships s JOIN customers c ON c.id = s.customer_id \
                   WHERE s.user_id = u.id), '') AS companies, \
         (SELECT count(*) FROM api_tokens t WHERE t.user_id = u.id AND t.revoked_at IS NULL AND t.expires_at > $1) AS tokens \
         FROM users u WHERE u.is_service AND u.role = ANY ($2) AND ($3::bigint[] IS NULL OR \
             EXISTS (SELECT FROM memberships s WHERE s.user_id = u.id) AND \
             NOT EXISTS (SELECT FROM memberships s WHERE s.user_id = u.id AND s.customer_id <> ALL ($3::bigint[]))) \
         ORDER BY u.active DESC, lower(u.name), u.id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(roles)
    .bind::<Nullable<Array<BigInt>>, _>(companies)
    .load(connection)
    .await
}
