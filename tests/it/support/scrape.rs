//! What `GET /metrics` answers, as tests read it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{App, Smtp};

/// One scrape.
pub struct Scrape {
    pub text: String,
    series: BTreeMap<String, f64>,
}

impl App {
    /// Starts a server with metrics, and an SMTP server.
    pub async fn with_metrics() -> (Self, Smtp) {
        let smtp = Smtp::start().await;
        let from = ("MAIL_FROM", "PrimeTrade <bol@terminal.example>");
        let metrics = ("METRICS_ADDR", "127.0.0.1:0");
        let app = Self::start_with(&[("SMTP_URL", &smtp.url()), from, metrics, ("MFA_REQUIRED_FOR", "none")]).await;
        (app, smtp)
    }

    /// The address of the metrics.
    pub fn metrics_url(&self) -> &str {
        &self.metrics.as_ref().expect("METRICS_ADDR").1
    }

    pub async fn scrape(&self) -> Scrape {
        let answer = reqwest::get(self.metrics_url()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Scrape::new(answer.text().await.unwrap())
    }
}

impl Scrape {
    pub fn new(text: String) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        let series = samples.map(|(series, value)| (series.to_owned(), value.parse().unwrap())).collect();
        Self { text, series }
    }

    /// The value of a series such as `primetrade_logins_total{method="password",outcome="success"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    pub fn series(&self) -> BTreeSet<&str> {
        self.series.keys().map(String::as_str).collect()
    }

    /// The names of all samples, without labels.
    pub fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(|series| series.split('{').next().unwrap()).collect()
    }

    /// The names under which the documentation lists them: those of counters end in `_total`.
    pub fn documented_names(&self) -> BTreeSet<String> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            })
            .collect()
    }

    /// Reads the text with Prometheus' own Python client. `None`, with a message, where it isn't installed.
    pub async fn parsed_by_python(&self) -> Option<serde_json::Value> {
        let python = tool("target/openmetrics/bin/python", "openmetrics")?;
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/openmetrics.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(self.text.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "the parser refuses:\n{}", self.text);
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// Prometheus' checker of rules. `None`, with a message, where it isn't installed.
pub fn promtool() -> Option<PathBuf> {
    let on_path = std::process::Command::new("promtool").arg("--version").output();
    if on_path.is_ok_and(|output| output.status.success()) {
        return Some("promtool".into());
    }
    tool("target/promtool/promtool", "promtool")
}

pub fn tool(path: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} isn't installed (scripts/need {name})", path.display());
    None
}
