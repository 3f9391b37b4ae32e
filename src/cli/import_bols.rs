//! `primetrade import-bols`

use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;

use clap::Args;

use super::{Failure, database_url, printable, serve};
use crate::audit::Origin;
use crate::bols::import::{self, ImportError, ImportOptions, Report};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Database;

#[derive(Args)]
pub struct Arguments {
    /// A CSV file, or - for standard input. The first line names the columns: number, date, customer, product, tons or
    /// net_lb, and any other field of a BOL
    file: PathBuf,
    /// Check the file and report, but import nothing
    #[arg(long)]
    dry_run: bool,
    /// Create missing customers, with the code from the column customer_code or one derived from the name
    #[arg(long)]
    create_customers: bool,
    /// Skip BOLs that exist already, instead of rejecting the file
    #[arg(long)]
    skip_existing: bool,
}

pub async fn run(config: &Config, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { file, dry_run, create_customers, skip_existing } = arguments;
    let url = database_url(config)?;
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(stdin())
    } else {
        Box::new(File::open(&file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?)
    };
    serve::check_schema(url).await?;
    let options = ImportOptions { dry_run, create_customers, skip_existing };
    let db = Database::new(url, 2);
    let report = {
        let today = Clock::system().now().with_timezone(&config.time_zone).date_naive();
        import::import(&db, input, options, (&config.bol_prefix, today), &Origin::command_line()).await
    };
    let report = report.map_err(|error| match error {
        ImportError::File(what) => Failure::Problem(format!("{}: {what}", file.display())),
        ImportError::Db(error) => error.into(),
    })?;
    print_report(&report, dry_run)
}

fn print_report(report: &Report, dry_run: bool) -> Result<(), Failure> {
    if !report.ignored_columns.is_empty() {
        eprintln!(
            "ignored columns: {}",
            printable(&report.ignored_columns.join(", ").chars().take(500).collect::<String>())
        );
    }
    for wrong in &report.errors {
        println!("line {}: {}", wrong.line, printable(&wrong.message));
    }
    if report.error_count > 0 {
        let listed = report.errors.len() as u64;
        let more = if report.error_count > listed { format!(" ({listed} of them above)") } else { String::new() };
        return Err(Failure::Problem(format!(
            "{} errors in {} lines{more}. Nothing was imported.",
            report.error_count, report.lines
        )));
    }
    for (code, name) in &report.created {
        println!("{} customer {code} ({})", if dry_run { "would create" } else { "created" }, printable(name));
    }
    let verb = if dry_run { "would import" } else { "imported" };
    let skipped = match report.skipped {
        0 => String::new(),
        skipped => format!(", skipped {skipped} that exist already"),
    };
    println!("{verb} {} BOLs{skipped}", report.imported);
    for (year, seq) in &report.highest {
        println!("the next number of {year} {} {}", if dry_run { "would be" } else { "is" }, seq + 1);
    }
    if dry_run {
        println!("Nothing was imported (--dry-run).");
    }
    Ok(())
}
