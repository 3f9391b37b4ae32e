//! A certified OpenID provider, npm's `oidc-provider`, which `scripts/need oidc` installs.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{Actor, Answer, App};

pub struct OidcProvider {
    pub url: String,
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl OidcProvider {
    /// Starts the provider. It knows the portal after [`OidcProvider::register`].
    pub async fn start() -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let module = format!("{root}/target/oidc-provider/node_modules/oidc-provider/lib/index.js");
        assert!(std::path::Path::new(&module).exists(), "run: scripts/need oidc");
        let mut child = Command::new("node")
            .args([&format!("{root}/tests/it/support/oidc_provider.mjs"), &module])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node");
        let stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = line(&mut lines).await;
        Self { url, _child: child, stdin, lines }
    }

    /// Starts a portal whose client is known to the provider.
    pub async fn with_portal(more: &[(&'static str, &str)]) -> (Self, App) {
        let mut provider = Self::start().await;
        let url = provider.url.clone();
        let own = [
            ("OIDC_ISSUER", url.as_str()),
            ("OIDC_CLIENT_ID", "portal"),
            ("OIDC_CLIENT_SECRET", "the secret of the portal, for tests only"),
            ("OIDC_LABEL", "Mill ID"),
        ];
        let app = App::start_with(&[&own, more].concat()).await;
        provider.register(&format!("{}/login/sso/callback", app.url)).await;
        (provider, app)
    }

    async fn register(&mut self, redirect_uri: &str) {
        self.stdin.write_all(format!("{redirect_uri}\n").as_bytes()).await.unwrap();
        assert_eq!(line(&mut self.lines).await, "ready");
    }

    /// Logs a person in over HTTP: follows the portal's button, fills in the provider's two forms, and returns the portal's
    /// last answer.
    pub async fn log_in(&self, actor: &Actor, from: &str, email: &str) -> Answer {
        let mut answer = actor.get(from).await;
        for _ in 0..20 {
            let location = answer.header("location").to_owned();
            if location.contains("/login/sso/callback") {
                return actor.get(&location).await;
            }
            if !location.is_empty() {
                let next = if location.starts_with('/') { format!("{}{location}", self.url) } else { location };
                answer = actor.get(&next).await;
                continue;
            }
            let action = answer.attributes("form", "action").remove(0);
            let prompt = answer.attributes("input[name=prompt]", "value").remove(0);
            let form = [("prompt", prompt.as_str()), ("login", email), ("password", "any")];
            answer = actor.post(&action, &form[..if prompt == "login" { 3 } else { 1 }]).await;
        }
        panic!("the provider never answers: {}", answer.text());
    }
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    timeout(Duration::from_secs(30), lines.next_line()).await.expect("an answer in time").unwrap().expect("a line")
}
