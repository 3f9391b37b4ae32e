//! What a drill found. The event has it as JSON, so the names of the fields are fixed.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Findings of a check that are kept by name.
pub const MAX_FINDINGS: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DrillReport {
    /// `None` if there was no dump.
    pub dump: Option<DumpFacts>,
    /// `None` if the dump could not be restored.
    pub restored: Option<Restored>,
    pub checks: Vec<Check>,
    /// Why the drill did not finish.
    pub reason: Option<String>,
    /// How long the drill took.
    pub seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DumpFacts {
    /// The name of the file, without its folder.
    pub file: String,
    /// When the file was last written.
    pub modified_at: DateTime<Utc>,
    pub age_hours: i64,
    pub bytes: u64,
}

/// What the restored database has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub tables: i64,
    pub bols: i64,
    pub documents: i64,
    pub events: i64,
    /// The migrations that the dump lacked.
    pub applied: Vec<String>,
    /// The extensions of the dump that an ordinary role can't create.
    pub left_out: Vec<String>,
}

/// One check of the restored database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `age`, `log`, `storage` or `downloads`.
    pub check: &'static str,
    pub passed: bool,
    /// What was checked, in a sentence.
    pub detail: String,
    /// The first differences.
    pub findings: Vec<String>,
}

impl DrillReport {
    pub fn has_passed(&self) -> bool {
        self.reason.is_none() && !self.checks.is_empty() && self.checks.iter().all(|check| check.passed)
    }

    /// Adds what failed after the drill itself.
    pub fn add_reason(&mut self, more: &str) {
        self.reason = Some(match self.reason.take() {
            Some(reason) => format!("{reason}; then {more}"),
            None => more.to_owned(),
        });
    }
}

impl Check {
    /// A check that passes if nothing was found.
    pub fn new(check: &'static str, detail: String, findings: Vec<String>) -> Self {
        Self { check, passed: findings.is_empty(), detail, findings }
    }

    /// A check that could not be made.
    pub fn broken(check: &'static str, error: impl std::fmt::Display) -> Self {
        Self { check, passed: false, detail: format!("could not be checked: {error}"), findings: Vec::new() }
    }
}
