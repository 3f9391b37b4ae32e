//! The user that the server runs as. Postgres refuses to run as root.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// `None`: the current user. Otherwise the user and group to switch to.
pub struct Owner(Option<(u32, u32)>);

impl Owner {
    /// Returns the current user, or for root the user `postgres` of Debian's package, or `nobody`.
    pub fn find() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self(None);
        }
        Self(["postgres", "nobody"].iter().find_map(|name| ids(name)))
    }

    pub fn run_as(&self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
            // The other user may not be able to enter the folder of this process.
            command.current_dir("/");
        }
    }

    pub fn give(&self, path: &Path) -> io::Result<()> {
        self.0.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    }

    /// Returns the folder of the cluster. This is `dir`, unless the other user can't enter it (a clone below `/root`).
    /// Then it is a folder below `/var/lib`, always the same one for the same `dir`.
    pub fn home(&self, dir: &Path) -> io::Result<PathBuf> {
        let Some((uid, _)) = self.0 else { return Ok(dir.to_owned()) };
        let reachable = dir.ancestors().all(|folder| {
            folder
                .metadata()
                .is_ok_and(|found| found.mode() & 0o001 != 0 || (found.uid() == uid && found.mode() & 0o100 != 0))
        });
        if reachable {
            return Ok(dir.to_owned());
        }
        let home = Path::new("/var/lib/primetrade-demo").join(short_hash(dir));
        std::fs::create_dir_all(&home)?;
        tracing::info!(folder = %home.display(), "storing the database there, because the user postgres can't enter {}", dir.display());
        Ok(home)
    }

    /// Creates a folder with a short path for the socket, which only the owner can enter.
    pub fn short_folder(&self, data: &Path) -> io::Result<PathBuf> {
        let folder = Path::new("/tmp").join(format!("primetrade-{}", short_hash(data)));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Another user could have created it to listen there.
                let found = folder.symlink_metadata()?;
                let ours = self.0.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
                if !found.is_dir() || found.uid() != ours || found.mode() & 0o077 != 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        format!("{} belongs to another user", folder.display()),
                    ));
                }
            }
            made => {
                made?;
                self.give(&folder)?;
            }
        }
        Ok(folder)
    }
}

fn short_hash(path: &Path) -> String {
    hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..6])
}

/// From `/etc/passwd`: `name:password:uid:gid:…`
fn ids(name: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
