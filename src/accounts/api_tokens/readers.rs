//! Who is sent emails about a token.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::accounts::Role;

/// A person who is sent an email about a token.
#[derive(QueryableByName)]
pub(super) struct Reader {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub email: String,
    #[diesel(sql_type = Text)]
    pub name: String,
}

/// Returns the readers of an email about a token of an owner: the owner. For a service account, which has no mailbox: the maker if still active, or else those who administer it.
pub(super) async fn readers(
    connection: &mut AsyncPgConnection,
    (token, owner, is_service): (i64, i64, bool),
) -> QueryResult<Vec<Reader>> {
    if !is_service {
        return by(connection, "u.id = $1 AND u.active", owner).await;
    }
    let maker = "u.active AND NOT u.is_service AND u.id = (SELECT made_by FROM api_tokens WHERE id = $1)";
    let maker = by(connection, maker, token).await?;
    if !maker.is_empty() {
        return Ok(maker);
    }
    let of_company = "u.active AND NOT u.is_service AND u.password_hash IS NOT NULL AND u.id IN (SELECT a.user_id FROM memberships a \
                      JOIN memberships m ON m.customer_id = a.customer_id WHERE a.is_admin AND m.user_id = $1)";
    let of_company = by(connection, of_company, owner).await?;
    if !of_company.is_empty() {
        return Ok(of_company);
    }
    let administrators = format!("u.active AND NOT u.is_service AND u.role = '{}' AND $1 > 0", Role::Admin);
    by(connection, &administrators, owner).await
}

/// The users that a condition names.
async fn by(connection: &mut AsyncPgConnection, condition: &str, id: i64) -> QueryResult<Vec<Reader>> {
    diesel::sql_query(format!("SELECT u.id, u.email, u.name FROM users u WHERE {condition} ORDER BY u.id LIMIT 20"))
        .bind::<BigInt, _>(id)
        .load(connection)
        .await
}
