//! `primetrade storage setup`: the bucket as it should be. Run twice, it changes nothing.

use clap::Args;

use super::bucket;
use crate::cli::{Failure, agreed};
use crate::config::Config;
use crate::storage::s3::bucket::{Archive, Class, Setting, State, Wanted};
use crate::storage::{Cause, S3Store, StorageFailure};

#[derive(Args)]
pub struct Arguments {
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Move old versions, and BOLs after so many months, to a cheaper class
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u16).range(1..=600))]
    archive_after: Option<u16>,
    /// The cheaper class
    #[arg(long, value_enum, default_value = "glacier-ir", requires = "archive_after")]
    archive_class: Class,
    /// Leave "https only" out of the bucket policy: for a server of your own that speaks plain http, or sits behind a proxy
    /// that does the TLS
    #[arg(long)]
    plain_http: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let store = S3Store::with_long_timeouts(bucket(config)?).await;
    let archive = arguments.archive_after.map(|months| Archive { months, class: arguments.archive_class });
    let wanted = Wanted { link_life: config.link_life, archive, https_only: !arguments.plain_http };
    println!("Bucket {} in {}", store.bucket(), store.region());
    let todo = todo(&store, &wanted).await?;
    if todo.is_empty() {
        println!("Everything is as it should be. Nothing was changed.");
        return Ok(());
    }
    if archive.is_some_and(|archive| matches!(archive.class, Class::Glacier | Class::DeepArchive)) {
        println!(
            "note    what is archived there can't be downloaded at once: the portal asks for it, which takes hours"
        );
    }
    if arguments.dry_run {
        println!("Nothing was changed (--dry-run).");
        return Ok(());
    }
    if !arguments.yes && !agreed("Make these changes?")? {
        return Err(Failure::Problem("Nothing was changed.".into()));
    }
    let mut left = 0;
    for setting in todo {
        match store.apply(setting, &wanted).await {
            Ok(()) => {}
            Err(failure) if failure.cause == Cause::NotOffered => {
                println!("skip    {:<14} {failure}", setting.label());
                continue;
            }
            Err(failure) => return Err(explained(setting, &failure)),
        }
        let state = read_back(&store, setting, &wanted).await.map_err(|failure| explained(setting, &failure))?;
        println!("{:<7} {:<14} {}", if state.is_right { "done" } else { "FAIL" }, setting.label(), state.found);
        left += usize::from(!state.is_right);
    }
    match left {
        0 => Ok(()),
        _ => Err(Failure::Problem("The store took the settings and shows others: see FAIL above.".into())),
    }
}

/// Amazon takes a setting at once and shows it a few seconds later.
async fn read_back(store: &S3Store, setting: Setting, wanted: &Wanted) -> Result<State, StorageFailure> {
    let mut tries = 0;
    loop {
        let state = store.state(setting, wanted).await;
        tries += 1;
        if tries == 10 || matches!(state, Ok(State { is_right: true, .. })) {
            return state;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Says how everything is, and gives what has to be changed.
async fn todo(store: &S3Store, wanted: &Wanted) -> Result<Vec<Setting>, Failure> {
    let mut todo = Vec::new();
    let mut is_new = false;
    for setting in Setting::ALL {
        let state = if is_new { Ok(store.state_of_new(setting, wanted)) } else { store.state(setting, wanted).await };
        let State { is_right, found, wanted } = match state {
            Ok(state) => state,
            Err(failure) if failure.cause == Cause::NotOffered => {
                println!("skip    {:<14} {failure}", setting.label());
                continue;
            }
            Err(failure) => return Err(explained(setting, &failure)),
        };
        if is_right {
            println!("ok      {:<14} {found}", setting.label());
        } else {
            println!("change  {:<14} {found} -> {wanted}", setting.label());
            is_new |= setting == Setting::Exists;
            todo.push(setting);
        }
    }
    Ok(todo)
}

fn explained(setting: Setting, failure: &StorageFailure) -> Failure {
    Failure::Problem(format!("FAIL    {:<14} {failure}\n        -> {}", setting.label(), failure.cause.advice()))
}
