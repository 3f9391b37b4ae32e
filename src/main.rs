//! The `primetrade` program. All code is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Returns freed memory to the system. argon2 needs 19 MiB for each hash, which glibc's allocator would keep in every
/// thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    primetrade::cli::run()
}
