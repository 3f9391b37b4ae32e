//! An S3 server in this process. It checks signatures and checksums, and stores objects as files.

use std::net::SocketAddr;
use std::path::PathBuf;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub const BUCKET: &str = "primetrade-documents";
pub const ACCESS_KEY: &str = "test-access-key";
pub const SECRET_KEY: &str = "test-secret-key-of-some-length";

pub struct S3Server {
    pub address: SocketAddr,
    folder: TempDir,
    task: JoinHandle<()>,
}

impl S3Server {
    pub async fn start() -> Self {
        let folder = TempDir::with_prefix("primetrade-s3-").unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            // When this task ends, it drops every connection.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    // An aborted connection doesn't fail the test.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, folder, task }
    }

    /// The environment variables with which the program uses this server.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("USE_S3", "True".into()),
            ("AWS_STORAGE_BUCKET_NAME", BUCKET.into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", self.address)),
        ]
    }

    /// The file that holds an object.
    pub fn path_of(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }
}

/// A gate in front of the server. While it is shut, requests wait.
pub struct Door {
    pub address: SocketAddr,
    open: tokio::sync::watch::Sender<bool>,
    waiting: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    task: JoinHandle<()>,
}

impl Door {
    pub async fn before(server: &S3Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), server.address);
        let (open, opened) = tokio::sync::watch::channel(true);
        let waiting = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = waiting.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut opened, count) = (opened.clone(), count.clone());
                connections.spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(behind).await.unwrap();
                    let (mut from_client, mut to_client) = client.split();
                    let (mut from_server, mut to_server) = server.split();
                    let asking = async {
                        let mut piece = vec![0; 64 * 1024];
                        loop {
                            let read = from_client.read(&mut piece).await.unwrap_or(0);
                            if read == 0 {
                                return;
                            }
                            if !*opened.borrow() {
                                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                                let _ = opened.wait_for(|open| *open).await;
                            }
                            if to_server.write_all(&piece[..read]).await.is_err() {
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        () = asking => {}
                        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                    }
                });
            }
        });
        Self { address, open, waiting, task }
    }

    pub fn shut(&self) {
        self.open.send(false).unwrap();
    }

    pub fn open(&self) {
        self.open.send(true).unwrap();
    }

    /// Waits until a request arrives at the gate.
    pub async fn somebody_waits(&self) {
        while self.waiting.load(std::sync::atomic::Ordering::SeqCst) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
