//! The cluster that all tests share, and the databases in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use primetrade::config::DatabaseUrl;
use primetrade::db::cluster::{Cluster, Options};
use primetrade::db::{self, guard};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The cluster's watchdog stops it and removes the folder when the process ends.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);
/// The databases of tests that have ended.
static UNUSED: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

async fn cluster() -> &'static Cluster {
    CLUSTER
        .get_or_init(|| async {
            let folder = TempDir::with_prefix_in("primetrade-test-", place()).unwrap().keep();
            open_to_all(&folder);
            Cluster::start(&folder, &Options { scratch: true, ..Options::default() }).await.unwrap()
        })
        .await
}

/// Memory, if there is enough: a database consists of hundreds of small files.
pub(super) fn place() -> PathBuf {
    const ENOUGH: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(space) if space.f_bavail * space.f_frsize >= ENOUGH && tempfile::tempfile_in(memory).is_ok() => {
            memory.into()
        }
        _ => std::env::temp_dir(),
    }
}

/// Under root, Postgres runs as another user, who needs access to the folder.
pub(super) fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Creates an empty database.
pub async fn fresh_database() -> DatabaseUrl {
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    cluster().await.database(&name).await.unwrap()
}

/// Creates an empty database of another owner.
pub async fn database_of(owner: &str) -> DatabaseUrl {
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    cluster().await.database_of(owner, &name).await.unwrap()
}

/// Creates a database with the schema and without a row.
pub async fn migrated_database() -> DatabaseUrl {
    static READY: OnceCell<()> = OnceCell::const_new();
    const TEMPLATE: &str = "template_migrated";
    let prepare = || async {
        let url = cluster().await.database(TEMPLATE).await.unwrap();
        guard::set_up(&url, &url).await.unwrap();
    };
    READY.get_or_init(prepare).await;
    copy_of(TEMPLATE).await
}

/// Creates a copy of another database with its rights and settings, in a tenth of the time that the migrations take.
pub async fn copy_of(template: &str) -> DatabaseUrl {
    let cluster = cluster().await;
    let mut superuser = db::connect(&cluster.url_as("postgres", "postgres").unwrap()).await.unwrap();
    let unused = std::mem::take(&mut *UNUSED.lock().unwrap());
    for name in unused {
        superuser.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let strategy = strategy(&mut superuser).await;
    // Waits until the template is free of connections.
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} OWNER primetrade {strategy}");
    superuser.batch_execute(&create).await.unwrap();
    let rights = format!(
        "SET allow_system_table_mods = on;
         UPDATE pg_database SET datacl = t.datacl FROM pg_database t WHERE pg_database.datname = '{name}' AND t.datname = '{template}';
         INSERT INTO pg_db_role_setting SELECT d.oid, s.setrole, s.setconfig
             FROM pg_db_role_setting s JOIN pg_database t ON t.oid = s.setdatabase AND t.datname = '{template}', pg_database d
             WHERE d.datname = '{name}'"
    );
    superuser.batch_execute(&rights).await.unwrap();
    cluster.url_as("primetrade", &name).unwrap()
}

/// Copies the files of a database, in a third of the time that it takes to log each of their pages. Postgres 14 knows no
/// other way.
async fn strategy(connection: &mut AsyncPgConnection) -> &'static str {
    static STRATEGY: OnceCell<&str> = OnceCell::const_new();
    let find = async {
        let version = rows_on(connection, "SELECT current_setting('server_version_num')").await.remove(0);
        if version.parse::<u32>().unwrap() < 150_000 { "" } else { "STRATEGY file_copy" }
    };
    STRATEGY.get_or_init(|| find).await
}

/// Lets a database be removed. Hundreds of them would keep the cluster's background processes busy.
pub fn discard(database: &DatabaseUrl) {
    UNUSED.lock().unwrap().extend(database.options().get_dbname().map(str::to_owned));
}

/// Lets the owner, as which tests connect, see and end the connections of the server.
const WATCH: &str = "DO $$ BEGIN IF NOT pg_has_role(current_user, 'primetrade_server', 'MEMBER') THEN \
    GRANT primetrade_server TO primetrade; END IF; END $$";

/// The URL of a database as the role that serves, which owns nothing.
pub async fn as_server(owner: &DatabaseUrl) -> DatabaseUrl {
    let name = owner.options().get_dbname().unwrap();
    cluster().await.url_as("primetrade_server", name).unwrap()
}

/// Creates the role that serves, and lets it serve the database and its copies.
pub async fn admit_server(owner: &DatabaseUrl) {
    guard::set_up(owner, &as_server(owner).await).await.unwrap();
    execute(owner, WATCH).await;
}

/// Runs statements as the owner of the database.
pub async fn execute(url: &DatabaseUrl, sql: &str) {
    execute_on(&mut db::connect(url).await.unwrap(), sql).await;
}

pub(super) async fn execute_on(connection: &mut AsyncPgConnection, sql: &str) {
    connection.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

/// Each row as text, with columns separated by `|` and NULL as the empty text.
pub type Rows = Vec<String>;

/// Runs a query as the owner of the database. For tests whose subject is SQL; others read typed rows.
pub async fn rows(url: &DatabaseUrl, select: &str) -> Rows {
    rows_on(&mut db::connect(url).await.unwrap(), select).await
}

pub(super) async fn rows_on(connection: &mut AsyncPgConnection, select: &str) -> Rows {
    // `json` keeps the order of the columns. `jsonb` would sort them.
    let sql = format!(
        "SELECT array_to_string(ARRAY(SELECT j.value FROM json_each_text(to_json(r)) WITH ORDINALITY j ORDER BY j.ordinality), '|', '') AS line FROM ({select}) r"
    );
    let lines: Vec<Line> = sql_query(&sql).load(connection).await.unwrap_or_else(|error| panic!("{error}\n{select}"));
    lines.into_iter().map(|line| line.line.unwrap_or_default()).collect()
}
