//! The roles that the migrations need, created before the first of them.

use diesel::dsl::sql;
use diesel::sql_types::{Array, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::tolerant;
use crate::config::DatabaseUrl;
use crate::db::migrations::{Failure, alone};

/// The statements that are missing, in order. Since Postgres 16 the creator of a role is a member, but can't become it.
/// The other owner of a cluster created the roles, so this one may lack them too.
const MISSING: &str = "ARRAY(
    SELECT statement FROM unnest('{portal_customer,portal_server}'::name[]) AS t (name)
        LEFT JOIN pg_roles r ON r.rolname = t.name,
    LATERAL (VALUES
        (1, r.oid IS NULL, format('CREATE ROLE %I NOLOGIN NOINHERIT', t.name)),
        (2, t.name = 'portal_customer' AND coalesce(NOT pg_has_role(r.oid, CASE WHEN current_setting('server_version_num')::int >= 160000
            THEN 'SET' ELSE 'MEMBER' END), true), format('GRANT %I TO %I', t.name, current_user))
    ) AS w (step, is_missing, statement)
    WHERE is_missing ORDER BY t.name, step)";

/// Creates the roles `portal_customer` and `portal_server` if they are missing, and lets this role become the first.
/// The error names what a superuser has to run.
pub async fn prepare(url: &DatabaseUrl) -> Result<(), Failure> {
    let mut connection = alone(url).await?;
    let missing: Vec<String> = diesel::select(sql::<Array<Text>>(MISSING)).get_result(&mut connection).await?;
    for statement in &missing {
        connection.batch_execute(&tolerant(statement)).await.map_err(|error| {
            format!(
                "this database role can't set up the roles of the portal ({error}). As a superuser, run: {}; then run: \
                 primetrade migrate",
                missing.join("; ")
            )
        })?;
    }
    Ok(())
}
