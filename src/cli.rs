//! The command line. Prints results to stdout, progress and log to stderr. Exit code 0 is success, 1 a problem, 2
//! wrong usage or configuration.

mod audit;
mod check;
mod customer;
mod demo;
mod examine;
mod findings;
mod import_bols;
mod migrate;
mod migrate_pdfs;
mod restore_drill;
pub mod seed;
mod serve;
mod storage;
mod token;
mod user;

use std::fmt;
use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigErrors, LogFormat, Needs};
use crate::db::DbError;
use crate::storage::StorageError;
use crate::telemetry;

/// The PrimeTrade BOL portal. It reads its configuration from the environment and a .env file; see
/// docs/configuration.md
#[derive(Parser)]
#[command(name = "primetrade", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal. Migrations are checked, not applied
    Serve,
    /// Check the database: its roles, migrations, rights, retention and keys
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try the portal: start a private Postgres, load sample data, and serve
    Demo {
        /// The folder for the database, the files and the key
        #[arg(long, default_value = "data", value_name = "DIR")]
        data_dir: PathBuf,
        /// Overrides PORT
        #[arg(long)]
        port: Option<u16>,
    },
    /// Apply the migrations that the database lacks
    Migrate,
    /// Load the sample data into an empty database and the configured storage
    Seed {
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=200))]
        customers: u16,
        #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(0..=100_000))]
        bols: u32,
        /// Print the sample logins as JSON
        #[arg(long)]
        json: bool,
    },
    /// Add and list customers
    #[command(subcommand)]
    Customer(customer::Command),
    /// Add, list, invite, disable and enable logins
    #[command(subcommand)]
    User(user::Command),
    /// List and revoke API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Check, set up and reconcile the document storage
    #[command(subcommand)]
    Storage(storage::Command),
    /// Upload the PDFs of a local folder to the bucket, whatever USE_S3 says. Safe to interrupt and repeat
    #[command(name = "migrate-pdfs-to-s3")]
    MigratePdfs(migrate_pdfs::Arguments),
    /// Import the BOLs of the previous system from a CSV file: all of them, or none
    ImportBols(import_bols::Arguments),
    /// Try the backup: restore a dump into a scratch database, verify its log, compare its documents with the storage,
    /// and record the result. Changes nothing else
    RestoreDrill(restore_drill::Arguments),
    /// Export, verify, prove and purge the access log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Examine a PDF on standard input: print its faults and the BOL numbers it shows. The server runs this for every
    /// upload, with limits on memory and time
    Examine {
        #[arg(long, default_value = "PRT")]
        prefix: String,
        /// Draw the first page instead (PNG)
        #[arg(long)]
        preview: bool,
        /// Write a copy that only shows the pages instead (PDF)
        #[arg(long, conflicts_with = "preview")]
        clean: bool,
        /// Make a PDF of a photo in JPEG, PNG, HEIC or TIFF instead: a line of JSON, then the PDF
        #[arg(long, conflicts_with_all = ["preview", "clean"])]
        photo: bool,
        /// Print what this process can still reach once it is confined (JSON). Reads no file
        #[arg(long, conflicts_with_all = ["preview", "clean", "photo"])]
        probe: bool,
    },
}

impl Command {
    fn needs(&self) -> Needs {
        match self {
            Self::Serve => Needs::Serving,
            Self::Demo { .. } => Needs::Nothing,
            Self::Storage(command) if !command.needs_database() => Needs::Nothing,
            Self::Audit(command) if !command.needs_database() => Needs::Nothing,
            _ => Needs::Database,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration.
    Usage(String),
    /// The usage was right, but the command could not be completed.
    Problem(String),
}

impl Failure {
    fn problem(error: impl fmt::Display) -> Self {
        Self::Problem(error.to_string())
    }

    /// Says what to do about the storage, for a command that did nothing yet.
    fn storage(error: StorageError) -> Self {
        let advice = match &error {
            StorageError::Unavailable(failure) => failure.cause.advice(),
            _ => "look at the storage",
        };
        Self::Problem(format!(
            "{error}\nNothing was done. What to do: {advice}. For more, run: primetrade storage check"
        ))
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::problem(error)
    }
}

crate::db::query_error_into!(Failure);

/// Exits quietly when stdout is closed, as by `| head`, instead of panicking.
fn exit_quietly_on_closed_pipe() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.starts_with("failed printing to stdout") && text.contains("Broken pipe")) {
            // Exits as if SIGPIPE had ended the process.
            std::process::exit(128 + 13);
        }
        usual(panic);
    }));
}

