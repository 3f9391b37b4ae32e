//! `primetrade storage setup`: gives the bucket the desired settings. A second run changes nothing.

use clap::Args;

use super::bucket;
use crate::cli::{Failure, agreed};
use crate::config::Config;
use crate::storage::s3::archive::{Archive, ArchiveClass};
use crate::storage::s3::bucket::{Setting, State};
use crate::storage::s3::desired::DesiredSettings;
use crate::storage::{Cause, S3Store, StorageFailure};

#[derive(Args)]
pub struct Arguments {
    /// Make the changes without asking
    #[arg(long)]
    yes: bool,
    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,
    /// Move old versions, and BOLs after this many months, to a cheaper storage class
    #[arg(long, value_name = "MONTHS", value_parser = clap::value_parser!(u16).range(1..=600))]
    archive_after: Option<u16>,
    /// The cheaper storage class
    #[arg(long, value_enum, default_value = "glacier-ir", requires = "archive_after")]
    archive_class: ArchiveClassArgument,
    /// Leave "https only" out of the bucket policy, for a server of your own with plain http or behind a
    /// TLS-terminating proxy
    #[arg(long)]
    plain_http: bool,
    /// Turn on Object Lock, and have each new checkpoint of the access log locked for this many years. Nothing and no one
    /// can delete or unlock such a checkpoint earlier. Documents are not locked
    #[arg(long, value_name = "YEARS", value_parser = clap::value_parser!(u16).range(1..=100))]
    lock_checkpoints: Option<u16>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ArchiveClassArgument {
    /// Objects can be read immediately, and links keep working
    GlacierIr,
    /// Objects can be read immediately. Storing costs a little more, reading less
    StandardIa,
    /// Objects must be restored first, which takes hours
    Glacier,
    /// Objects must be restored first, which takes half a day
    DeepArchive,
}

impl From<ArchiveClassArgument> for ArchiveClass {
    fn from(argument: ArchiveClassArgument) -> Self {
        match argument {
            ArchiveClassArgument::GlacierIr => Self::GlacierIr,
            ArchiveClassArgument::StandardIa => Self::StandardIa,
            ArchiveClassArgument::Glacier => Self::Glacier,
            ArchiveClassArgument::DeepArchive => Self::DeepArchive,
        }
    }
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let store = S3Store::with_long_timeouts(bucket(config)?).await;
    let archive = arguments.archive_after.map(|months| Archive { months, class: arguments.archive_class.into() });
    let wanted = DesiredSettings {
        link_life: config.link_life,
        archive,
        https_only: !arguments.plain_http,
        lock_years: arguments.lock_checkpoints,
    };
    println!("Bucket {} in {}", store.bucket(), store.region());
    let todo = todo(&store, &wanted).await?;
    if todo.is_empty() {
        println!("All settings are as desired. Nothing was changed.");
        return Ok(());
    }
    if archive.is_some_and(|archive| archive.class.needs_restore()) {
        println!(
            "note    archived objects can't be downloaded immediately: the portal must restore them first, which takes hours"
        );
    }
    if todo.contains(&Setting::ObjectLock) {
        println!(
            "note    a locked checkpoint can't be deleted or unlocked before its time, not even by the account's owner; Object Lock \
             can't be turned off again"
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
            Err(failure) if is_skipped(setting, &failure) => {
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
        _ => {
            Err(Failure::Problem("The store accepted the settings but reports different ones: see FAIL above.".into()))
        }
    }
}

/// Reads a setting until it is as desired. S3 reports a change a few seconds late.
async fn read_back(store: &S3Store, setting: Setting, wanted: &DesiredSettings) -> Result<State, StorageFailure> {
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

/// Prints the state of every setting, and returns the settings to change.
async fn todo(store: &S3Store, wanted: &DesiredSettings) -> Result<Vec<Setting>, Failure> {
    let mut todo = Vec::new();
    let mut is_new = false;
    let is_asked = |setting: &Setting| *setting != Setting::ObjectLock || wanted.lock_years.is_some();
    for setting in Setting::ALL.into_iter().filter(is_asked) {
        let state = if is_new { Ok(store.state_of_new(setting, wanted)) } else { store.state(setting, wanted).await };
        let State { is_right, found, wanted } = match state {
            Ok(state) => state,
            Err(failure) if is_skipped(setting, &failure) => {
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

/// Whether setup continues without a setting that the server lacks. A lock was asked for, so it doesn't without one.
fn is_skipped(setting: Setting, failure: &StorageFailure) -> bool {
    failure.cause == Cause::NotOffered && setting != Setting::ObjectLock
}

fn explained(setting: Setting, failure: &StorageFailure) -> Failure {
    let advice = match failure.cause {
        Cause::NotOffered | Cause::Other if setting == Setting::ObjectLock => setting.without(),
        cause => cause.advice(),
    };
    Failure::Problem(format!("FAIL    {:<14} {failure}\n        -> {advice}", setting.label()))
}
