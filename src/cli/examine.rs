//! `primetrade examine`: the confined process that examines an uploaded file. The server starts it. By hand,
//! `primetrade examine <file.pdf` shows what the portal sees in a file.

use std::io;
use std::os::fd::AsFd;

use super::Failure;
use crate::intake::examine;

/// What the process is to do with the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Examine,
    Preview,
    Clean,
    /// Makes a PDF of a photo.
    Photo,
    /// Ignores the file, and tries what a confined process may not do.
    Probe,
}

/// Must run before the program starts a thread.
pub fn run(prefix: &str, task: Task) -> Result<(), Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::problem)?.into();
    let seconds = if task == Task::Preview { examine::CPU_SECONDS_PREVIEW } else { examine::CPU_SECONDS };
    let confinement = examine::confine(seconds).map_err(Failure::problem)?;
    let output = io::stdout();
    let done = match task {
        Task::Examine => examine::run(prefix, input, output),
        Task::Preview => examine::preview(input, output),
        Task::Clean => examine::clean(input, output),
        Task::Photo => examine::photo::run(input, output),
        Task::Probe => serde_json::to_writer(output, &confinement.probe()).map_err(io::Error::from),
    };
    done.map_err(Failure::problem)
}
