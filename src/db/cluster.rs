//! Starts a private Postgres cluster from installed binaries: for `demo`, restore drills, tests and benchmarks.
//!
//! It listens only on a Unix socket inside its own folder, which no other user can enter, so it needs no passwords.
//! [`Cluster::stop`] ends the server cleanly. A watchdog ends it if this process crashes.

pub(super) mod binaries;
mod leftover;
mod owner;
mod standby;
mod temporary;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use rustix::process::{Pid, Signal, kill_process};

use self::binaries::Binaries;
use self::owner::Owner;
pub use self::temporary::TemporaryCluster;
use crate::config::DatabaseUrl;

/// Recovery after a crash may take a while.
const START_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const SUPERUSER: &str = "postgres";
/// Owns the databases without being a superuser, as in production: a superuser would bypass grants and row security.
const OWNER: &str = "primetrade";
/// `sun_path` holds 107 bytes, 103 on macOS. The name of the socket needs 15.
const LONGEST_SOCKET_FOLDER: usize = 88;
const LARGEST_LOG: u64 = 10_000_000;
const SETTINGS: [(&str, &str); 2] = [("max_connections", "200"), ("shared_buffers", "128MB")];
/// Settings of a cluster whose data may be lost when the machine crashes.
const SCRATCH_SETTINGS: [(&str, &str); 3] =
    [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{0}")]
    Missing(String),
    #[error(
        "another primetrade (process {pid}) is running on {dir}; stop it, or choose another folder with --data-dir"
    )]
    AlreadyRunning { dir: PathBuf, pid: String },
    #[error("{dir} was created by Postgres {made}, which isn't installed; install it, or choose another folder")]
    OtherVersion { dir: PathBuf, made: String },
    #[error("Postgres did not {what}; the end of {log} says:\n{tail}")]
    Failed { what: &'static str, log: PathBuf, tail: String },
    #[error("{what} {path}: {error}")]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error("Postgres: {0}")]
    Database(String),
}

/// How a cluster differs from the one of `demo`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For drills and tests: no fsync, and the folder is removed when this process ends.
    pub scratch: bool,
    pub settings: Vec<(&'static str, String)>,
}

/// A running cluster.
pub struct Cluster {
    server: Child,
    watchdog: Child,
    data: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    /// Held as long as the cluster runs.
    _lock: File,
}

impl Cluster {
    /// Starts the cluster in `dir`. Creates it if there is none, and recovers it after a crash.
    pub async fn start(dir: &Path, options: &Options) -> Result<Self, ClusterError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |error| ClusterError::Io { what, path, error }
        };
        std::fs::create_dir_all(dir).map_err(io("can't create", dir))?;
        let dir = dir.canonicalize().map_err(io("can't open", dir))?;
        let lock = lock(&dir)?;
        let owner = Owner::find();
        let home = owner.home(&dir).map_err(io("can't use", &dir))?;
        let data = home.join("postgres");
        let log = dir.join("postgres.log");

        let made = std::fs::read_to_string(data.join("PG_VERSION")).ok().map(|version| version.trim().to_owned());
        let binaries = match &made {
            Some(made) => Binaries::of_version(made)
                .ok_or_else(|| ClusterError::OtherVersion { dir: data.clone(), made: made.clone() })?,
            None => Binaries::newest().ok_or_else(|| ClusterError::Missing(binaries::HOW_TO_INSTALL.into()))?,
        };
        let mut log_file = open_log(&log).map_err(io("can't write", &log))?;
        if made.is_none() {
            init(&binaries, &owner, &home, &mut log_file, &log)?;
        }
        leftover::clear(&data).await?;

        let socket = if data.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            data.clone()
        } else {
            owner.short_folder(&data).map_err(io("can't create a folder for the socket of", &data))?
        };
        let mut command = server_command(&binaries, &data, &socket, options);
        owner.run_as(&mut command);
        let server = command
            // Uses a process group of its own, so that Ctrl-C reaches this process only. It stops the server
            // afterwards.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().map_err(io("can't write", &log))?)
            .stderr(log_file)
            .spawn()
            .map_err(io("can't start", binaries.postgres().as_path()))?;
        let watchdog =
            watchdog(server.id(), options.scratch.then_some(&dir)).map_err(io("can't start", Path::new("sh")))?;
        let mut cluster = Self { server, watchdog, data, socket, log, _lock: lock };
        cluster.wait_until_ready().await?;
        Ok(cluster)
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Returns the folder of the socket: `psql -h FOLDER`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the URL of a database for a role.
    pub fn url_as(&self, user: &str, database: &str) -> Result<DatabaseUrl, ClusterError> {
        let folder: String = url::form_urlencoded::byte_serialize(self.socket.as_os_str().as_encoded_bytes()).collect();
        format!("postgres://{user}@/{database}?host={}", folder.replace('+', "%20"))
            .parse()
            .map_err(|what: String| ClusterError::Database(format!("the socket's folder makes {what}")))
    }

    /// Creates the database and its owner if they don't exist, and returns its URL.
    pub async fn database(&self, name: &str) -> Result<DatabaseUrl, ClusterError> {
        self.database_of(OWNER, name).await
    }

    /// Creates a database that belongs to this role, which is created too.
    pub async fn database_of(&self, owner: &str, name: &str) -> Result<DatabaseUrl, ClusterError> {
        let failed = |error: &dyn std::fmt::Display| ClusterError::Database(error.to_string());
        let url = self.url_as(SUPERUSER, "postgres")?;
        let mut connection = super::connect(&url).await.map_err(|error| failed(&error))?;
        let role = format!(
            "DO $$ BEGIN CREATE ROLE {owner} LOGIN CREATEROLE; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        connection.batch_execute(&role).await.map_err(|error| failed(&error))?;
        if let Err(error) = connection.batch_execute(&format!("CREATE DATABASE \"{name}\" OWNER {owner}")).await {
            let exists = sql::<Bool>("EXISTS (SELECT FROM pg_database WHERE datname = ").bind::<Text, _>(name).sql(")");
            let exists: QueryResult<bool> = diesel::select(exists).get_result(&mut connection).await;
            if !exists.map_err(|error| failed(&error))? {
                return Err(failed(&error));
            }
        }
        self.url_as(owner, name)
    }

    /// Stops the server. Open transactions are rolled back, and committed ones are on disk.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        signal(self.server.id(), Signal::INT);
        let stopped = self.wait_for_end(STOP_WITHIN).await;
        // Dismissed before the system can reuse the pid.
        self.dismiss_watchdog();
        if stopped { Ok(()) } else { Err(failed("stop", &self.log)) }
    }

    async fn wait_for_end(&mut self, within: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < within {
            if !matches!(self.server.try_wait(), Ok(None)) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }

    /// Waits for the last line of `postmaster.pid` to report that the server is ready. `pg_ctl` reads it too.
    async fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let started = Instant::now();
        while started.elapsed() < START_WITHIN {
            if !matches!(self.server.try_wait(), Ok(None)) {
                break;
            }
            let state = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
            let mut lines = state.lines();
            if lines.next() == Some(&self.server.id().to_string())
                && lines.nth(6).is_some_and(|line| line.starts_with("ready"))
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(failed("start", &self.log))
    }

    fn dismiss_watchdog(&mut self) {
        // A child process can't have been replaced by another one. It may have ended already.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Cluster {
    /// The fallback if [`Cluster::stop`] was not called.
    fn drop(&mut self) {
        // The server may miss a signal just after its start: a shell that runs a program in the background has SIGINT and
        // SIGQUIT ignored for it and its children, until they handle them.
        let started = Instant::now();
        while let Ok(None) = self.server.try_wait() {
            let within = started.elapsed() < STOP_WITHIN;
            signal(self.server.id(), if within { Signal::QUIT } else { Signal::KILL });
            std::thread::sleep(POLL);
        }
        self.dismiss_watchdog();
    }
}

/// Returns the command that starts the server. A later setting overrides an earlier one of the same name.
fn server_command(binaries: &Binaries, data: &Path, socket: &Path, options: &Options) -> Command {
    let mut command = Command::new(binaries.postgres());
    command.arg("-D").arg(data).arg("-k").arg(socket).args(["-h", ""]);
    let scratch: &[_] = if options.scratch { &SCRATCH_SETTINGS } else { &[] };
    let own = options.settings.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in SETTINGS.iter().chain(scratch).copied().chain(own) {
        command.args(["-c", &format!("{name}={value}")]);
    }
    command
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal); // it may have ended already
    }
}

