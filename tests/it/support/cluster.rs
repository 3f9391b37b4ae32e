//! The cluster that all tests share, and the databases in it.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::sql_types::{Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use primetrade::config::DatabaseUrl;
use primetrade::db::cluster::{Cluster, Options};
use primetrade::db::{self, guard};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

/// The cluster's watchdog stops it and removes the folder when the process ends.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);
/// Roles belong to the cluster, so one test at a time admits them.
static ADMISSION: Mutex<()> = Mutex::const_new(());

async fn cluster() -> &'static Cluster {
    CLUSTER
        .get_or_init(|| async {
            let folder = TempDir::with_prefix("primetrade-test-").unwrap().keep();
            open_to_all(&folder);
            Cluster::start(&folder, &Options { scratch: true, ..Options::default() }).await.unwrap()
        })
        .await
}

/// Under root, Postgres runs as another user, who needs access to the folder.
fn open_to_all(folder: &std::path::Path) {
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

pub async fn migrated_database() -> DatabaseUrl {
    let url = fresh_database().await;
    guard::set_up(&url, &url).await.unwrap();
    url
}

/// Lets the owner, as which tests connect, see and end the connections of the server.
const WATCH: &str = "DO $$ BEGIN IF NOT pg_has_role(current_user, 'primetrade_server', 'MEMBER') THEN \
    GRANT primetrade_server TO primetrade; END IF; END $$";

/// The URL of a database as the role that serves, which owns nothing.
pub async fn as_server(owner: &DatabaseUrl) -> DatabaseUrl {
    let name = owner.options().get_dbname().unwrap();
    let url = cluster().await.url_as("primetrade_server", name).unwrap();
    let _turn = ADMISSION.lock().await;
    guard::set_up(owner, &url).await.unwrap();
    execute(owner, WATCH).await;
    url
}

/// Runs statements as the owner of the database.
pub async fn execute(url: &DatabaseUrl, sql: &str) {
    db::connect(url).await.unwrap().batch_execute(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
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
    // `json` keeps the order of the columns. `jsonb` would sort them.
    let sql = format!(
        "SELECT array_to_string(ARRAY(SELECT j.value FROM json_each_text(to_json(r)) WITH ORDINALITY j ORDER BY j.ordinality), '|', '') AS line FROM ({select}) r"
    );
    let mut connection = db::connect(url).await.unwrap();
    let lines: Vec<Line> =
        sql_query(&sql).load(&mut connection).await.unwrap_or_else(|error| panic!("{error}\n{select}"));
    lines.into_iter().map(|line| line.line.unwrap_or_default()).collect()
}
