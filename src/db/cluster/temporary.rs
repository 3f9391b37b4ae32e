//! A cluster in a folder of its own, which is removed with it: for restore drills.

use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::owner::Owner;
use super::{Cluster, ClusterError, Options};

/// A running cluster without a future. The folder is removed in any case: by [`TemporaryCluster::remove`], when this is
/// dropped, or by the watchdog if the process crashes.
pub struct TemporaryCluster {
    // Dropped first, so that the server ends before its folder is removed.
    cluster: Cluster,
    folder: TempDir,
}

impl TemporaryCluster {
    /// Starts an empty cluster in a new folder below `parent`, which only its server can enter.
    pub async fn start(parent: &Path) -> Result<Self, ClusterError> {
        let io = |error| ClusterError::Io { what: "can't create a folder in", path: parent.to_owned(), error };
        std::fs::create_dir_all(parent).map_err(io)?;
        let folder = TempDir::with_prefix_in("primetrade-drill-", parent).map_err(io)?;
        Owner::find().give(folder.path()).map_err(io)?;
        // Compiling queries needs memory that is both writable and executable, which systemd denies.
        let options = Options { scratch: true, settings: vec![("jit", "off".into())] };
        let cluster = Cluster::start(folder.path(), &options).await?;
        Ok(Self { cluster, folder })
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Stops the server and removes its folder.
    pub async fn remove(self) -> Result<(), ClusterError> {
        let Self { cluster, folder } = self;
        let (path, data, socket) = (folder.path().to_owned(), cluster.data.clone(), cluster.socket.clone());
        cluster.stop().await?;
        folder.close().map_err(|error| ClusterError::Io { what: "can't remove", path, error })?;
        // Under root, the data may have been elsewhere, and the socket in a short folder.
        for other in [data, socket] {
            match std::fs::remove_dir_all(&other) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ClusterError::Io { what: "can't remove", path: other, error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
