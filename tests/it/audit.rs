//! What auditors read and export, and how the log proves that it is whole.

pub mod access_log_import;
pub mod export;
pub mod local_fetches;
pub mod log;
pub mod pack;
pub mod proof;
pub mod retention;
pub mod seals;
pub mod verify;
