//! `primetrade restore-drill`

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use indicatif::ProgressBar;

use super::audit::trusted_keys;
use super::findings::{Findings, Verdict};
use super::{Failure, bar, database_url, interrupted, serve};
use crate::bols::weight::grouped;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;
use crate::operations::restore_drill::{
    Check, DrillProgress, DrillReport, DumpFacts, RestoreDrill, Restored, ScratchPlace,
};
use crate::storage::Storage;
use crate::storage::spool::Spool;
use crate::units::file_size;

/// Findings of a check that are printed. The event has more.
const MAX_PRINTED: usize = 5;

#[derive(Args)]
pub struct Arguments {
    /// A dump of `pg_dump -Fc`, or a folder, of which the newest dump counts
    dump: PathBuf,
    /// The number of documents to fetch and compare
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    downloads: u16,
    /// The oldest dump that is accepted
    #[arg(long, default_value_t = 36, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_age: u32,
    /// The folder for the private Postgres, instead of SPOOL_DIR. It needs space for the whole database
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let keys = trusted_keys(config, &[], "without them no seal can be verified")?;
    let live_url = database_url(config)?;
    // The result belongs into the live log, so a drill needs it. This also tells whether this program fits.
    serve::check_schema(live_url).await?;
    let (live, clock) = (Database::new(live_url, 2), Clock::system());
    let (storage, spool) = (Storage::with_long_timeouts(&config.storage).await, Spool::new(config.spool.clone()));
    let folder = arguments.scratch_dir.as_ref().unwrap_or(&config.spool);
    let drill = RestoreDrill {
        live: &live,
        live_url,
        storage: &storage,
        spool: &spool,
        keys: &keys,
        clock: &clock,
        retention: config.audit_retention,
        dump: &arguments.dump,
        scratch: config.restore_drill_url.as_ref().map_or(ScratchPlace::Private(folder), ScratchPlace::Given),
        downloads: arguments.downloads.into(),
        max_age: TimeDelta::hours(arguments.max_age.into()),
    };
    let bar = bar(Some(0), "{bar:40} {percent}%  {eta} left");
    let report = drill.run(interrupted()?, &|progress| show(progress, &bar)).await;
    bar.finish_and_clear();
    let mut findings = Findings::new(arguments.json);
    print(&report, &mut findings);
    match drill.record(&report).await {
        Ok(()) => findings.ok("event", "RESTORE_DRILLED is in the access log"),
        Err(error) => {
            let detail = format!("the result is not in the access log: {error}");
            findings.say("event", Verdict::Fail, detail, "check DATABASE_URL, then run the drill again");
        }
    }
    findings.finish()
}

/// Names the step on a terminal, and draws the progress of the restore.
fn show(progress: DrillProgress, bar: &ProgressBar) {
    match progress {
        DrillProgress::Step(step) if stderr().is_terminal() => bar.suspend(|| eprintln!("{step} …")),
        DrillProgress::Step(_) => {}
        DrillProgress::Restored(position, all) => {
            bar.set_length(all);
            bar.set_position(position);
        }
    }
}

fn print(report: &DrillReport, findings: &mut Findings) {
    if let Some(DumpFacts { file, modified_at, age_hours, bytes }) = &report.dump {
        let (written, size) = (modified_at.format("%Y-%m-%d %H:%M UTC"), file_size(bytes.cast_signed()));
        findings.ok("dump", format!("{file}, {size}, written {written}, {age_hours} hours ago"));
    }
    if let Some(restored) = &report.restored {
        findings.ok("restore", restored_sentence(restored));
    }
    for check in &report.checks {
        let verdict = if check.passed { Verdict::Ok } else { Verdict::Fail };
        findings.say(check.check, verdict, sentence(check), advice(check));
    }
    if let Some(reason) = &report.reason {
        findings.say("drill", Verdict::Fail, reason, "see docs/operations.md#restore-drill");
    }
}

fn restored_sentence(restored: &Restored) -> String {
    let Restored { tables, bols, documents, events, applied, left_out } = restored;
    let [bols, documents, events] = [bols, documents, events].map(|count| grouped(*count));
    let mut sentence = format!("{tables} tables, {bols} BOLs, {documents} documents, {events} events");
    if !applied.is_empty() {
        sentence.push_str(&format!(", with the migrations {}", applied.join(", ")));
    }
    if !left_out.is_empty() {
        sentence.push_str(&format!(", without the extensions {}", left_out.join(", ")));
    }
    sentence
}

fn sentence(check: &Check) -> String {
    let Check { detail, findings, .. } = check;
    let shown = findings.iter().take(MAX_PRINTED).map(|finding| format!("; {finding}"));
    let more = findings.len().saturating_sub(MAX_PRINTED);
    let more = if more > 0 { format!("; {more} more are in the event") } else { String::new() };
    format!("{detail}{}{more}", shown.collect::<String>())
}

/// Returns what to do about a check that failed.
fn advice(check: &Check) -> &'static str {
    match check.check {
        _ if check.passed => "",
        "age" => "look at the backup job",
        "log" => "compare with the live log: primetrade audit verify",
        "storage" => "compare with the live database: primetrade storage reconcile",
        _ => "find out when the object changed, see docs/operations.md#back-up-and-restore",
    }
}