pub fn run() -> ExitCode {
    exit_quietly_on_closed_pipe();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to stdout, and errors to stderr. A failed write has no remedy.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match start(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failure::Problem(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command on threads, unless it confines itself first.
fn start(command: Command) -> Result<(), Failure> {
    if let Command::Examine { prefix, preview, clean, photo, probe } = command {
        let task = match (preview, clean, photo, probe) {
            (true, ..) => examine::Task::Preview,
            (_, true, ..) => examine::Task::Clean,
            (_, _, true, _) => examine::Task::Photo,
            (.., true) => examine::Task::Probe,
            _ => examine::Task::Examine,
        };
        return examine::run(&prefix, task);
    }
    tokio::runtime::Runtime::new().map_err(Failure::problem)?.block_on(dispatch(command))
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    let config = Config::from_environment(command.needs())?;
    telemetry::start(config.log_format == LogFormat::Json, &config.log_filter);
    match command {
        Command::Serve => serve::run(config).await,
        Command::Check { json } => check::run(&config, json).await,
        Command::Demo { data_dir, port } => demo::run(config, &data_dir, port).await,
        Command::Migrate => migrate::run(&config).await,
        Command::Seed { customers, bols, json } => {
            let (sample, _) = seed::run(&config, customers.into(), bols as usize).await?;
            seed::print(&sample, json);
            Ok(())
        }
        Command::Customer(command) => customer::run(&config, command).await,
        Command::User(command) => user::run(&config, command).await,
        Command::Token(command) => token::run(&config, command).await,
        Command::Storage(command) => storage::run(&config, command).await,
        Command::Audit(command) => audit::run(&config, command).await,
        Command::ImportBols(arguments) => import_bols::run(&config, arguments).await,
        Command::RestoreDrill(arguments) => restore_drill::run(&config, arguments).await,
        Command::MigratePdfs(arguments) => migrate_pdfs::run(&config, arguments).await,
        Command::Examine { .. } => unreachable!("handled in start, without threads"),
    }
}

/// Makes untrusted text safe for a terminal: replaces characters that would move the cursor or change colors.
fn printable(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_control(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns a progress bar on stderr, drawn on a terminal only. Without a length it shows no estimate.
fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let target = if stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Asks for confirmation on the terminal. Fails without a terminal.
fn agreed(question: &str) -> Result<bool, Failure> {
    if !stdin().is_terminal() {
        return Err(Failure::Usage(
            "This command asks for confirmation, and there is no terminal. Add --yes to proceed, or --dry-run to preview.".into(),
        ));
    }
    eprint!("{question} [y/N] ");
    stderr().flush().map_err(Failure::problem)?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(Failure::problem)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Returns the database, which [`Needs`] guarantees.
fn database_url(config: &Config) -> Result<&crate::config::DatabaseUrl, Failure> {
    config.database_url.as_ref().ok_or_else(|| Failure::Usage("DATABASE_URL: not set".into()))
}

/// Returns the database as its owner: `MIGRATE_DATABASE_URL`, or `DATABASE_URL` if the owner serves too.
fn owner_url(config: &Config) -> Result<&crate::config::DatabaseUrl, Failure> {
    config.migrate_database_url.as_ref().map_or_else(|| database_url(config), Ok)
}

/// Returns a future that ends with Ctrl-C or SIGTERM. From now on neither ends the process.
fn interrupted() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::problem)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::problem)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns the path of the running program, even if a newer file has replaced it since.
fn this_program() -> Result<PathBuf, Failure> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.into()) } else { std::env::current_exe().map_err(Failure::problem) }
}
