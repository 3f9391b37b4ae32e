//! The `primetrade` program, as an operator runs it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::{App, SECRET_KEY};

const LONG: Duration = Duration::from_secs(120);

/// Environment variables for the program.
pub type Environment = Vec<(&'static str, String)>;

/// Replaces or adds variables of an environment.
pub fn with_variables(mut environment: Environment, changes: &[(&'static str, &str)]) -> Environment {
    for (name, value) in changes {
        environment.retain(|(known, _)| known != name);
        environment.push((name, (*value).to_owned()));
    }
    environment
}

/// Runs a command until it ends, and returns its exit code, stdout and stderr. Neither may contain the secret key.
pub async fn run(environment: &Environment, arguments: &[&str]) -> (i32, String, String) {
    let output = primetrade(environment, arguments, "").await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!stdout.contains(SECRET_KEY) && !stderr.contains(SECRET_KEY), "{stdout}{stderr}");
    (output.status.code().unwrap(), stdout, stderr)
}

impl App {
    /// Runs `storage reconcile`, and returns its exit code, stdout and stderr.
    pub async fn reconcile(&self, arguments: &[&str]) -> (i32, String, String) {
        run(&self.environment().to_vec(), &[&["storage", "reconcile"], arguments].concat()).await
    }

    /// The public key of the log, as `audit key` prints it.
    pub async fn public_key(&self) -> String {
        let output = primetrade(self.environment(), &["audit", "key"], "").await;
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn command(folder: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_primetrade"));
    command.args(arguments).current_dir(folder).env_clear().kill_on_drop(true);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin");
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command
}

/// Runs a command until it ends.
pub async fn primetrade(environment: &[(&str, String)], arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    let folder = tempfile::TempDir::new().unwrap();
    let mut child = command(folder.path(), environment, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that doesn't read its input may have ended already.
    let _ = stdin.write_all(input.as_ref()).await;
    drop(stdin);
    timeout(LONG, child.wait_with_output()).await.unwrap().unwrap()
}

/// A running program: `serve` or `demo`.
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(folder: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Self {
        Self::spawn(command(folder, environment, arguments))
    }

    /// Starts the program as a shell does in the background: it and its children ignore SIGINT and SIGQUIT until they
    /// handle them.
    pub fn start_in_background(folder: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Self {
        let program = command(folder, environment, arguments);
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"trap '' INT QUIT; exec "$0" "$@""#]).arg(program.as_std().get_program());
        shell.args(arguments).current_dir(folder).env_clear().kill_on_drop(true);
        shell.envs(program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits until the program prints the address on which it listens, and returns it.
    pub async fn address(&mut self) -> String {
        timeout(LONG, async {
            loop {
                let Some(line) = self.lines.next_line().await.unwrap() else {
                    panic!("ended before it listened: {}", self.rest().await);
                };
                if let Some(address) = line.strip_prefix("listening on ") {
                    return address.to_owned();
                }
            }
        })
        .await
        .unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Keeps what the program logs. A program that logs much would wait for a reader.
    pub fn keep_log(&mut self) -> Arc<Mutex<String>> {
        let log = Arc::<Mutex<String>>::default();
        let (kept, stderr) = (log.clone(), self.child.stderr.take().unwrap());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        log
    }

    async fn rest(&mut self) -> String {
        use tokio::io::AsyncReadExt;
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = stderr.read_to_string(&mut text).await;
        }
        text
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the program to end, and returns its exit code and its stderr.
    pub async fn end(mut self) -> (Option<i32>, String) {
        let status = timeout(LONG, self.child.wait()).await.unwrap().unwrap();
        (status.code(), self.rest().await)
    }
}
