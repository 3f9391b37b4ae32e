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
}

pub fn run(prefix: &str, task: Task) -> Result<(), Failure> {
    let seconds = if task == Task::Preview { examine::CPU_SECONDS_PREVIEW } else { examine::CPU_SECONDS };
    examine::confine(seconds).map_err(Failure::problem)?;
    // If memory runs out, the kernel kills this process, not the server. Systems without this file don't need it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(Failure::problem)?.into();
    let output = io::stdout();
    let done = match task {
        Task::Examine => examine::run(prefix, input, output),
        Task::Preview => examine::preview(input, output),
        Task::Clean => examine::clean(input, output),
    };
    done.map_err(Failure::problem)
}
