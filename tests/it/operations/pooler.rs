//! A connection pooler in front of Postgres: a real PgBouncer.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use primetrade::config::DatabaseUrl;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::config::Host;

use crate::support::{Environment, Program, migrated_database, run, secret_key};

fn pgbouncer() -> PathBuf {
    ["/usr/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .map(PathBuf::from)
        .into_iter()
        .find(|program| program.exists())
        .expect("scripts/need pgbouncer")
}

/// The minor version of PgBouncer 1.
fn minor_version() -> u32 {
    let output = Command::new(pgbouncer()).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let minor = text.split_once("PgBouncer 1.").unwrap().1;
    minor.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// PgBouncer refuses to run as root. It becomes the user of Postgres, who has access to the socket.
fn user_of(socket: &Path) -> String {
    if !rustix::process::geteuid().is_root() {
        return String::new();
    }
    let id = std::fs::metadata(socket).unwrap().uid();
    let name = Command::new("id").args(["-nu", &id.to_string()]).output().unwrap().stdout;
    format!("user = {}", String::from_utf8(name).unwrap().trim())
}

struct Pooler {
    child: Child,
    folder: TempDir,
}

impl Pooler {
    /// Starts a PgBouncer that listens on a Unix socket only.
    async fn start(database: &DatabaseUrl, mode: &str) -> Self {
        let folder = TempDir::with_prefix("primetrade-pooler-").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let options = database.options();
        let host = match &options.get_hosts()[0] {
            Host::Unix(path) => path.display().to_string(),
            Host::Tcp(name) => name.clone(),
        };
        let user = user_of(Path::new(&host));
        let settings = format!(
            "[databases]\nportal = host={host} port={} dbname={} user={}\n[pgbouncer]\n{user}\n{mode}\n\
             auth_type = any\nlisten_port = 6432\nunix_socket_dir = {folder}\n",
            options.get_ports().first().copied().unwrap_or(5432),
            options.get_dbname().unwrap(),
            options.get_user().unwrap(),
            folder = folder.path().display(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let child = Command::new(pgbouncer()).arg(&file).stderr(Stdio::null()).spawn().unwrap();
        let pooler = Self { child, folder };
        for _ in 0..100 {
            if UnixStream::connect(pooler.folder.path().join(".s.PGSQL.6432")).is_ok() {
                return pooler;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("PgBouncer doesn't start");
    }

    fn environment(&self) -> Environment {
        let url = format!("postgres://portal@/portal?host={}&port=6432", self.folder.path().display());
        vec![("DATABASE_URL", url), ("SECRET_KEY", secret_key()), ("PORT", "0".to_owned())]
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn starts(folder: &Path, environment: &Environment) {
    let mut program = Program::start(folder, environment, &["serve"]);
    program.address().await;
    program.signal(Signal::TERM);
    assert_eq!(program.end().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_loses_prepared_statements_is_named_with_the_remedy() {
    let database = migrated_database().await;
    let none = if minor_version() >= 21 { "max_prepared_statements = 0\n" } else { "" };
    let pooler = Pooler::start(&database, &format!("pool_mode = transaction\n{none}")).await;
    let (code, _, told) = run(&pooler.environment(), &["serve"]).await;
    assert!(code == 1 && told.contains("use PgBouncer 1.21 or newer with max_prepared_statements above 0"), "{told}");
    let (code, told, _) = run(&pooler.environment(), &["check"]).await;
    assert!(code == 1 && told.contains("FAIL  database        prepared statements get lost"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_keeps_prepared_statements_serves() {
    let database = migrated_database().await;
    let folder = TempDir::new().unwrap();
    let session = Pooler::start(&database, "pool_mode = session").await;
    starts(folder.path(), &session.environment()).await;
    if minor_version() >= 21 {
        let mode = "pool_mode = transaction\nmax_prepared_statements = 100";
        starts(folder.path(), &Pooler::start(&database, mode).await.environment()).await;
    }
}
