//! What auditors read and export, and how the log proves that it is whole.

mod access_log_import;
mod checkpoints;
mod export;
mod forged_purges;
mod local_fetches;
mod log;
mod pack;
mod proof;
mod retention;
mod seals;
mod swallowed;
mod tampering;
mod verify;
mod versions;
mod witness;
mod witness_places;
mod witness_reader;
