//! Starts the examining process, with a time limit.

use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Confinement, Fault, Findings, MAX_CLEANED_BYTES, Report};

/// Wall-clock time, longer than the processor time, because the machine may be busy.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(90);
/// Time between the end of the output and the end of the process.
const GRACE: Duration = Duration::from_millis(200);
/// The output of the process: findings of forty pages, or a picture.
const MAX_OUTPUT_BYTES: u64 = 8 << 20;
/// Total size of the files that are examined at a time, which bounds memory.
const MAX_BYTES_AT_ONCE: u32 = 64 << 20;

#[derive(Clone)]
pub struct Examiner {
    program: PathBuf,
    prefix: String,
    /// One permit for each kilobyte of files.
    turns: Arc<Semaphore>,
    max_turns: u32,
    min_turns: u32,
    /// Separate permits for previews, so that they don't delay uploads.
    previews: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    #[error("the file has a fault: {0:?}")]
    Fault(Fault),
    /// The process could not be started, which is not the file's fault.
    #[error("files can't be examined at the moment: {0}")]
    Unavailable(#[from] io::Error),
}

impl Examiner {
    /// `program` is the running binary, even if its file was replaced since.
    pub fn new(program: PathBuf, prefix: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get) as u32;
        let max_turns = MAX_BYTES_AT_ONCE / 1024;
        Self {
            program,
            prefix,
            turns: Arc::new(Semaphore::new(max_turns as usize)),
            max_turns,
            min_turns: (max_turns / cores).max(1),
            previews: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the findings. If the process dies or exceeds its time, its last report counts; without a report the file is
    /// unreadable.
    pub async fn examine(&self, file: &File) -> Result<Findings, ExamineError> {
        let kilobytes = u32::try_from(file.metadata()?.len() / 1024).unwrap_or(u32::MAX);
        let turn = self.turns.acquire_many(kilobytes.clamp(self.min_turns, self.max_turns)).await;
        let _turn = turn.map_err(io::Error::other)?;
        let (said, _) = self.run(file, &["examine", "--prefix", &self.prefix], MAX_OUTPUT_BYTES).await?;
        let mut lines = said.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        match lines.next_back() {
            Some(Report::Found(findings)) => Ok(*findings),
            Some(Report::Fault(fault)) => Err(ExamineError::Fault(fault)),
            None => Err(ExamineError::Fault(Fault::Unreadable)),
        }
    }

    /// Returns the first page as PNG, or `None` if it can't be drawn.
    pub async fn preview(&self, file: &File) -> Result<Option<Vec<u8>>, ExamineError> {
        let _turn = self.previews.acquire().await.map_err(io::Error::other)?;
        let (picture, _) = self.run(file, &["examine", "--preview"], MAX_OUTPUT_BYTES).await?;
        Ok(Some(picture).filter(|picture| picture.starts_with(b"\x89PNG")))
    }

    /// Returns a copy of the PDF that only shows its pages, or `None` if none can be made.
    pub async fn clean(&self, file: &File) -> Result<Option<Vec<u8>>, ExamineError> {
        let _turn = self.turns.acquire_many(self.max_turns).await.map_err(io::Error::other)?;
        let (copy, is_complete) = self.run(file, &["examine", "--clean"], MAX_CLEANED_BYTES as u64).await?;
        Ok(Some(copy).filter(|copy| is_complete && copy.starts_with(b"%PDF-")))
    }

    /// Starts a process that tries what it may not do, and returns what worked.
    pub async fn probe(&self) -> io::Result<Confinement> {
        let nothing = File::open("/dev/null")?;
        let (said, _) =
            self.run(&nothing, &["examine", "--probe"], MAX_OUTPUT_BYTES).await.map_err(io::Error::other)?;
        serde_json::from_slice(&said).map_err(io::Error::other)
    }

    /// Returns the output of the process, and whether it exited with success.
    async fn run(
        &self,
        file: &File,
        arguments: &[&str],
        max_output_bytes: u64,
    ) -> Result<(Vec<u8>, bool), ExamineError> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut said = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            // After the timeout the child is killed below.
            let _ = timeout(PROCESS_TIMEOUT, stdout.take(max_output_bytes).read_to_end(&mut said)).await;
        }
        // A process that closed its output ends at once. Another one has exceeded its time or its output.
        let status = match timeout(GRACE, child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                child.start_kill().or_else(|error| if child.id().is_none() { Ok(()) } else { Err(error) })?;
                child.wait().await?
            }
        };
        Ok((said, status.success()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn with_program(script: &str) -> Result<Findings, ExamineError> {
        let folder = tempfile::TempDir::new().expect("a folder");
        let program = folder.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a file");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        Examiner::new(program, "PRT".into()).examine(&tempfile::tempfile().expect("a file")).await
    }

    /// The last report of a dying process counts; without one the file is unreadable.
    #[tokio::test]
    async fn what_a_dying_process_said_counts() {
        let said = r#"echo '{"found":{"pages":2,"text":["PRT-2025-0002"]}}'; kill -SEGV $$"#;
        let found = with_program(said).await.expect("findings");
        assert_eq!((found.pages, found.text.len(), found.is_complete), (2, 1, false));
        assert!(matches!(with_program("kill -SEGV $$").await, Err(ExamineError::Fault(Fault::Unreadable))));
        let fault = with_program(r#"echo '{"fault":"encrypted"}'"#).await;
        assert!(matches!(fault, Err(ExamineError::Fault(Fault::Encrypted))));
        let gone = Examiner::new("/nowhere".into(), "PRT".into()).examine(&tempfile::tempfile().expect("a file")).await;
        assert!(matches!(gone, Err(ExamineError::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_process_has_no_environment_of_ours() {
        let script = r#"echo "{\"found\":{\"pages\":$(env | grep -c -e KEY -e HOME -e DATABASE)}}""#;
        assert_eq!(with_program(script).await.expect("findings").pages, 0);
    }
}
