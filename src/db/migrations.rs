//! The embedded migrations, applied by `migrate` and `demo`, and only checked by `serve`.

use diesel::dsl::{select, sql};
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connect;
use crate::config::DatabaseUrl;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Takes an advisory lock: only one instance migrates at a time.
const LOCK: &str = "SELECT pg_advisory_lock(7305891001)";

pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Applies pending migrations and returns their versions. Must run on a multi-threaded tokio runtime.
pub async fn apply(url: &DatabaseUrl) -> Result<Vec<String>, Failure> {
    let mut harness = AsyncMigrationHarness::new(alone(url).await?);
    let applied = harness.run_pending_migrations(MIGRATIONS)?;
    Ok(applied.iter().map(MigrationVersion::to_string).collect())
}

/// Opens a connection that waits until no other instance changes the schema.
pub(super) async fn alone(url: &DatabaseUrl) -> Result<AsyncPgConnection, Failure> {
    let mut connection = connect(url).await?;
    // Building an index on a large table, or waiting for another instance, may take longer than the timeouts allow.
    connection.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    connection.batch_execute(LOCK).await?;
    Ok(connection)
}

/// Reverts every migration, newest first. Used by tests of `down.sql`.
pub async fn revert_all(url: &DatabaseUrl) -> Result<usize, Failure> {
    let mut harness = AsyncMigrationHarness::new(connect(url).await?);
    Ok(harness.revert_all_migrations(MIGRATIONS)?.len())
}

/// Returns the versions of migrations that this program has and the database lacks. Changes nothing: the database may
/// belong to another program.
pub async fn pending(mut connection: AsyncPgConnection) -> Result<Vec<String>, Failure> {
    let (known, applied) = (known()?, applied(&mut connection).await?.unwrap_or_default());
    Ok(known.into_iter().filter(|version| !applied.contains(version)).collect())
}

/// Returns the versions of applied migrations that this program lacks, because the database is of a newer one. Returns
/// `None` if it isn't a database of the portal.
pub async fn unknown(connection: &mut AsyncPgConnection) -> Result<Option<Vec<String>>, Failure> {
    let (known, applied) = (known()?, applied(connection).await?);
    Ok(applied.map(|applied| applied.into_iter().filter(|version| !known.contains(version)).collect()))
}

/// Returns the versions that this program has, in their order.
fn known() -> Result<Vec<String>, Failure> {
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    Ok(known.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Returns the versions that the database has, or `None` if it has no list of them.
async fn applied(connection: &mut AsyncPgConnection) -> Result<Option<Vec<String>>, Failure> {
    // diesel would create its table in order to read it, which the role that serves may not.
    let has_table = select(sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL"));
    if !has_table.get_result(connection).await? {
        return Ok(None);
    }
    let all = sql::<Text>("SELECT version::text FROM __diesel_schema_migrations ORDER BY version");
    Ok(Some(all.load(connection).await?))
}
