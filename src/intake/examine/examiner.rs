//! Starts the examining process, with a time limit.

use std::fs::File;
use std::io::{self, Seek};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{TryStreamExt, stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::photo::{MAX_PDF_BYTES, PhotoReport};
use super::{Confinement, Fault, Findings, MAX_CLEANED_BYTES, Report};
use crate::metrics::{Metrics, Stopwatch};
use crate::storage::spool::{ReceiveError, Spool, Spooled};

/// Wall-clock time, longer than the processor time, because the machine may be busy.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(90);
/// Time between the end of the output and the end of the process.
const GRACE: Duration = Duration::from_millis(200);
/// The output of the process: findings of forty pages, or a picture.
const MAX_OUTPUT_BYTES: u64 = 8 << 20;
/// Total size of the files that are examined at a time, which bounds memory.
const MAX_BYTES_AT_ONCE: u32 = 64 << 20;
/// Longest report before the PDF of a photo.
const MAX_REPORT_BYTES: u64 = 4096;
/// Memory for the PDF of a photo, which the server reads in parts.
const PART_BYTES: usize = 64 * 1024;

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
    /// `None`: nothing is counted.
    metrics: Option<Metrics>,
}

/// A turn to run a process.
struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    _running: Option<Stopwatch>,
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
            metrics: None,
        }
    }

    /// Has the processes and the waits for them counted. `None` counts nothing.
    pub fn measured(self, metrics: Option<&Metrics>) -> Self {
        Self { metrics: metrics.cloned(), ..self }
    }

    /// Waits for a turn. The process counts as running until the turn is dropped.
    async fn turn<'a>(&self, of: &'a Semaphore, permits: u32, task: &'static str) -> io::Result<Turn<'a>> {
        let waiting = self.metrics.as_ref().map(Metrics::examiner_wait);
        let permit = of.acquire_many(permits).await.map_err(io::Error::other)?;
        drop(waiting);
        Ok(Turn { _permit: permit, _running: self.metrics.as_ref().map(|metrics| metrics.examination(task)) })
    }

    /// Returns the findings. If the process dies or exceeds its time, its last report counts; without a report the file is
    /// unreadable.
    pub async fn examine(&self, file: &File) -> Result<Findings, ExamineError> {
        let kilobytes = u32::try_from(file.metadata()?.len() / 1024).unwrap_or(u32::MAX);
        let permits = kilobytes.clamp(self.min_turns, self.max_turns);
        let _turn = self.turn(&self.turns, permits, "examine").await?;
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
        let _turn = self.turn(&self.previews, 1, "preview").await?;
        let (picture, _) = self.run(file, &["examine", "--preview"], MAX_OUTPUT_BYTES).await?;
        Ok(Some(picture).filter(|picture| picture.starts_with(b"\x89PNG")))
    }

    /// Returns a copy of the PDF that only shows its pages, or `None` if none can be made.
    pub async fn clean(&self, file: &File) -> Result<Option<Vec<u8>>, ExamineError> {
        let _turn = self.turn(&self.turns, self.max_turns, "clean").await?;
        let (copy, is_complete) = self.run(file, &["examine", "--clean"], MAX_CLEANED_BYTES as u64).await?;
        Ok(Some(copy).filter(|copy| is_complete && copy.starts_with(b"%PDF-")))
    }

    /// Makes a PDF of a photo, one photo at a time, because its pixels may take most of the memory of the process. Returns
    /// the PDF, and whether the photo was whole.
    pub async fn photo_pdf(&self, photo: &File, spool: &Spool) -> Result<(Spooled, bool), ExamineError> {
        let _turn = self.turn(&self.turns, self.max_turns, "photo").await?;
        let mut child = self.start(photo, &["examine", "--photo"])?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the process has no output"))?;
        let made = timeout(PROCESS_TIMEOUT, receive(stdout, spool)).await;
        let is_complete = end(&mut child).await?;
        match made {
            Ok(Ok(made)) if is_complete => Ok(made),
            Ok(Err(error)) => Err(error),
            // The process was killed, because it exceeded its limits.
            Ok(Ok(_)) | Err(_) => Err(ExamineError::Fault(Fault::PhotoUnreadable)),
        }
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
        let mut child = self.start(file, arguments)?;
        let mut said = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            // After the timeout the child is killed below.
            let _ = timeout(PROCESS_TIMEOUT, stdout.take(max_output_bytes).read_to_end(&mut said)).await;
        }
        Ok((said, end(&mut child).await?))
    }

    fn start(&self, file: &File, arguments: &[&str]) -> io::Result<Child> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Ends a process whose output was read, and returns whether it exited with success.
async fn end(child: &mut Child) -> io::Result<bool> {
    // A process that closed its output ends at once. Another one has exceeded its time or its output.
    let status = match timeout(GRACE, child.wait()).await {
        Ok(status) => status?,
        Err(_) => {
            child.start_kill().or_else(|error| if child.id().is_none() { Ok(()) } else { Err(error) })?;
            child.wait().await?
        }
    };
    Ok(status.success())
}

/// Reads the report on a photo, and puts the PDF behind it into the spool.
async fn receive(stdout: ChildStdout, spool: &Spool) -> Result<(Spooled, bool), ExamineError> {
    let mut output = BufReader::new(stdout);
    let mut line = Vec::new();
    (&mut output).take(MAX_REPORT_BYTES).read_until(b'\n', &mut line).await?;
    let is_whole = match serde_json::from_slice(&line) {
        Ok(PhotoReport::Made { is_whole }) => is_whole,
        Ok(PhotoReport::Fault(fault)) => return Err(ExamineError::Fault(fault)),
        Err(_) => return Err(ExamineError::Fault(Fault::PhotoUnreadable)),
    };
    let parts = stream::try_unfold(output, async |mut output| {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = output.read_buf(&mut part).await?;
        Ok::<_, io::Error>((read > 0).then_some((part, output)))
    });
    let mut parts = Box::pin(parts.into_stream());
    match spool.receive(&mut parts, MAX_PDF_BYTES as u64).await {
        Ok(pdf) => Ok((pdf, is_whole)),
        Err(ReceiveError::TooLarge) => Err(ExamineError::Fault(Fault::PhotoTooLarge)),
        Err(ReceiveError::Source(error) | ReceiveError::Spool(error)) => Err(error.into()),
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
