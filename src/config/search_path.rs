//! Where programs are looked for.

use std::path::PathBuf;

/// Returns the folders of `PATH`.
#[allow(clippy::disallowed_methods, reason = "config is the one place that reads the environment")]
pub fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
