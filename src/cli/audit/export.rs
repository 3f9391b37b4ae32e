//! `primetrade audit export`

use std::fs::File;
use std::io::{self, IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::export::{Export, ExportSlots, Format};
use crate::audit::filter::{FilterText, ParsedFilter};
use crate::audit::{Actor, Origin};
use crate::cli::{Failure, bar, database_url, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;

#[derive(Args)]
pub struct Wishes {
    /// csv, jsonl (one JSON object a line) or xlsx
    #[arg(long, value_parser = |name: &str| name.parse::<Format>().map_err(|()| "it is csv, jsonl or xlsx"))]
    format: Format,
    /// The first day, such as 2026-11-01, in DISPLAY_TIMEZONE
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    from: String,
    /// The last day
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    to: String,
    /// Such as BOL_DOWNLOADED
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// success, denied or failed
    #[arg(long, default_value = "", hide_default_value = true)]
    outcome: String,
    /// A customer's code
    #[arg(long, value_name = "CODE", default_value = "", hide_default_value = true)]
    customer: String,
    /// An address
    #[arg(long, value_name = "EMAIL", default_value = "", hide_default_value = true)]
    user: String,
    /// Of a BOL
    #[arg(long, default_value = "", hide_default_value = true)]
    number: String,
    /// A part of a file name, an IP address, an agent or the details; in the last 31 days, if no day is given
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    words: String,
    /// Written to this file, which appears when it is whole; without this, to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(config: &Config, wishes: Wishes) -> Result<(), Failure> {
    let Wishes { format, from, to, action, outcome, customer, user, number, words: q, output } = wishes;
    let text = FilterText { q, from, to, action, outcome, customer, user, number, after: String::new() };
    let ParsedFilter { filter, problems, .. } = text.parse(config.time_zone, Clock::system().now());
    if problems.any() {
        return Err(Failure::Usage(problems.summary()));
    }
    if output.is_none() && format == Format::Xlsx && stdout().is_terminal() {
        return Err(Failure::Usage("a workbook is nothing for a terminal: give --output FILE".into()));
    }
    let url = database_url(config)?;
    serve::check_schema(url).await?;
    // Opened before anything is on record.
    let mut target = Target::open(output.as_deref())?;
    let (filter_json, by, origin) = (text.to_json(), Actor::COMMAND_LINE.into(), Origin::command_line());
    let export = Export { filter, format, filter_json, by, origin };
    let (mut bytes, task) =
        export.begin(Database::new(url, 2), &ExportSlots::default()).await.map_err(Failure::problem)?;
    let progress = bar(None, "{spinner} {bytes} in {elapsed}");
    let mut written = Ok(());
    while let (Ok(()), Some(piece)) = (&written, bytes.recv().await) {
        written = piece.and_then(|piece| {
            progress.inc(piece.len() as u64);
            target.write(&piece)
        });
    }
    // That it ended, or broke off, is on record before this ends.
    drop(bytes);
    let ended = task.await.map_err(io::Error::other);
    progress.finish_and_clear();
    // What isn't whole takes no name.
    written.and(ended).and_then(|()| target.finish()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Problem("nobody reads any more; the export is incomplete".into()),
        _ => Failure::Problem(format!("the export is incomplete: {error}")),
    })
}

/// Where it goes: a file takes its name when it is whole.
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
