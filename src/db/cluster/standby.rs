//! Copies of a cluster: a standby for tests of a failover, a base backup for those of a recovery.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binaries::{Binaries, HOW_TO_INSTALL};
use super::owner::Owner;
use super::{Cluster, ClusterError, Options, SUPERUSER};

impl Cluster {
    /// Starts a standby that follows this server, on a copy of its data. Replaces a cluster that was in `dir` before.
    pub async fn standby(&self, dir: &Path, options: &Options) -> Result<Self, ClusterError> {
        self.base_backup(dir, &["--write-recovery-conf"])?;
        Self::start(dir, options).await
    }

    /// Copies the data of this server, so that [`Cluster::start`] finds it in `dir`. Replaces a cluster that was there
    /// before. Returns the folder of the copy.
    pub fn base_backup(&self, dir: &Path, arguments: &[&str]) -> Result<PathBuf, ClusterError> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |error| ClusterError::Io { what, path, error }
        };
        let binaries = Binaries::newest().ok_or_else(|| ClusterError::Missing(HOW_TO_INSTALL.into()))?;
        let owner = Owner::find();
        std::fs::create_dir_all(dir).map_err(io("can't create", dir))?;
        let dir = dir.canonicalize().map_err(io("can't open", dir))?;
        let data = owner.home(&dir).map_err(io("can't use", &dir))?.join("postgres");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(io("can't remove", &data))?;
        }
        std::fs::create_dir(&data).map_err(io("can't create", &data))?;
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).map_err(io("can't create", &data))?;
        owner.give(&data).map_err(io("can't create", &data))?;
        let mut command = Command::new(binaries.base_backup());
        command.arg("--pgdata").arg(&data).arg("--host").arg(&self.socket).args(["--username", SUPERUSER]);
        command.args(["--checkpoint=fast", "--no-sync"]).args(arguments).stdin(Stdio::null());
        owner.run_as(&mut command);
        let output = command.output().map_err(io("can't start", binaries.base_backup().as_path()))?;
        if !output.status.success() {
            return Err(ClusterError::Database(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(data)
    }
}
