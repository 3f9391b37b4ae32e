//! The company of a service account, for the events about its tokens.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::schema::{customers, memberships, users};

/// Returns the company of a service account: id and code. `None` for one of the terminal, and for a person.
pub(super) async fn company_of_service(
    connection: &mut AsyncPgConnection,
    user_id: i64,
) -> QueryResult<Option<(i64, String)>> {
    memberships::table
        .inner_join(customers::table)
        .inner_join(users::table)
        .filter(memberships::user_id.eq(user_id))
        .filter(users::is_service)
        .select((customers::id, customers::code))
        .first(connection)
        .await
        .optional()
}
