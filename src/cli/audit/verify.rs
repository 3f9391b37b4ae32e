//! `primetrade audit verify`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::{trusted_keys, witness};
use crate::audit::seal::{publish_once, seal_all};
use crate::audit::verify::{ExpectedRetention, Progress, Report, Verification, record_result};
use crate::audit::witness::Place;
use crate::audit::{Actor, Origin};
use crate::bols::weight::grouped;
use crate::cli::{Failure, bar, database_url, printable, serve};
use crate::config::{Config, SealKeys, Verifier};
use crate::db::Database;
use crate::storage::Storage;

/// Longer than any valid checkpoint.
const MAX_NOTE_BYTES: u64 = 100_000;

#[derive(Args)]
pub struct Arguments {
    /// A checkpoint that you kept. It must be in the database too. Can be repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// A further public key to trust, as `primetrade audit key` prints it. Can be repeated
    #[arg(long = "key", value_name = "KEY", value_parser = |key: &str| key.parse::<Verifier>().map_err(|()| "use NAME+ID+BASE64"))]
    keys: Vec<Verifier>,
    /// Skip the checkpoints in the storage
    #[arg(long)]
    database_only: bool,
    /// Compare the checkpoints of a second place: a folder or file, s3://BUCKET/PREFIX, or an https address. Each must be a
    /// beginning of the log
    #[arg(long, value_name = "PLACE", value_parser = |place: &str| place.parse::<Place>())]
    witness: Option<Place>,
    /// Treat sealed events as a difference if their date is earlier than they can have been written, and versions in the
    /// bucket that can't be listed
    #[arg(long)]
    strict: bool,
    /// Treat purges under a shorter retention than this many years as a difference
    #[arg(long, value_name = "YEARS", value_parser = clap::value_parser!(u16).range(1..=100))]
    retention_years: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let keys = trusted_keys(
        config,
        &arguments.keys,
        "without them add --key, with what `primetrade audit key` prints on the server",
    )?;
    let kept = kept(&arguments.checkpoints)?;
    let witness = match &arguments.witness {
        Some(place) => Some(witness::open(config, place).await?),
        None => None,
    };
    let url = database_url(config)?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 2).with_replica(config.database_replica_url.as_ref(), 2, None);
    let storage = Storage::with_long_timeouts(&config.storage).await;
    let compared = (!arguments.database_only).then_some(&storage);
    let progress = Progress::default();
    let verification = Verification {
        db: &db,
        keys: &keys,
        storage: compared,
        kept,
        witness: witness.as_ref(),
        retention: ExpectedRetention { configured: config.audit_retention, required: arguments.retention_years },
        progress: progress.clone(),
    };
    let started = Instant::now();
    let drawing = tokio::spawn(draw(progress));
    let result = verification.run().await;
    drawing.abort();
    if let Err(error) = record_result(&db, &keys, &result, Actor::COMMAND_LINE, &Origin::command_line()).await {
        tracing::warn!(%error, "the result can't be recorded");
    }
    seal_newest(&db, &keys, compared).await;
    let report = result.map_err(Failure::problem)?;
    let is_doubtful = report.backdated > 0 || report.versions_unread.is_some();
    let is_fine = report.is_fine() && !(arguments.strict && is_doubtful);
    if arguments.json {
        println!("{}", json!({"ok": is_fine, "report": report}));
    } else {
        print(&report, &keys, started.elapsed());
        if is_fine {
            println!("everything matches what was sealed");
        }
    }
    match (is_fine, report.is_fine()) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::Problem("with --strict, what is noted above counts as a difference".into())),
        (false, false) => Err(Failure::Problem("the log differs from what was sealed".into())),
    }
}

/// Seals the newest events, with the one of this run, even if no server runs. Publishes the checkpoint in the storage.
async fn seal_newest(db: &Database, keys: &SealKeys, storage: Option<&Storage>) {
    if keys.signs.is_none() {
        return;
    }
    if let Err(error) = seal_all(db, keys).await {
        tracing::warn!(%error, "the newest events are not sealed");
    } else if let Some(storage) = storage
        && let Err(error) = publish_once(db, storage).await
    {
        tracing::warn!(%error, "the newest checkpoint is not in the storage");
    }
}

fn kept(files: &[PathBuf]) -> Result<Vec<(String, String)>, Failure> {
    let read = |file: &PathBuf| {
        let problem = |error| Failure::Usage(format!("--checkpoint: {}: {error}", file.display()));
        if std::fs::metadata(file).map_err(problem)?.len() > MAX_NOTE_BYTES {
            return Err(problem(std::io::ErrorKind::FileTooLarge.into()));
        }
        Ok((file.display().to_string(), std::fs::read_to_string(file).map_err(problem)?))
    };
    files.iter().map(read).collect()
}

/// Draws the progress bar until the task is aborted.
async fn draw(progress: Progress) {
    let bar = bar(Some(0), "{bar:40} {percent}%  {eta} left");
    loop {
        let (done, all) = progress.get();
        bar.set_length(all.max(done));
        bar.set_position(done);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn print(report: &Report, keys: &SealKeys, took: Duration) {
    let count = |count: u64| grouped(count.cast_signed());
    for (index, difference) in report.differences.iter().enumerate() {
        println!("{} {}", if index == 0 { "first difference:" } else { "and:" }, printable(difference));
    }
    if report.different > report.differences.len() as u64 {
        println!("and {} more", count(report.different - report.differences.len() as u64));
    }
    println!("{} events in {:.1} s", count(report.events), took.as_secs_f64());
    println!("{} sealed, {} waiting for their seal", count(report.sealed), count(report.waiting));
    if let Some(before) = report.purged_before {
        let years = report.purged_years.unwrap_or_default();
        let (purged, before) = (count(report.purged), before.format("%Y-%m-%d"));
        println!("{purged} of them were purged, all older than {before}, under a retention of {years} years or more");
    }
    for notice in &report.notices {
        println!("note: {}", printable(notice));
    }
    if report.backdated > 0 {
        println!(
            "{} sealed events are dated earlier than they can have been written: the portal did not insert them",
            count(report.backdated)
        );
    }
    if report.is_restored {
        println!("the log was restored into another cluster, and nothing has been sealed there yet");
    }
    println!("{} checkpoints in the database", count(report.checkpoints));
    match report.objects {
        Some(objects) => println!("{} checkpoints in the storage", count(objects)),
        None => println!("the checkpoints in the storage were not verified"),
    }
    if let Some(versions) = report.versions {
        println!("{} versions of documents and checkpoints in the bucket", count(versions));
    }
    if let Some(witness) = &report.witness {
        let (checkpoints, events) = (count(witness.checkpoints), count(witness.events));
        println!(
            "{checkpoints} checkpoints in the witness {}, the newest of {events} events",
            printable(&witness.place)
        );
    }
    if let Some(sealed_at) = report.sealed_at {
        println!("newest root: {} ({})", report.root, sealed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    }
    for key in &keys.trusted {
        println!("trusted key: {key}");
    }
}
