//! Restores a dump of `pg_dump -Fc` with `pg_restore`, the program of Postgres.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::{Array, Text};
use diesel_async::RunQueryDsl;
use tokio::process::Command;
use tokio_postgres::config::{Host, SslMode};

use super::cluster::binaries::pg_restore;
use crate::config::DatabaseUrl;

/// How often the progress is reported.
const POLL: Duration = Duration::from_millis(200);
const MAX_ERROR_CHARS: usize = 300;
/// What a dump needs besides its tables may belong to another cluster: owners, roles with rights, and replication.
/// Comments on extensions are their owner's, who is another one on a managed server.
const LEFT_OUT: [&str; 6] = [
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
];

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(
        "pg_restore of Postgres 14 or newer was not found on PATH nor in the usual folders; install it with: sudo \
         apt-get install postgresql-client"
    )]
    Missing,
    #[error(
        "pg_restore {program} can't read the dump, because a newer pg_dump made it; install that version of Postgres \
         on this machine ({why})"
    )]
    NewerDump { program: u32, why: String },
    #[error(
        "the server runs Postgres {server}, and pg_restore {program} sends it a setting that it doesn't know; install \
         the clients of Postgres {server} on this machine ({why})"
    )]
    OlderServer { program: u32, server: u32, why: String },
    #[error("the dump can't be restored; it may be truncated or damaged. pg_restore says: {0}")]
    Failed(String),
    #[error("the scratch database can't be read: {0}")]
    Database(String),
    #[error("pg_restore can't be run: {0}")]
    Io(#[from] io::Error),
}

/// Restores a dump into an empty database of a server with this major version, and stops at the first error. Leaves out
/// owners, rights, and the extensions that the role can't create there. Returns the names of these. Calls `progress` with
/// the position in the dump.
pub async fn restore(
    dump: &File,
    into: &DatabaseUrl,
    server: u32,
    progress: impl Fn(u64),
) -> Result<Vec<String>, RestoreError> {
    let (path, program) = pg_restore(server).ok_or(RestoreError::Missing)?;
    let run = Run { path, program, server, dump };
    let listed = run.command()?.arg("--list").output().await?;
    if !listed.status.success() {
        return Err(run.failure(&listed.stderr, &[]));
    }
    let list = TableOfContents::read(&String::from_utf8_lossy(&listed.stdout), &creatable(into).await?);
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(list.text.as_bytes())?;
    let mut command = run.command()?;
    command.arg("--exit-on-error").args(LEFT_OUT).arg("--use-list").arg(file.path());
    let ended = command.arg(database(into)).envs(connection(into)).stdout(Stdio::null()).spawn()?.wait_with_output();
    tokio::pin!(ended);
    let mut position = dump;
    let output = loop {
        tokio::select! {
            output = &mut ended => break output?,
            // Both processes have the same open file, and so the same position in it.
            () = tokio::time::sleep(POLL) => progress(position.stream_position().unwrap_or_default()),
        }
    };
    if output.status.success() { Ok(list.left_out) } else { Err(run.failure(&output.stderr, &list.left_out)) }
}

/// The program, the major versions of it and of the server, and the dump that it reads.
struct Run<'a> {
    path: PathBuf,
    program: u32,
    server: u32,
    dump: &'a File,
}

impl Run<'_> {
    fn command(&self) -> io::Result<Command> {
        let mut dump = self.dump.try_clone()?;
        dump.rewind()?;
        let mut command = Command::new(&self.path);
        command.stdin(dump).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C").kill_on_drop(true);
        Ok(command)
    }

    fn failure(&self, stderr: &[u8], left_out: &[String]) -> RestoreError {
        let (program, server) = (self.program, self.server);
        let mut why = first_error(&String::from_utf8_lossy(stderr));
        if why.contains("unsupported version") {
            return RestoreError::NewerDump { program, why };
        }
        if program > server && why.contains("unrecognized configuration parameter") {
            return RestoreError::OlderServer { program, server, why };
        }
        if !left_out.is_empty() {
            why = format!("{why} (this role can't create the extensions {})", left_out.join(", "));
        }
        RestoreError::Failed(why)
    }
}

/// What `pg_restore --list` prints, without some extensions.
struct TableOfContents {
    text: String,
    left_out: Vec<String>,
}

