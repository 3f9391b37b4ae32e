//! `primetrade audit import-access-log`

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use crate::audit::fetched::import::{Import, ImportError, Report};
use crate::audit::{Actor, Origin};
use crate::bols::weight::grouped;
use crate::cli::{Failure, bar, database_url, printable, serve};
use crate::config::{Config, S3Config};
use crate::db::Database;
use crate::storage::S3Store;
use crate::units::file_size;

#[derive(Args)]
pub struct Arguments {
    /// Files of the access log, folders of such files, s3://BUCKET/PREFIX for all objects with this prefix, or - for
    /// standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Match and count, but record nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, Arguments { files, dry_run, json }: Arguments) -> Result<(), Failure> {
    let url = database_url(config)?;
    let s3 = config.s3.as_ref().ok_or_else(|| {
        Failure::Usage("AWS_STORAGE_BUCKET_NAME: not set; set it to the bucket whose links are imported".into())
    })?;
    let sources = files.into_iter().map(Source::parse).collect::<Result<Vec<_>, _>>()?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 1);
    let import = Import::new(&db, &s3.bucket, dry_run);
    let mut run = Run { s3, import, problems: Vec::new(), progress: bar(None, "{spinner} {pos} files in {elapsed}") };
    for source in sources {
        run.read(source).await?;
    }
    let Run { import, problems, progress, .. } = run;
    progress.finish_and_clear();
    let (actor, origin) = (Actor::COMMAND_LINE, Origin::command_line());
    let report = import.finish(actor, &origin, problems.len() as u64).await?;
    if json {
        println!("{}", json!({"dry_run": dry_run, "report": report, "problems": problems}));
    } else {
        print(&report, &s3.bucket, dry_run);
    }
    if problems.is_empty() && report.unreadable == 0 {
        return Ok(());
    }
    let mut messages: Vec<String> = problems.iter().map(|problem| printable(problem)).collect();
    if report.unreadable > 0 {
        messages.push(format!("{} lines could not be read", grouped(report.unreadable.cast_signed())));
    }
    Err(Failure::Problem(messages.join("\n")))
}

/// A source of log lines.
enum Source {
    Stdin,
    Path(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl Source {
    fn parse(argument: String) -> Result<Self, Failure> {
        let Some(location) = argument.strip_prefix("s3://") else {
            return Ok(if argument == "-" { Self::Stdin } else { Self::Path(argument.into()) });
        };
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        if bucket.is_empty() {
            return Err(Failure::Usage(format!("{argument}: use s3://BUCKET/PREFIX")));
        }
        Ok(Self::Bucket { bucket: bucket.into(), prefix: prefix.into() })
    }
}

/// An import that continues after files that can't be read.
struct Run<'a> {
    s3: &'a S3Config,
    import: Import<'a>,
    problems: Vec<String>,
    progress: ProgressBar,
}

impl Run<'_> {
    async fn read(&mut self, source: Source) -> Result<(), Failure> {
        match source {
            Source::Stdin => {
                let read = match io::stdin().as_fd().try_clone_to_owned() {
                    Ok(stdin) => self.import.read("standard input", tokio::fs::File::from_std(stdin.into())).await,
                    Err(error) => Err(error.into()),
                };
                self.finish_file("standard input", read)
            }
            Source::Path(path) => match files(&path) {
                Ok(files) => {
                    for file in files {
                        self.file(&file).await?;
                    }
                    Ok(())
                }
                Err(error) => self.finish_file(&path.display().to_string(), Err(error.into())),
            },
            Source::Bucket { bucket, prefix } => self.objects(bucket, prefix).await,
        }
    }

    async fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let name = path.display().to_string();
        let read = match tokio::fs::File::open(path).await {
            Ok(file) => self.import.read(&name, file).await,
            Err(error) => Err(error.into()),
        };
        self.finish_file(&name, read)
    }

    async fn objects(&mut self, bucket: String, prefix: String) -> Result<(), Failure> {
        let store = S3Store::with_long_timeouts(&S3Config { bucket: bucket.clone(), ..self.s3.clone() }).await;
        let mut listing = store.all_below(prefix.clone());
        let mut is_empty = true;
        while let Some(listed) = listing.recv().await {
            let (name, read) = match listed {
                Ok(listed) => {
                    let name = format!("s3://{bucket}/{}", listed.key);
                    match store.read_any(&listed.key).await {
                        Ok(body) => (name.clone(), self.import.read(&name, body).await),
                        Err(error) => (name, Err(io::Error::other(error.to_string()).into())),
                    }
                }
                Err(error) => (format!("s3://{bucket}/{prefix}"), Err(io::Error::other(error.to_string()).into())),
            };
            is_empty = false;
            self.finish_file(&name, read)?;
        }
        if is_empty {
            self.problems.push(format!("s3://{bucket}/{prefix}: no object has this prefix"));
        }
        Ok(())
    }

    fn finish_file(&mut self, name: &str, read: Result<(), ImportError>) -> Result<(), Failure> {
        self.progress.inc(1);
        match read {
            Ok(()) => Ok(()),
            Err(ImportError::Read(error)) => {
                self.problems.push(format!("{name}: {error}"));
                Ok(())
            }
            // The next import skips the fetches recorded so far.
            Err(ImportError::Db(error)) => Err(error.into()),
        }
    }
}

/// Returns the file itself, or all files in a folder and its subfolders, sorted by name.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Skips symbolic links, which could form a cycle.
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn print(report: &Report, bucket: &str, is_dry: bool) {
    let count = |count: u64| grouped(count.cast_signed());
    for wrong in &report.first_unreadable {
        println!("{} line {}: {}", printable(&wrong.file), wrong.line, wrong.reason);
    }
    println!("{} files, {} lines", count(report.files), count(report.lines));
    println!("{} GETs of objects of {bucket} with a link", count(report.gets));
    let new = report.new;
    println!("  {} matched by the link's request id", count(new.by_request));
    println!("  {} matched by key and time", count(new.by_time));
    println!("  {} unmatched", count(new.unmatched));
    println!("  {} imported before", count(report.already));
    if report.checks > 0 {
        println!("{} GETs of primetrade storage check", count(report.checks));
    }
    println!("{} GETs without a link", count(report.without_link));
    for (name, requester) in &report.requesters {
        println!("  {} by {}, {}", count(requester.gets), printable(name), file_size(requester.bytes));
    }
    if is_dry {
        println!("Nothing was recorded (--dry-run).");
    }
}
