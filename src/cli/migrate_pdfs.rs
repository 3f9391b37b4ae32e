//! `primetrade migrate-pdfs-to-s3`

use std::path::PathBuf;

use clap::Args;

use super::{Failure, bar, database_url, printable, serve, storage};
use crate::clock::Clock;
use crate::config::{Config, StorageConfig};
use crate::db::Database;
use crate::operations::migrate_pdfs::{Fate, Migration, Moved, Source, Tally};
use crate::storage::Storage;

const LINE: &str = "======================================================================";

#[derive(Args)]
pub struct Arguments {
    /// Show what would be uploaded, without uploading
    #[arg(long)]
    dry_run: bool,
    /// Don't read objects that are in the bucket already: compare their size, and their checksum if the bucket keeps
    /// one
    #[arg(long)]
    skip_existing: bool,
    /// The folder of the PDFs, as bols/YEAR/NUMBER.pdf or as NUMBER.pdf  [default: MEDIA_ROOT]
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let bucket = storage::bucket(config)?.clone();
    let url = database_url(config)?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 10);
    let folder = arguments.source.as_ref().unwrap_or(&config.media_root);
    let source =
        Source::open(folder).map_err(|error| Failure::Usage(format!("--source: {}: {error}", folder.display())))?;
    let bucket = Storage::with_long_timeouts(&StorageConfig::S3(bucket)).await;
    bucket.ready().await.map_err(Failure::storage)?;
    let migration = Migration {
        db: &db,
        bucket: &bucket,
        clock: &Clock::system(),
        source: &source,
        dry_run: arguments.dry_run,
        skip_existing: arguments.skip_existing,
        clamd: config.clamd.as_ref(),
    };
    println!("{LINE}\nBOL PDF Migration to S3\n{LINE}");
    if arguments.dry_run {
        println!("DRY RUN MODE - No files will be uploaded");
    }
    let count = migration.bol_count().await?;
    println!("\nFound {count} BOL records in database\n");
    let bar = bar(Some(count.unsigned_abs()), "{bar:40} {pos}/{len}  {per_sec}  {eta} left  {msg}");
    let mut in_others = false;
    let report = |moved: Moved| {
        bar.suspend(|| {
            if moved.is_other && !in_others {
                println!("\nOther documents\n");
            }
            in_others |= moved.is_other;
            println!("{}", line(&moved));
        });
        if moved.is_other {
            bar.inc_length(1);
        }
        bar.inc(1);
    };
    let (of_bols, of_others) = migration.run(report).await?;
    bar.set_message("checkpoints of the access log");
    let of_log = migration
        .checkpoints(|name, why| bar.suspend(|| println!("  ✗ {}: Error: {}", printable(name), printable(why))))
        .await;
    bar.finish_and_clear();
    summary(of_bols, of_others, of_log, arguments.dry_run);
    let errors = of_bols.errors + of_others.errors + of_log.errors;
    let missing = of_bols.missing + of_others.missing;
    if errors + missing > 0 {
        let what = [(errors, "failed (✗, with the reason)"), (missing, "not found (✗ missing)")];
        let text: Vec<String> =
            what.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        return Err(Failure::Problem(format!("{}. Fix that, and run the command again.", text.join(", "))));
    }
    Ok(())
}

fn line(moved: &Moved) -> String {
    let Moved { name, key, .. } = moved;
    match &moved.fate {
        Fate::WouldUpload => format!("  → {name}: Would upload to {key}"),
        Fate::Uploaded => format!("  ✓ {name}: Uploaded to {key}"),
        Fate::Exists => format!("  ⊘ {name}: Already there: {key}"),
        Fate::OnlyThere => format!("  ⊘ {name}: Only in the bucket: {key}"),
        Fate::Missing => format!("  ✗ {name}: PDF missing"),
        Fate::Failed(why) => format!("  ✗ {name}: Error: {why}"),
    }
}

fn summary(of_bols: Tally, of_others: Tally, of_log: Tally, is_dry: bool) {
    let uploaded = if is_dry { "Would upload" } else { "Successfully uploaded" };
    let row = |label: &str, count: u64| println!("{:<23}{count}", format!("{label}:"));
    println!("\n{LINE}\nMigration Summary\n{LINE}");
    row("Total BOL records", of_bols.total);
    row("PDFs found locally", of_bols.found);
    row("PDFs missing", of_bols.missing);
    if of_bols.only_there > 0 {
        row("Only in the bucket", of_bols.only_there);
    }
    row(uploaded, of_bols.uploaded);
    row("Skipped (exists)", of_bols.skipped);
    row("Errors", of_bols.errors);
    if of_others.total > 0 {
        println!();
        row("Other documents", of_others.total);
        row("  missing", of_others.missing);
        row("  only in the bucket", of_others.only_there);
        row(if is_dry { "  would upload" } else { "  uploaded" }, of_others.uploaded);
        row("  skipped (exists)", of_others.skipped);
        row("  errors", of_others.errors);
    }
    if of_log.total > 0 {
        println!();
        row("Log checkpoints", of_log.total);
        row(if is_dry { "  would upload" } else { "  uploaded" }, of_log.uploaded);
        row("  skipped (exists)", of_log.skipped);
        row("  errors", of_log.errors);
    }
    println!("{LINE}");
}
