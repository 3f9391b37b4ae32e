//! Cleans up after a crash: a server that still runs, or stale lock files.
//!
//! Postgres removes stale lock files itself, unless their pid belongs to a living process. Then it mistakes that
//! process for its own server and refuses to start. After a reboot, the pid may belong to any process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{ClusterError, STOP_WITHIN};

/// Stops a server that outlived its program and watchdog, and removes lock files of other processes. The caller holds
/// the lock of the folder.
pub async fn clear(data: &Path) -> Result<(), ClusterError> {
    for name in ["postmaster.pid", ".s.PGSQL.5432.lock"] {
        let file = data.join(name);
        let Some(pid) = pid_in(&file).filter(|pid| is_alive(*pid)) else { continue };
        if runs_on(pid, data) {
            stop(pid).await?;
        } else if let Some(other) = occupant(data) {
            return Err(ClusterError::Database(format!("process {other} is still using {}; stop it", data.display())));
        } else {
            std::fs::remove_file(&file).map_err(|error| ClusterError::Io {
                what: "can't remove",
                path: file,
                error,
            })?;
        }
    }
    Ok(())
}

fn pid_in(file: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw)
}

fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// Postgres and its processes have the data folder as their working folder.
fn runs_on(pid: Pid, data: &Path) -> bool {
    let pid = pid.as_raw_nonzero().to_string();
    if Path::new("/proc/self").exists() {
        return folder_of(&pid).is_some_and(|folder| folder == data);
    }
    let ps = Command::new("ps").args(["-o", "args=", "-p", &pid]).output();
    ps.is_ok_and(|ps| {
        let arguments = String::from_utf8_lossy(&ps.stdout).into_owned();
        arguments.contains("postgres") && arguments.contains(&*data.to_string_lossy())
    })
}

fn folder_of(pid: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// A process in the data folder: a child of an ended server, which may still write.
fn occupant(data: &Path) -> Option<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
        .find(|pid| folder_of(pid).is_some_and(|folder| folder == data))
}

async fn stop(pid: Pid) -> Result<(), ClusterError> {
    let number = pid.as_raw_nonzero();
    tracing::warn!(pid = number.get(), "a Postgres from an earlier run is still running; stopping it");
    let _ = kill_process(pid, Signal::INT); // it may have ended already
    let started = Instant::now();
    // A zombie process has no working folder.
    let has_proc = Path::new("/proc/self").exists();
    while is_alive(pid) && (!has_proc || folder_of(&number.to_string()).is_some()) {
        if started.elapsed() > STOP_WITHIN {
            return Err(ClusterError::Database(format!("an earlier Postgres (process {number}) doesn't stop")));
        }
        tokio::time::sleep(super::POLL).await;
    }
    Ok(())
}