/// Locks the folder for this process. The lock ends with the process.
fn lock(dir: &Path) -> Result<File, ClusterError> {
    let path = dir.join("primetrade.lock");
    let io = |error| ClusterError::Io { what: "can't lock", path: path.clone(), error };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(io)?;
            return Err(ClusterError::AlreadyRunning { dir: dir.to_owned(), pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}

/// Creates the file under another name and renames it when complete, so an interrupted attempt is repeated.
fn init(binaries: &Binaries, owner: &Owner, home: &Path, log_file: &mut File, log: &Path) -> Result<(), ClusterError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| ClusterError::Io { what: "can't create", path, error }
    };
    let fresh = home.join("postgres.tmp");
    match std::fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&fresh)(error)),
        _ => {}
    }
    std::fs::create_dir(&fresh).map_err(io(&fresh))?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o700)).map_err(io(&fresh))?;
    owner.give(&fresh).map_err(io(&fresh))?;
    let mut command = Command::new(binaries.initdb());
    command.arg("-D").arg(&fresh).args([
        "-U",
        SUPERUSER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]);
    if cfg!(target_os = "macos") {
        command.arg("--locale=en_US.UTF-8");
    }
    owner.run_as(&mut command);
    let output = command.stdin(Stdio::null()).output().map_err(io(&fresh))?;
    log_file.write_all(&output.stdout).and_then(|()| log_file.write_all(&output.stderr)).map_err(io(log))?;
    if !output.status.success() {
        return Err(failed("create its folder", log));
    }
    let data = home.join("postgres");
    std::fs::rename(&fresh, &data).map_err(io(&data))
}

/// Waits until this process closes the pipe, however it ends, and then stops the server.
fn watchdog(server: u32, remove: Option<&PathBuf>) -> io::Result<Child> {
    // For half a minute: a container without an init process keeps the entry of a process that has ended.
    let script = "cat >/dev/null; n=0; \
                  while [ $n -lt 300 ] && kill -INT \"$1\" 2>/dev/null; do n=$((n + 1)); sleep 0.1; done; \
                  [ -z \"$2\" ] || rm -rf \"$2\"";
    Command::new("sh")
        .args(["-c", script, "watchdog", &server.to_string()])
        .arg(remove.map_or(Path::new(""), PathBuf::as_path))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn open_log(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|log| log.len() > LARGEST_LOG) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn failed(what: &'static str, log: &Path) -> ClusterError {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(8)..].join("\n");
    ClusterError::Failed { what, log: log.to_owned(), tail }
}
