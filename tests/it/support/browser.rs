//! Headless Chromium, controlled through chromedriver.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tempfile::TempDir;

use super::Look;

pub struct Browser {
    client: Client,
    driver: Child,
    /// The folder of downloads.
    pub downloads: TempDir,
    pub(super) last_look: Mutex<Option<Look>>,
    _profile: TempDir,
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Browser {
    pub async fn start(width: u32, height: u32) -> Self {
        let (profile, downloads) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (driver, port) = (0..3).find_map(|_| start_driver()).expect("chromedriver starts");
        let mut arguments: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ]
        .map(Into::into)
        .into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--window-size={width},{height}"));
        let options = json!({
            "args": arguments,
            "prefs": {"download.default_directory": downloads.path(), "download.prompt_for_download": false},
        });
        let mut capabilities = Capabilities::new();
        capabilities.insert("browserName".into(), json!("chrome"));
        capabilities.insert("goog:chromeOptions".into(), options);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, driver, downloads, last_look: Mutex::new(None), _profile: profile }
    }

    pub async fn open(&self, url: &str) {
        self.goto(url).await.unwrap();
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        self.find(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    pub async fn click(&self, selector: &str) {
        self.find(Locator::Css(selector)).await.unwrap().click().await.unwrap();
    }

    /// Waits for a text on the page, and returns the whole visible text.
    pub async fn text_with(&self, expected: &str) -> String {
        let mut text = String::new();
        for _ in 0..100 {
            // During a navigation there may be no page.
            let read = self.execute("return document.body ? document.body.innerText : ''", vec![]).await;
            text = read.ok().and_then(|read| read.as_str().map(Into::into)).unwrap_or_default();
            if text.contains(expected) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {expected:?} in\n{text}");
    }

    /// The text that the user sees, with scripts on or off.
    pub async fn visible_text(&self) -> String {
        self.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    /// Logs in, and waits for the page after the login, which would otherwise replace the next page.
    pub async fn log_in(&self, base: &str, email: &str, password: &str) {
        self.open(&format!("{base}/login")).await;
        self.type_into("#email", email).await;
        self.type_into("#password", password).await;
        self.click(".login button[type=submit]").await;
        self.wait().for_element(Locator::Css(".logout")).await.unwrap();
    }

    /// Waits for a complete file. Chromium first creates an empty file, then moves the complete one there.
    pub async fn downloaded(&self, name: &str) -> Vec<u8> {
        let path = self.downloads.path().join(name);
        for _ in 0..100 {
            match std::fs::read(&path) {
                Ok(bytes) if !bytes.is_empty() => return bytes,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{name} was not downloaded");
    }

    /// Closes the browser like a user. When a test fails, [`Browser::drop`] ends it.
    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

/// Driver and browser are a process group that ends when its input closes, however this process ends. Returns `None` if
/// the driver ends before it reports its port, as it does when another process has just taken that port.
fn start_driver() -> Option<(Child, String)> {
    // Only the driver holds its output, so the output ends when the driver ends.
    let script =
        "trap : TERM; chromedriver --port=0 & exec >/dev/null; cat >/dev/null; kill -TERM 0; sleep 0.5; kill -KILL 0";
    let mut driver = Command::new("sh")
        .args(["-c", script])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // "ChromeDriver was started successfully on port 40123."
    let port = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok).find_map(|line| {
        line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
    });
    if port.is_none() {
        drop(driver.stdin.take());
        let _ = driver.wait();
    }
    port.map(|port| (driver, port))
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}
