//! `primetrade audit …`

mod export;
mod import_access_log;
mod keys;
mod prove;
mod purge;
mod verify;
mod witness;

use clap::Subcommand;

use super::Failure;
use crate::config::{Config, SealKeys, Verifier};

#[derive(Subcommand)]
pub enum Command {
    /// Write events to a file, newest first. Takes the filters of the page /audit
    Export(export::Arguments),
    /// Import the bucket's access log: record who followed which link, when, and how many bytes were sent. Importing a
    /// file again adds no second event for the same GET
    ImportAccessLog(import_access_log::Arguments),
    /// Verify every sealed event, seal and checkpoint in the database and the storage. Print the first difference, if
    /// any, and exit with 1
    Verify(verify::Arguments),
    /// Send checkpoints to a second place, out of reach of those who run the portal. Send nothing if the log
    /// isn't a continuation of what the place has
    Witness(witness::Arguments),
    /// Write a proof that an event was sealed. Anyone can check it without the log (tools/check_proof.py)
    Prove(prove::Arguments),
    /// Remove events that are older than AUDIT_RETENTION_YEARS, in whole sealed batches. Their leaves stay, so that all
    /// other events can be verified. A running server purges without this command
    Purge(purge::Arguments),
    /// Generate a key for SEAL_KEY, and print its public key
    Keygen(keys::Arguments),
    /// Print the public key of the signing key, for auditors, or for SEAL_VERIFIERS before you change SEAL_KEY
    Key,
}

impl Command {
    pub fn needs_database(&self) -> bool {
        !matches!(self, Self::Keygen(_) | Self::Key)
    }
}

/// Returns the trusted keys, with those of an option.
pub(super) fn trusted_keys(config: &Config, further: &[Verifier], advice: &str) -> Result<SealKeys, Failure> {
    let mut keys = config.seal_keys(config.secret_key.as_ref());
    keys.trusted.extend(further.iter().cloned());
    if keys.trusted.is_empty() {
        return Err(Failure::Usage(format!("SEAL_KEY: not set, nor SECRET_KEY, nor SEAL_VERIFIERS; {advice}")));
    }
    Ok(keys)
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Export(arguments) => export::run(config, arguments).await,
        Command::ImportAccessLog(arguments) => import_access_log::run(config, arguments).await,
        Command::Verify(arguments) => verify::run(config, arguments).await,
        Command::Witness(arguments) => witness::run(config, arguments).await,
        Command::Prove(arguments) => prove::run(config, arguments).await,
        Command::Purge(arguments) => purge::run(config, arguments).await,
        Command::Keygen(arguments) => keys::generate(&arguments),
        Command::Key => keys::show(config),
    }
}