impl TableOfContents {
    fn read(listed: &str, creatable: &[String]) -> Self {
        let (mut text, mut left_out) = (String::new(), Vec::new());
        for line in listed.lines() {
            match extension(line) {
                Some(name) if creatable.iter().all(|known| known != name) => left_out.push(name.to_owned()),
                _ => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Self { text, left_out }
    }
}

/// Returns the extension that an entry creates: `2; 3079 16427 EXTENSION - pg_trgm`.
fn extension(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip(3);
    (words.next() == Some("EXTENSION")).then(|| words.nth(1)).flatten()
}

/// Returns the extensions that the role of a database can create in it, or that are there.
async fn creatable(url: &DatabaseUrl) -> Result<Vec<String>, RestoreError> {
    const CREATABLE: &str = "ARRAY(SELECT name::text FROM pg_available_extension_versions WHERE trusted OR \
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) UNION SELECT extname::text FROM pg_extension)";
    let failed = |error: &dyn std::fmt::Display| RestoreError::Database(error.to_string());
    let mut connection = super::connect(url).await.map_err(|error| failed(&error))?;
    let found = diesel::select(sql::<Array<Text>>(CREATABLE)).get_result(&mut connection).await;
    found.map_err(|error| failed(&error))
}

/// Returns the first error, without the lines after it, which quote rows.
fn first_error(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.contains("error:")).or_else(|| lines().next());
    let line = line.unwrap_or("it failed without a message");
    line.trim_start_matches("pg_restore: ").trim_start_matches("error: ").chars().take(MAX_ERROR_CHARS).collect()
}

/// Returns the option that names the database. Quoted, so that no name is taken for a connection string.
fn database(url: &DatabaseUrl) -> String {
    let name = url.options().get_dbname().or(url.options().get_user()).unwrap_or_default();
    format!("--dbname=dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Returns the variables that lead libpq to the server. The password is not among the arguments, which every user of
/// the machine can read.
fn connection(url: &DatabaseUrl) -> Vec<(&'static str, OsString)> {
    let options = url.options();
    let hosts: Vec<OsString> = options.get_hosts().iter().map(host).collect();
    let addresses: Vec<String> = options.get_hostaddrs().iter().map(ToString::to_string).collect();
    let ports: Vec<String> = options.get_ports().iter().map(ToString::to_string).collect();
    let ssl = match (url.verifies_certificate(), options.get_ssl_mode()) {
        (true, _) => "verify-full",
        (_, SslMode::Disable) => "disable",
        (_, SslMode::Require) => "require",
        _ => "prefer",
    };
    let text = |text: Option<&str>| OsString::from(text.unwrap_or_default());
    let session = if hosts.len() > 1 { "read-write" } else { "any" };
    let variables = [
        ("PGHOST", hosts.join(OsStr::new(","))),
        ("PGHOSTADDR", addresses.join(",").into()),
        ("PGPORT", ports.join(",").into()),
        ("PGUSER", text(options.get_user())),
        ("PGPASSWORD", OsStr::from_bytes(options.get_password().unwrap_or_default()).to_owned()),
        ("PGOPTIONS", text(options.get_options())),
        ("PGSSLMODE", ssl.into()),
        ("PGTARGETSESSIONATTRS", session.into()),
        ("PGAPPNAME", "primetrade".into()),
    ];
    variables.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn host(host: &Host) -> OsString {
    match host {
        Host::Tcp(name) => name.into(),
        Host::Unix(folder) => folder.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_a_variable_and_the_name_of_the_database_is_quoted() {
        let url: DatabaseUrl = "postgres://u:p%20w@a,b:6/d'x?sslmode=verify-full".parse().expect("a URL");
        assert_eq!(database(&url), r"--dbname=dbname='d\'x'");
        let variables = connection(&url);
        let value = |name| variables.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.to_str());
        assert_eq!(value("PGPASSWORD"), Some("p w"));
        assert_eq!((value("PGHOST"), value("PGPORT"), value("PGUSER")), (Some("a,b"), Some("5432,6"), Some("u")));
        assert_eq!((value("PGSSLMODE"), value("PGTARGETSESSIONATTRS")), (Some("verify-full"), Some("read-write")));
        assert_eq!(value("PGHOSTADDR"), None);
    }

    #[test]
    fn extensions_that_the_role_cannot_create_are_left_out() {
        let listed = ";\n; Archive created at 2026-11-30 02:00:00 UTC\n2; 3079 16427 EXTENSION - pg_trgm \n\
                      3; 3079 16428 EXTENSION - pg_stat_statements \n215; 1259 17000 TABLE public EXTENSION owner\n";
        let list = TableOfContents::read(listed, &["pg_trgm".to_owned()]);
        assert_eq!(list.left_out, ["pg_stat_statements"]);
        let left: Vec<&str> = listed.lines().filter(|line| !line.contains("pg_stat_statements")).collect();
        assert_eq!(list.text.lines().collect::<Vec<_>>(), left);
    }

    #[test]
    fn an_error_is_its_first_line() {
        let stderr =
            "pg_restore: error: COPY failed for table \"users\": ERROR:  no\nCONTEXT:  COPY users, line 1: \"jo\"\n";
        assert_eq!(first_error(stderr), "COPY failed for table \"users\": ERROR:  no");
        assert_eq!(first_error(""), "it failed without a message");
    }
}
