//! `primetrade audit …`

mod export;
mod import_access_log;
mod keys;
mod prove;
mod purge;
mod verify;

use clap::Subcommand;

use super::Failure;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Events as a file, newest first: the same as the page /audit gives with the same filters
    Export(export::Wishes),
    /// What the bucket's own access log says of links: who followed them, when, and how many bytes went out. Each GET becomes an
    /// event, once, however often its file is read
    ImportAccessLog(import_access_log::Arguments),
    /// Whether every event, seal and checkpoint is as it was sealed, in the database and in the storage. Exit code 1, and
    /// the first that isn't, otherwise
    Verify(verify::Arguments),
    /// That an event was sealed, as a file that anybody checks without the log (tools/check_proof.py)
    Prove(prove::Arguments),
    /// Remove what is older than AUDIT_RETENTION_YEARS, batch by sealed batch; the leaves stay, so that everything else can be
    /// verified. A server does it by itself
    Purge(purge::Arguments),
    /// A new key for SEAL_KEY, and the public one that belongs to it
    Keygen(keys::Arguments),
    /// The public key that belongs to what signs here: for auditors, and for SEAL_VERIFIERS before SEAL_KEY is changed
    Key,
}

impl Command {
    pub fn needs_database(&self) -> bool {
        !matches!(self, Self::Keygen(_) | Self::Key)
    }
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Export(wishes) => export::run(config, wishes).await,
        Command::ImportAccessLog(arguments) => import_access_log::run(config, arguments).await,
        Command::Verify(arguments) => verify::run(config, arguments).await,
        Command::Prove(arguments) => prove::run(config, arguments).await,
        Command::Purge(arguments) => purge::run(config, arguments).await,
        Command::Keygen(arguments) => keys::generate(&arguments),
        Command::Key => keys::show(config),
    }
}
