//! Logins and their roles.

use std::fmt;
use std::str::FromStr;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::lower;
use crate::db::schema::{memberships, users};
use crate::mail;

/// The role of a login. An admin can do everything that the office and auditors can, and manage users of every role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Customer,
    Office,
    Auditor,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Customer, Self::Office, Self::Auditor, Self::Admin];

    /// The name in the database, the log and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Office => "office",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Customer => "Customer",
            Self::Office => "Office",
            Self::Auditor => "Auditor",
            Self::Admin => "Administrator",
        }
    }
}

/// Whether this is the customers' role, as the log names it.
pub fn is_customer_role(name: &str) -> bool {
    name == Role::Customer.as_str()
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("unknown role {text:?}"))
    }
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct User {
    pub id: i64,
    pub email: String,
    pub name: String,
    pub role: String,
    pub password_hash: Option<String>,
    pub active: bool,
    /// A service account: it has API tokens, and no way to log in.
    pub is_service: bool,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub struct NewUser<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub role: &'a str,
    pub password_hash: Option<String>,
}

#[derive(Insertable)]
#[diesel(table_name = memberships)]
pub struct NewMembership {
    pub user_id: i64,
    pub customer_id: i64,
    pub is_admin: bool,
}

/// Returns the normalized spelling of an email address. User lookup, the counting of failed logins and device
/// cookies compare this spelling.
pub fn one_spelling(email: &str) -> String {
    let kept: String = mail::canonical(email).chars().filter(|c| !c.is_control()).take(254).collect();
    kept.to_lowercase()
}

/// Finds a user by address, without regard to case, as the unique index does.
pub async fn by_email(connection: &mut AsyncPgConnection, email: &str) -> QueryResult<Option<User>> {
    users::table
        .select(User::as_select())
        .filter(lower(users::email).eq(one_spelling(email)))
        .first(connection)
        .await
        .optional()
}

impl NewUser<'_> {
    pub async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        diesel::insert_into(users::table).values(self).returning(users::id).get_result(connection).await
    }
}

pub async fn add_memberships(connection: &mut AsyncPgConnection, new: &[NewMembership]) -> QueryResult<usize> {
    diesel::insert_into(memberships::table).values(new).execute(connection).await
}

pub async fn set_active(connection: &mut AsyncPgConnection, id: i64, active: bool) -> QueryResult<usize> {
    diesel::update(users::table.find(id)).set(users::active.eq(active)).execute(connection).await
}

pub async fn by_id(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).first(connection).await.optional()
}

/// Locks the user's row until the transaction ends.
pub async fn lock(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<User>> {
    users::table.find(id).select(User::as_select()).for_update().first(connection).await.optional()
}

/// Locks the user's row until the transaction ends. Returns `false` if it has changed since it was read.
pub async fn lock_unchanged(connection: &mut AsyncPgConnection, user: &User) -> QueryResult<bool> {
    let unchanged: Option<i64> = users::table
        .find(user.id)
        .filter(users::active)
        .filter(users::password_hash.is_not_distinct_from(&user.password_hash))
        .select(users::id)
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(unchanged.is_some())
}

pub async fn set_password_hash(connection: &mut AsyncPgConnection, id: i64, hash: &str) -> QueryResult<usize> {
    diesel::update(users::table.find(id)).set(users::password_hash.eq(hash)).execute(connection).await
}

/// Returns every user with the codes of its companies, by address.
pub async fn all(connection: &mut AsyncPgConnection) -> QueryResult<Vec<(User, Vec<String>)>> {
    use crate::db::schema::customers;
    let found: Vec<User> = users::table.select(User::as_select()).order(users::email).load(connection).await?;
    let codes: Vec<(i64, String)> = memberships::table
        .inner_join(customers::table)
        .select((memberships::user_id, customers::code))
        .order(customers::code)
        .load(connection)
        .await?;
    let of = |id| codes.iter().filter(|(user, _)| *user == id).map(|(_, code)| code.clone()).collect();
    Ok(found
        .into_iter()
        .map(|user| {
            let codes = of(user.id);
            (user, codes)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn the_configuration_knows_every_role() {
        assert_eq!(Role::ALL.map(Role::as_str), crate::config::ROLES);
    }
}
