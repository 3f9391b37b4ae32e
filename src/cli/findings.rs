//! The results of the check: printed line by line, or as JSON at the end.

use std::fmt;

use crate::cli::{Failure, printable};
use crate::storage::{StorageError, StorageFailure};

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(serde::Serialize)]
pub struct Finding {
    check: &'static str,
    result: Verdict,
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
}

/// The results so far, printed as they come.
pub struct Findings {
    lines: Vec<Finding>,
    json: bool,
}

impl Findings {
    pub fn new(json: bool) -> Self {
        Self { lines: Vec::new(), json }
    }

    pub fn say(&mut self, check: &'static str, result: Verdict, detail: impl fmt::Display, advice: &str) {
        let line = Finding { check, result, detail: printable(&detail.to_string()), advice: advice.into() };
        if !self.json {
            let word = match result {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            println!("{word:<5} {check:<15} {}", line.detail);
            if !line.advice.is_empty() {
                println!("      -> {}", line.advice);
            }
        }
        self.lines.push(line);
    }

    pub fn ok(&mut self, check: &'static str, detail: impl fmt::Display) {
        self.say(check, Verdict::Ok, detail, "");
    }

    pub fn failure(&mut self, check: &'static str, failure: &StorageFailure) {
        self.say(check, Verdict::Fail, failure, failure.cause.advice());
    }

    pub fn error(&mut self, check: &'static str, error: &StorageError) {
        match error {
            StorageError::Unavailable(failure) => self.failure(check, failure),
            other => self.say(check, Verdict::Fail, other, ""),
        }
    }

    fn failed(&self) -> usize {
        self.lines.iter().filter(|line| line.result == Verdict::Fail).count()
    }

    pub fn finish(self) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self.lines).map_err(Failure::problem)?);
        }
        match self.failed() {
            0 => Ok(()),
            1 => Err(Failure::Problem("1 check failed.".into())),
            many => Err(Failure::Problem(format!("{many} checks failed."))),
        }
    }
}
