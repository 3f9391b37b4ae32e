//! `primetrade audit purge`

use clap::Args;
use serde_json::json;

use crate::audit::retention::{Plan, Removed, Retention};
use crate::audit::seal::seal_all;
use crate::audit::{Actor, Origin};
use crate::bols::weight::grouped;
use crate::cli::{Failure, agreed, owner_url, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;

#[derive(Args)]
pub struct Arguments {
    /// Only print what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let years = config.audit_retention.ok_or_else(|| {
        Failure::Usage(
            "AUDIT_RETENTION_YEARS: not set, so every event is kept; set it to a whole number from 1 to 100".into(),
        )
    })?;
    let keys = config.seal_keys(config.secret_key.as_ref());
    let url = owner_url(config)?;
    serve::check_schema(url).await?;
    let db = Database::new(url, 2);
    let retention = Retention { db: &db, keys: &keys, years, now: Clock::system().now() };
    let mut snapshot = db.snapshot().await.map_err(Failure::problem)?;
    let plan = retention.plan(snapshot.connection()).await.map_err(Failure::problem)?;
    drop(snapshot);
    if !arguments.json {
        announce(&plan, years);
    }
    if arguments.dry_run {
        return print(&arguments, &plan, None);
    }
    if !arguments.yes && plan.batches > 0 && !agreed("Remove them permanently?")? {
        return Err(Failure::Problem("nothing was removed".into()));
    }
    let purged = retention.purge(Actor::COMMAND_LINE, &Origin::command_line()).await.map_err(Failure::problem)?;
    let (plan, removed) = purged
        .ok_or_else(|| Failure::Problem("another process is purging; run this again when it has finished".into()))?;
    // Seals the record of the purge even if no server runs.
    if keys.signs.is_some()
        && let Err(error) = seal_all(&db, &keys).await
    {
        tracing::warn!(%error, "the newest events are not sealed");
    }
    print(&arguments, &plan, Some(&removed))
}

fn count(count: u64) -> String {
    grouped(count.cast_signed())
}

fn announce(plan: &Plan, years: u16) {
    let before = plan.before.format("%Y-%m-%d");
    println!("events are kept for {years} years: those before {before} can be removed");
    println!("{} events in {} sealed batches", count(plan.events()), count(plan.batches));
}

fn print(arguments: &Arguments, plan: &Plan, removed: Option<&Removed>) -> Result<(), Failure> {
    if arguments.json {
        let plan_json = json!({"before": plan.before, "batches": plan.batches, "events": plan.events()});
        println!("{}", json!({"plan": plan_json, "removed": removed}));
    }
    let Some(removed) = removed else { return Ok(()) };
    if !arguments.json {
        println!("{} events removed, {} partitions dropped", count(removed.events), count(removed.months));
    }
    if removed.waiting.is_empty() {
        return Ok(());
    }
    Err(Failure::Problem(format!("other sessions are reading {}: run it again later", removed.waiting.join(", "))))
}
