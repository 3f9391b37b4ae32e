//! Lists of users for the people who manage them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Role;

pub const PAGE: usize = 50;

/// A login in a list.
#[derive(Clone, Debug, QueryableByName)]
pub struct Person {
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
    /// A service account, which has no password.
    #[diesel(sql_type = Bool)]
    pub is_service: bool,
    /// Whether the user has set a password.
    #[diesel(sql_type = Bool)]
    pub activated: bool,
    /// The expiry of the invitation, if there is one.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub invited_until: Option<DateTime<Utc>>,
    /// Why the newest invitation could not be delivered.
    #[diesel(sql_type = Text)]
    pub mail_error: String,
    /// Codes of the companies, separated by spaces.
    #[diesel(sql_type = Text)]
    pub companies: String,
    /// Whether the user is an administrator of the listed company.
    #[diesel(sql_type = Bool)]
    pub is_admin: bool,
}

/// A company of a login.
#[derive(Clone, Debug, QueryableByName)]
pub struct Membership {
    #[diesel(sql_type = BigInt)]
    pub customer_id: i64,
    #[diesel(sql_type = Text)]
    pub code: String,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Bool)]
    pub active: bool,
    #[diesel(sql_type = Bool)]
    pub is_admin: bool,
}

impl Person {
    pub fn role_label(&self) -> &'static str {
        self.role.parse().map_or("", Role::label)
    }

    /// Whether the login belongs to companies.
    pub fn is_customer(&self) -> bool {
        self.role.parse().is_ok_and(Role::belongs_to_companies)
    }
}

const PERSON: &str = "SELECT u.id, u.email, u.name, u.role, u.active, u.is_service, u.password_hash IS NOT NULL AS activated, \
    (SELECT t.expires_at FROM tokens t WHERE t.user_id = u.id AND t.purpose = 'invitation') AS invited_until, \
    coalesce((SELECT m.last_error FROM (SELECT last_error, failed_at FROM mails WHERE user_id = u.id AND purpose = 'invitation' \
                                        ORDER BY id DESC LIMIT 1) m WHERE m.failed_at IS NOT NULL), '') AS mail_error, \
    coalesce((SELECT string_agg(c.code, ' ' ORDER BY c.code) FROM memberships s JOIN customers c ON c.id = s.customer_id \
              WHERE s.user_id = u.id), '') AS companies";

/// Returns logins of these roles by address: one page and one row more. `find` is a part of the address, the name or
/// a code.
pub async fn people(
    connection: &mut AsyncPgConnection,
    roles: &[Role],
    find: &str,
    after: &str,
) -> QueryResult<Vec<Person>> {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    diesel::sql_query(format!(
        "{PERSON}, false AS is_admin FROM users u WHERE u.role = ANY ($1) AND lower(u.email) > $2 \
         AND (u.email ILIKE $3 OR u.name ILIKE $3 OR EXISTS (SELECT FROM memberships s JOIN customers c ON c.id = s.customer_id \
                                                             WHERE s.user_id = u.id AND (c.code ILIKE $3 OR c.name ILIKE $3))) \
         ORDER BY lower(u.email) LIMIT {}",
        PAGE + 1
    ))
    .bind::<Array<Text>, _>(roles)
    .bind::<Text, _>(after.to_lowercase().replace('\0', ""))
    .bind::<Text, _>(crate::db::fragment(find))
    .load(connection)
    .await
}

/// Returns every login of a company, active ones first.
pub async fn members(connection: &mut AsyncPgConnection, customer_id: i64) -> QueryResult<Vec<Person>> {
    diesel::sql_query(format!(
        "{PERSON}, membership.is_admin FROM memberships membership JOIN users u ON u.id = membership.user_id WHERE membership.customer_id = $1 \
         ORDER BY u.active DESC, lower(u.email)"
    ))
    .bind::<BigInt, _>(customer_id)
    .load(connection)
    .await
}

pub async fn person(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Person>> {
    diesel::sql_query(format!("{PERSON}, false AS is_admin FROM users u WHERE u.id = $1"))
        .bind::<BigInt, _>(id)
        .get_result(connection)
        .await
        .optional()
}

/// Returns the companies of a login, by name.
pub async fn memberships(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<Vec<Membership>> {
    diesel::sql_query(
        "SELECT c.id AS customer_id, c.code, c.name, c.active, s.is_admin FROM memberships s \
         JOIN customers c ON c.id = s.customer_id WHERE s.user_id = $1 ORDER BY c.name",
    )
    .bind::<BigInt, _>(user_id)
    .load(connection)
    .await
}
