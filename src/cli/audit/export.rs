//! `primetrade audit export`

use std::fs::File;
use std::io::{self, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::export::{Export, ExportSlots, Format};
use crate::audit::filter::{FilterText, ParsedFilter};
use crate::audit::{Actor, Origin, names};
use crate::cli::{Failure, bar, database_url, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Database, DbError};

#[derive(Args)]
pub struct Arguments {
    /// csv, jsonl (one JSON object per line) or xlsx
    #[arg(long, value_parser = |name: &str| name.parse::<Format>().map_err(|()| "use csv, jsonl or xlsx"))]
    format: Format,
    /// The first day, such as 2026-11-01, in DISPLAY_TIMEZONE
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    from: String,
    /// The last day
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    to: String,
    /// An action, such as BOL_DOWNLOADED
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// success, denied or failed
    #[arg(long, default_value = "", hide_default_value = true)]
    outcome: String,
    /// The code of a customer, or a part of its code or name
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    customer: String,
    /// An email address, or a part of an address or name
    #[arg(long, value_name = "EMAIL", default_value = "", hide_default_value = true)]
    user: String,
    /// The number of a BOL, or a part of it
    #[arg(long, default_value = "", hide_default_value = true)]
    number: String,
    /// downloads: only links issued, documents downloaded, sent in a ZIP or shown
    #[arg(long, default_value = "", hide_default_value = true)]
    view: String,
    /// Part of a file name, an IP address, a user agent or the detail. Without dates, only the last 31 days are
    /// searched
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    words: String,
    /// The file to write. It appears once it is complete. The default is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { format, from, to, action, outcome, customer, user, number, view, words: q, output } = arguments;
    let text = FilterText { q, from, to, action, outcome, customer, user, number, view, after: String::new() };
    let ParsedFilter { mut filter, errors, .. } = text.parse(config.time_zone, Clock::system().now());
    if !errors.is_empty() {
        return Err(Failure::Usage(errors.summary()));
    }
    if output.is_none() && format == Format::Xlsx && stdout().is_terminal() {
        return Err(Failure::Usage("a terminal can't show a workbook: add --output FILE".into()));
    }
    let url = database_url(config)?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 2).with_replica(config.database_replica_url.as_ref(), 2, None);
    let resolved = names::resolve(&mut *db.get().await?, &mut filter).await.map_err(DbError::from)?;
    resolved.map_err(|errors| Failure::Usage(errors.summary()))?;
    // Opens the file first. If that fails, no export is recorded.
    let mut target = Target::open(output.as_deref())?;
    let (filter_json, by, origin) = (text.to_json(), Actor::COMMAND_LINE.into(), Origin::command_line());
    let export = Export { filter, format, zone: config.time_zone, filter_json, by, origin, access: None };
    let (mut bytes, task) = export.begin(db, &ExportSlots::default()).await.map_err(Failure::problem)?;
    let progress = bar(None, "{spinner} {bytes} in {elapsed}");
    let mut written = Ok(());
    while let (Ok(()), Some(piece)) = (&written, bytes.recv().await) {
        written = piece.and_then(|piece| {
            progress.inc(piece.len() as u64);
            target.write(&piece)
        });
    }
    // The task ends when the result is recorded.
    drop(bytes);
    let ended = task.await.map_err(io::Error::other);
    progress.finish_and_clear();
    // An incomplete file is deleted.
    written.and(ended).and_then(|()| target.finish()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Problem("the reader closed the pipe; the export is incomplete".into()),
        _ => Failure::Problem(format!("the export is incomplete: {error}")),
    })
}

/// Where to write the export. A file gets its name once it is complete.
enum Target {
    Stdout(io::Stdout),
    File { file: tempfile::NamedTempFile, name: PathBuf },
}

impl Target {
    fn open(output: Option<&Path>) -> Result<Self, Failure> {
        let Some(name) = output else { return Ok(Self::Stdout(stdout())) };
        let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let problem = |error| Failure::Usage(format!("{}: {error}", name.display()));
        if name.is_dir() {
            return Err(problem(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let file = tempfile::Builder::new().prefix(".export-").tempfile_in(folder).map_err(problem)?;
        Ok(Self::File { file, name: name.into() })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.write_all(bytes),
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush(),
            Self::File { file, name } => {
                let file: File = file.persist(name)?;
                file.sync_all()
            }
        }
    }
}
