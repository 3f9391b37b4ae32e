//! Finds `initdb`, `postgres` and `pg_basebackup`.

use std::path::{Path, PathBuf};
use std::process::Command;

pub const HOW_TO_INSTALL: &str = "Postgres 14 or newer is not installed (its initdb and postgres were not found on PATH nor in the usual folders); \
     install it with: sudo apt-get install postgresql   (macOS: brew install postgresql@17)";

/// The oldest version that supports the SQL function bodies of the migrations.
const OLDEST: u32 = 14;

/// A folder with both programs.
pub struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    /// Returns the first on PATH, or the newest of the usual folders.
    pub fn newest() -> Option<Self> {
        let on_path = crate::config::search_path().into_iter().filter_map(|folder| Self::in_folder(&folder));
        let usual = || Self::usual().into_iter().max_by_key(|found| found.major);
        on_path.take(1).find(|found| found.major >= OLDEST).or_else(usual).filter(|found| found.major >= OLDEST)
    }

    /// Returns those that can open a cluster of this major version.
    pub fn of_version(version: &str) -> Option<Self> {
        let on_path = crate::config::search_path().into_iter().filter_map(|folder| Self::in_folder(&folder));
        on_path.chain(Self::usual()).find(|found| found.major.to_string() == version)
    }

    pub fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub fn base_backup(&self) -> PathBuf {
        self.folder.join("pg_basebackup")
    }

    fn usual() -> Vec<Self> {
        let families = [
            ("/usr/lib/postgresql", "bin"),
            ("/opt/homebrew/opt", "bin"),
            ("/usr/local/opt", "bin"),
            ("/Applications/Postgres.app/Contents/Versions", "bin"),
            ("/usr", "bin"),
            ("/usr/local", "bin"),
        ];
        let mut found = Vec::new();
        for (family, bin) in families {
            let members = std::fs::read_dir(family).into_iter().flatten().flatten();
            found.extend(members.filter_map(|member| Self::in_folder(&member.path().join(bin))));
        }
        found
    }

    /// Resolves symbolic links first: Postgres looks for its other files beside the real programs.
    fn in_folder(folder: &Path) -> Option<Self> {
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let folder = postgres.parent()?.to_owned();
        folder.join("initdb").is_file().then_some(())?;
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let major: String = version.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { folder, major: major.parse().ok()? })
    }
}
