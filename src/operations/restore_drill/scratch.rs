//! The database that a dump is restored into. Never the live one.

use diesel::dsl::sql;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::ScratchPlace;
use crate::config::DatabaseUrl;
use crate::db::cluster::{ClusterError, TemporaryCluster};
use crate::db::connect;

/// The system identifier is that of the cluster: a copy of its data folder has the same.
const IDENTITY: &str = "(SELECT system_identifier FROM pg_control_system()) || '/' || current_database()";
const SERVER: &str = "current_setting('server_version_num')::int / 10000";
/// Everything that a person or a program has created, and the statement that drops it. Members of extensions belong to
/// these. Sequences come after the tables that own some of them.
const CREATED: &str = "WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'), \
    created (step, name, statement) AS ( \
    SELECT 1, extname::text, format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql' \
    UNION ALL SELECT CASE c.relkind WHEN 'S' THEN 3 ELSE 2 END, c.relname, format('DROP %s IF EXISTS %I.%I CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' \
            WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, own.nspname, c.relname) \
        FROM pg_class c JOIN own ON own.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT c.relispartition \
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
    UNION ALL SELECT 4, p.proname, format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p JOIN own ON own.oid = p.pronamespace \
        WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') \
    UNION ALL SELECT 5, t.typname, format('DROP TYPE IF EXISTS %I.%I CASCADE', own.nspname, t.typname) FROM pg_type t JOIN own ON own.oid = t.typnamespace \
        WHERE t.typtype IN ('e', 'd') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') \
    UNION ALL SELECT 6, own.nspname, format('DROP SCHEMA IF EXISTS %I CASCADE', own.nspname) FROM own WHERE own.nspname <> 'public')";
/// Extensions alone don't make a database a used one: on managed servers an administrator creates them.
const IN_USE: &str = "SELECT name FROM created WHERE step IN (2, 3, 4) ORDER BY step, name";
/// An interrupted `pg_restore` leaves a statement that the server still runs. Waits until it has ended, in milliseconds.
const END_OTHERS: &str = "SET client_min_messages = warning; SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity \
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
const EXTENSIONS: &str = "SELECT extname::text FROM pg_extension";

#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("RESTORE_DRILL_URL is the live database; name an empty database of its own, or leave it out")]
    Live,
    #[error(
        "the database of RESTORE_DRILL_URL is not empty: it has {0}; if an interrupted drill left them, drop the database \
         and create it again, otherwise name another one"
    )]
    NotEmpty(String),
    #[error("can't tell whether RESTORE_DRILL_URL is another database than the live one: {0}")]
    Unknown(String),
    #[error("the scratch database can't be emptied: {0}; drop it and create it again")]
    NotRemoved(String),
}

/// An empty database for a drill.
pub struct Scratch {
    url: DatabaseUrl,
    server: u32,
    kind: ScratchKind,
}

enum ScratchKind {
    Private(Box<TemporaryCluster>),
    /// With the extensions that it had before.
    Given(Vec<String>),
}

impl Scratch {
    /// Starts a private cluster, or checks that the given database is empty and not the live one.
    pub async fn open(place: ScratchPlace<'_>, live: &DatabaseUrl) -> Result<Self, ScratchError> {
        let unknown = |error: &dyn std::fmt::Display| ScratchError::Unknown(error.to_string());
        let (url, kind) = match place {
            ScratchPlace::Private(parent) => {
                let private = TemporaryCluster::start(parent).await?;
                (private.cluster().database("primetrade").await?, ScratchKind::Private(Box::new(private)))
            }
            ScratchPlace::Given(url) => {
                let mut connection = connect(url).await.map_err(|error| unknown(&error))?;
                let mut live = connect(live).await.map_err(|error| unknown(&error))?;
                let ours: String = ask_text(&mut connection, IDENTITY).await.map_err(|error| unknown(&error))?;
                if ours == ask_text(&mut live, IDENTITY).await.map_err(|error| unknown(&error))? {
                    return Err(ScratchError::Live);
                }
                let used =
                    list(&mut connection, &format!("{CREATED} {IN_USE}")).await.map_err(|error| unknown(&error))?;
                if let Some(first) = used.as_slice().first() {
                    let others = if used.len() > 1 { format!(" and {} more", used.len() - 1) } else { String::new() };
                    return Err(ScratchError::NotEmpty(format!("{first}{others}")));
                }
                let extensions = list(&mut connection, EXTENSIONS).await.map_err(|error| unknown(&error))?;
                (url.clone(), ScratchKind::Given(extensions))
            }
        };
        let mut connection = connect(&url).await.map_err(|error| unknown(&error))?;
        let server = diesel::select(sql::<Integer>(SERVER)).get_result::<i32>(&mut connection).await;
        let server = server.map_err(|error| unknown(&error))?.unsigned_abs();
        Ok(Self { url, server, kind })
    }

    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Returns the major version of its server.
    pub fn server(&self) -> u32 {
        self.server
    }

    /// Removes the private cluster, or empties the given database again.
    pub async fn remove(self) -> Result<(), ScratchError> {
        match self.kind {
            ScratchKind::Private(private) => Ok(private.remove().await?),
            ScratchKind::Given(extensions) => {
                let emptied = empty(&self.url, &extensions).await;
                emptied.map_err(|error| ScratchError::NotRemoved(error.to_string()))
            }
        }
    }
}

async fn ask_text(connection: &mut AsyncPgConnection, expression: &str) -> QueryResult<String> {
    diesel::select(sql::<Text>(expression)).get_result(connection).await
}

async fn list(connection: &mut AsyncPgConnection, select: &str) -> QueryResult<Vec<String>> {
    diesel::select(sql::<Array<Text>>(&format!("ARRAY({select})"))).get_result(connection).await
}

/// Drops everything but the extensions that were there before.
async fn empty(url: &DatabaseUrl, extensions: &[String]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = connect(url).await?;
    connection.batch_execute(&format!("SET statement_timeout = 0; SET lock_timeout = 0; {END_OTHERS}")).await?;
    let select =
        sql::<Array<Text>>(&format!("ARRAY({CREATED} SELECT statement FROM created WHERE step > 1 OR name <> ALL ("));
    let statements = select.bind::<Array<Text>, _>(extensions).sql(") ORDER BY step, name)");
    let statements: Vec<String> = diesel::select(statements).get_result(&mut connection).await?;
    connection.batch_execute(&statements.join("; ")).await?;
    Ok(())
}
