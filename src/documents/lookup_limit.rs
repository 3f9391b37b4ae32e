//! Slows a customer's login that asks for many BOLs or documents that aren't its own.
//!
//! A person mistypes a number now and then. A script that tries numbers gets 404 for each, until the limit. From then on
//! every lookup of that login is refused for a while, so that a number that does exist isn't found either. Postgres
//! counts, so that all instances count together. The log has one event for each time.

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::result::Error as QueryError;
use diesel::sql_types::{BigInt, Bool, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::DbError;
use crate::db::scope::Scope;

/// Denied lookups of a login within [`WINDOW`].
pub const MAX_DENIED: i32 = 60;
pub const WINDOW: TimeDelta = TimeDelta::seconds(60);
/// How long the login is refused after that.
pub const BLOCKED: TimeDelta = TimeDelta::minutes(5);

/// The constraint that `assert_lookups_allowed` names when it refuses.
const LOOKUPS_ALLOWED: &str = "lookups_allowed";

/// Returns a statement that fails while the login is refused. Office staff may see every BOL, so nothing is denied to them.
pub(super) fn condition(scope: &Scope) -> Option<String> {
    match scope {
        Scope::Companies { user_id, .. } => Some(format!("SELECT assert_lookups_allowed({user_id})")),
        Scope::All => None,
    }
}

/// Returns whether a query failed because of [`condition`].
pub fn is_reached(error: &DbError) -> bool {
    matches!(error, DbError::Query(QueryError::DatabaseError(_, info)) if info.constraint_name() == Some(LOOKUPS_ALLOWED))
}

/// Counts a denied lookup, and records it if the limit is reached with it.
pub(super) async fn count(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    actor: Actor<'_>,
    origin: &Origin,
) -> QueryResult<()> {
    let Scope::Companies { user_id, .. } = scope else { return Ok(()) };
    let is_last: bool = diesel::select(
        sql::<Bool>("count_denied_lookup(")
            .bind::<BigInt, _>(user_id)
            .sql(", ")
            .bind::<Integer, _>(MAX_DENIED)
            .sql(&format!(", '{} s', '{} s')", WINDOW.num_seconds(), BLOCKED.num_seconds())),
    )
    .get_result(&mut connection)
    .await?;
    if is_last {
        let event = Event::new(Action::LookupsLimited, Outcome::Denied, actor, origin);
        let detail = json!({"denied": MAX_DENIED, "within_seconds": WINDOW.num_seconds(),
                            "blocked_seconds": BLOCKED.num_seconds()});
        audit::record(connection, &event.detail(detail)).await?;
    }
    Ok(())
}
