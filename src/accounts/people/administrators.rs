//! The administrators of the portal, to whom it sends email about itself.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::accounts::Role;
use crate::db::schema::users;

/// An active administrator.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct Administrator {
    pub id: i64,
    pub email: String,
    pub name: String,
}

/// Returns every active administrator of the portal.
pub async fn administrators(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Administrator>> {
    users::table
        .filter(users::role.eq(Role::Admin.as_str()))
        .filter(users::active)
        .filter(diesel::dsl::not(users::is_service))
        .order(users::id)
        .select(Administrator::as_select())
        .load(connection)
        .await
}
