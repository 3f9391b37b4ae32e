//! Finds the programs of Postgres: `initdb`, `postgres`, `pg_basebackup` and `pg_restore`.

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
        usual_folders().iter().filter_map(|folder| Self::in_folder(folder)).collect()
    }

    /// Resolves symbolic links first: Postgres looks for its other files beside the real programs.
    fn in_folder(folder: &Path) -> Option<Self> {
        let postgres = folder.join("postgres").canonicalize().ok()?;
        let folder = postgres.parent()?.to_owned();
        folder.join("initdb").is_file().then_some(())?;
        let major = major_of(&postgres)?;
        Some(Self { folder, major })
    }
}

/// Returns `pg_restore` with its major version: the one of a server, or else the newest. A machine may have the clients
/// of Postgres without the server.
pub fn pg_restore(server: u32) -> Option<(PathBuf, u32)> {
    let folders = usual_folders().into_iter().chain(crate::config::search_path());
    let programs = folders.map(|folder| folder.join("pg_restore")).filter(|program| program.is_file());
    let found = programs.filter_map(|program| major_of(&program).map(|major| (program, major)));
    let found: Vec<_> = found.filter(|(_, major)| *major >= OLDEST).collect();
    let same = found.iter().find(|(_, major)| *major == server);
    same.or_else(|| found.iter().max_by_key(|(_, major)| *major)).cloned()
}

/// Returns the folders outside of PATH where packages put the programs.
fn usual_folders() -> Vec<PathBuf> {
    let families = [
        "/usr/lib/postgresql",
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/Applications/Postgres.app/Contents/Versions",
        "/usr",
        "/usr/local",
    ];
    let members = families.iter().flat_map(|family| std::fs::read_dir(family).into_iter().flatten().flatten());
    members.map(|member| member.path().join("bin")).collect()
}

fn major_of(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // "postgres (PostgreSQL) 15.18 (Debian …)"
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    major.parse().ok()
}
