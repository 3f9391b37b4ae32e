//! A primary and its synchronous standby, each a cluster in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use primetrade::config::DatabaseUrl;
use primetrade::db::cluster::{Cluster, Options};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::cluster::{open_to_all, place};
use super::{execute, rows};

/// Two places for a cluster, in which primary and standby change.
pub struct Pair {
    /// The first is dropped first: it ends the servers before their folders are removed.
    clusters: [Option<Cluster>; 2],
    folders: [TempDir; 2],
    primary: usize,
}

fn options() -> Options {
    // A killed server leaves its shared memory behind. As files, it is removed with the folder.
    let settings = [("synchronous_commit", "on"), ("dynamic_shared_memory_type", "mmap")];
    Options { scratch: true, settings: settings.map(|(name, value)| (name, value.to_owned())).into() }
}

impl Pair {
    /// Starts a primary that has no standby yet.
    pub async fn start() -> Self {
        let folders = [(); 2].map(|()| TempDir::with_prefix_in("primetrade-pair-", place()).unwrap());
        folders.iter().for_each(|folder| open_to_all(folder.path()));
        let primary = Cluster::start(folders[0].path(), &options()).await.unwrap();
        Self { clusters: [Some(primary), None], folders, primary: 0 }
    }

    pub fn primary(&self) -> &Cluster {
        self.clusters[self.primary].as_ref().unwrap()
    }

    /// The standby, or the former primary.
    pub fn other(&self) -> &Cluster {
        self.clusters[1 - self.primary].as_ref().unwrap()
    }

    /// The URL of a database on the two servers.
    pub fn url(&self, user: &str, database: &str) -> DatabaseUrl {
        let [one, two] = [0, 1].map(|place| self.socket(place).to_str().unwrap().to_owned());
        let hosts = format!("host={one},{two}&target_session_attrs=read-write");
        format!("postgres://{user}@/{database}?{hosts}").parse().unwrap()
    }

    fn socket(&self, place: usize) -> PathBuf {
        self.folders[place].path().canonicalize().unwrap().join("postgres")
    }

    /// Makes a copy of the primary follow it. From then on each commit waits for the copy.
    pub async fn add_standby(&mut self) {
        let place = 1 - self.primary;
        let standby = self.primary().standby(self.folders[place].path(), &options()).await.unwrap();
        assert_eq!(standby.socket(), self.socket(place));
        self.clusters[place] = Some(standby);
        self.configure("synchronous_standby_names", "*").await;
        for _ in 0..500 {
            if self.ask("SELECT sync_state FROM pg_stat_replication").await == ["sync"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the standby doesn't follow: {:?}", self.ask("SELECT * FROM pg_stat_replication").await);
    }

    /// Changes a setting of the primary, and waits until its connections have heard of it.
    pub async fn configure(&self, setting: &str, value: &str) {
        let superuser = self.primary().url_as("postgres", "postgres").unwrap();
        execute(&superuser, &format!("ALTER SYSTEM SET {setting} = '{value}'")).await;
        execute(&superuser, "SELECT pg_reload_conf()").await;
        // Postgres signals its connections before a new one can see the value.
        while self.ask(&format!("SELECT current_setting('{setting}')")).await != [value] {}
    }

    async fn ask(&self, select: &str) -> Vec<String> {
        rows(&self.primary().url_as("postgres", "postgres").unwrap(), select).await
    }

    /// Kills every process of the primary, as when its machine loses power.
    pub fn kill_primary(&mut self) {
        let cluster = self.clusters[self.primary].take().unwrap();
        let first = i32::try_from(cluster.pid()).unwrap();
        let state = std::fs::read_to_string(cluster.socket().join("postmaster.pid")).unwrap();
        for pid in [first].into_iter().chain(processes_in(cluster.socket())) {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL); // it may have ended already
        }
        // The segment by which Postgres recognizes a server of the same folder: the key and the id are in line 7. On
        // systems without `ipcrm` it stays.
        let segment = state.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
        let _ = Command::new("ipcrm").args(["-m", segment.unwrap_or_default()]).output();
    }

    /// Makes the standby the primary.
    pub async fn promote(&mut self) {
        self.primary = 1 - self.primary;
        assert_eq!(self.ask("SELECT pg_promote()").await, ["true"]);
    }
}

/// The processes that work in a folder. The children of Postgres have process groups of their own.
fn processes_in(folder: &Path) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_there = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|found| found == folder);
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).filter(is_there).collect()
}
