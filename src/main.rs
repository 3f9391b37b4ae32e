//! The `primetrade` program: everything is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    primetrade::cli::run().await
}
