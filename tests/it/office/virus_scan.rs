//! Virus scanning with a real clamd. The server rejects infected files, and every file while clamd is unavailable.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::scan::paper;
use crate::support::{Action, App};

struct Clamd {
    child: Child,
    folder: TempDir,
}

impl Clamd {
    /// Starts a clamd that knows one virus: the words "bad iron".
    async fn start() -> Self {
        let folder = TempDir::with_prefix("primetrade-clamd-").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(folder.path().join("db/test.ndb"), format!("Test.Iron:0:*:{}\n", hex::encode("bad iron")))
            .unwrap();
        let settings = format!(
            "DatabaseDirectory {}\nLocalSocket {}\nForeground yes\nLogFile {}\nTemporaryDirectory {}\n",
            path("db"),
            path("clamd.sock"),
            path("log"),
            folder.path().display()
        );
        std::fs::write(folder.path().join("clamd.conf"), settings).unwrap();
        let program = ["/usr/sbin/clamd", "/opt/homebrew/sbin/clamd", "/usr/local/sbin/clamd"]
            .into_iter()
            .find(|program| std::path::Path::new(program).exists())
            .expect("scripts/need clamd");
        let child = Command::new(program)
            .args(["--config-file", &path("clamd.conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let clamd = Self { child, folder };
        for _ in 0..300 {
            if std::os::unix::net::UnixStream::connect(clamd.socket()).is_ok() {
                return clamd;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("clamd doesn't start: {}", std::fs::read_to_string(clamd.folder.path().join("log")).unwrap_or_default());
    }

    fn socket(&self) -> String {
        self.folder.path().join("clamd.sock").display().to_string()
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn infected_files_are_rejected() {
    let clamd = Clamd::start().await;
    let socket = clamd.socket();
    let app = App::start_with(&[("CLAMD_ADDRESS", &socket)]).await;
    let office = app.office().await;
    let fine = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("good iron")).await;
    assert_eq!(fine.outcomes(), ["stored PRT-2025-0005"]);
    let bad = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("bad iron")).await;
    assert_eq!(bad.outcomes(), ["rejected"]);
    assert!(bad.reason(0).contains("Test.Iron"), "{}", bad.reason(0));
    assert!(
        app.events()
            .await
            .only(Action::DocumentRejected)
            .iter()
            .any(|event| event.detail("reason").contains("Test.Iron"))
    );
    // A file that is larger than one chunk.
    let large = [paper("good iron, and much of it"), vec![b' '; 300_000], b"\n%%EOF\n".to_vec()].concat();
    let large = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &large).await;
    assert_eq!(large.outcomes(), ["stored PRT-2025-0005"]);

    // Without a scanner the server rejects every file.
    drop(clamd);
    let answer = office.upload(&[("kind", "other")], "PRT-2025-0005.pdf", &paper("any iron")).await;
    assert_eq!((answer.status, answer.outcomes()), (503, vec!["rejected".to_owned()]));
    // The files after the first one don't wait for it.
    let files = [("one.pdf", paper("one")), ("two.pdf", paper("two")), ("three.pdf", paper("three"))];
    let answer = office.upload_all(&[("kind", "other")], &files).await;
    assert_eq!((answer.status, answer.outcomes()), (503, vec!["rejected".to_owned(); 3]));
    let waited = (0..3).map(|index| !answer.reason(index).contains("for a file before it"));
    assert_eq!(waited.collect::<Vec<_>>(), [true, false, false], "{}", answer.text());
    assert_eq!(app.uploads().await.len(), 2);
}
