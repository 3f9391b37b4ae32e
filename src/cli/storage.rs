//! `primetrade storage …`: sets up the bucket, and finds out what is wrong with it.

mod check;
mod reconcile;
mod setup;

use clap::Subcommand;

use super::Failure;
use crate::config::{Config, S3Config};
use crate::storage::s3::policy;

#[derive(Subcommand)]
pub enum Command {
    /// Check variables, credentials, bucket, region, clock, put, get, links, delete and the settings of the bucket.
    /// Print one line for each, with advice. Exit code 1 if a check fails
    Check {
        #[arg(long)]
        json: bool,
    },
    /// Create the bucket and set it up: private, versioned, encrypted, https only. Show the changes and ask first
    Setup(setup::Arguments),
    /// Print the least-privilege IAM policy for this bucket
    Policy {
        /// Print the policy for the administrator who runs `storage setup` instead
        #[arg(long)]
        setup: bool,
    },
    /// Compare the database with the storage: documents without object, objects without document, sizes and checksums
    Reconcile(reconcile::Arguments),
}

impl Command {
    pub fn needs_database(&self) -> bool {
        matches!(self, Self::Reconcile(_))
    }
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check { json } => check::run(config, json).await,
        Command::Setup(arguments) => setup::run(config, arguments).await,
        Command::Policy { setup } => {
            let bucket = &bucket(config)?.bucket;
            let policy = if setup { policy::for_setup(bucket) } else { policy::for_iam(bucket) };
            println!("{}", serde_json::to_string_pretty(&policy).map_err(Failure::problem)?);
            Ok(())
        }
        Command::Reconcile(arguments) => reconcile::run(config, arguments).await,
    }
}

/// The bucket, whatever `USE_S3` says.
pub fn bucket(config: &Config) -> Result<&S3Config, Failure> {
    config.s3.as_ref().ok_or_else(|| {
        Failure::Usage(
            "AWS_STORAGE_BUCKET_NAME: not set, allowed is the name of the bucket, such as primetrade-documents".into(),
        )
    })
}
