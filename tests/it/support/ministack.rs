//! An S3 server with the bucket settings of Amazon: versioning, encryption, policies, lifecycles, archives. It doesn't
//! check signatures. [`super::S3Server`] does.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::sleep;

pub struct Ministack {
    pub address: SocketAddr,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Ministack {
    /// Returns `None`, with a message, where it isn't installed (see scripts/need).
    pub async fn start() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ministack/bin/ministack");
        let program = if program.exists() { program } else { "ministack".into() };
        let folder = tempfile::TempDir::with_prefix("primetrade-ministack-").unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let port = address.port().to_string();
        let child = Command::new(&program)
            .current_dir(folder.path())
            .envs([("GATEWAY_PORT", port.as_str()), ("MINISTACK_PORT", port.as_str()), ("BIND_HOST", "127.0.0.1")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let Ok(child) = child else {
            eprintln!("SKIPPED: {} isn't installed (scripts/need ministack)", program.display());
            return None;
        };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Some(Self { address, _child: child, _folder: folder });
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("ministack didn't start on {address}");
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("USE_S3", "True".into()),
            ("AWS_STORAGE_BUCKET_NAME", super::BUCKET.into()),
            // The keys with which the server itself signs.
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", self.address)),
        ]
    }
}
