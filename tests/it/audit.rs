//! What auditors read and export, and how the log proves that it is whole.

mod access_log_import;
mod checkpoints;
mod downloads;
mod export;
mod forged_purges;
mod local_fetches;
mod log;
mod log_filters;
mod pack;
mod pack_forgeries;
mod proof;
mod retention;
mod seals;
mod swallowed;
mod tampering;
mod trace;
mod unusual;
mod verify;
mod versions;
mod witness;
mod witness_places;
mod witness_reader;
