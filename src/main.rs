//! The `primetrade` program: everything is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Gives back what log-ins and large pages take: argon2 needs 19 MiB a time, which glibc's would keep in every thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    primetrade::cli::run().await
}
