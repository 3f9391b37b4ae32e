//! The people in charge of something that has no login, such as a webhook.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::administrators::{Administrator, administrators};
use crate::accounts::Role;

/// A person in charge.
#[derive(Clone, Debug, QueryableByName)]
pub struct Owner {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub email: String,
    #[diesel(sql_type = Text)]
    pub name: String,
}

/// Returns the people in charge of a webhook: the administrators of its company, or the maker of one for the terminal. If there is
/// none of these any more, the administrators of the portal, whose way to it is that of the office: `true`.
pub async fn webhook_owners(
    connection: &mut AsyncPgConnection,
    company: Option<i64>,
    made_by: Option<i64>,
) -> QueryResult<(Vec<Owner>, bool)> {
    let owners: Vec<Owner> = diesel::sql_query(
        "SELECT u.id, u.email, u.name FROM users u WHERE u.active AND NOT u.is_service AND CASE WHEN $1::bigint IS NULL \
             THEN u.id = $2 AND u.role IN ($3, $4) \
             ELSE u.role = $5 AND EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id AND m.customer_id = $1 AND m.is_admin) END \
         ORDER BY u.id",
    )
    .bind::<Nullable<BigInt>, _>(company)
    .bind::<Nullable<BigInt>, _>(made_by)
    .bind::<Text, _>(Role::Office.as_str())
    .bind::<Text, _>(Role::Admin.as_str())
    .bind::<Text, _>(Role::Customer.as_str())
    .load(connection)
    .await?;
    if !owners.is_empty() {
        return Ok((owners, company.is_none()));
    }
    let owner = |admin: Administrator| Owner { id: admin.id, email: admin.email, name: admin.name };
    Ok((administrators(connection).await?.into_iter().map(owner).collect(), true))
}
