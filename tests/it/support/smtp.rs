//! A real SMTP server (aiosmtpd), and the mails that it received.

use std::process::Stdio;
use std::time::Duration;

use lettre::message::Mailbox;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

pub struct Smtp {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub port: u16,
}

/// A received mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub raw: String,
}

impl Smtp {
    pub async fn start() -> Self {
        Self::on(0).await
    }

    /// Starts on a given port, such as that of a server that went down.
    pub async fn on(port: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/smtpd.py");
        let python = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
            let import = std::process::Command::new(python).args(["-c", "import aiosmtpd"]).output();
            import.is_ok_and(|output| output.status.success())
        });
        let mut child = Command::new(python.expect("a Python with aiosmtpd"))
            .args([script, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = timeout(Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().expect("a port");
        Self { _child: child, lines, port: said.parse().unwrap() }
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Waits for the next mail.
    pub async fn next(&mut self) -> Mail {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await.expect("a mail in time");
        Mail::parse(&line.unwrap().expect("the server runs"))
    }

    /// Expects no further mail for some seconds.
    pub async fn quiet(&mut self, seconds: u64) {
        if let Ok(line) = timeout(Duration::from_secs(seconds), self.lines.next_line()).await {
            panic!("a mail that nobody expected: {line:?}");
        }
    }
}

impl Mail {
    fn parse(line: &str) -> Self {
        let mail: serde_json::Value = serde_json::from_str(line).unwrap();
        let raw = mail["raw"].as_str().unwrap().replace("\r\n", "\n");
        let to = mail["to"][0].as_str().unwrap().to_owned();
        let to = to.parse::<Mailbox>().map_or(to, |mailbox| mailbox.email.to_string());
        Self::read(&raw, to)
    }

    /// Parses a complete message, from a server or a file.
    pub fn read(raw: &str, to: String) -> Self {
        let raw = raw.replace("\r\n", "\n");
        let subject = raw.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
        let part = |kind: &str| {
            let start = raw.find(&format!("Content-Type: {kind}")).unwrap_or_else(|| panic!("no {kind} in {raw}"));
            let body = raw[start..].split_once("\n\n").unwrap().1;
            decoded(&raw[start..start + raw[start..].find("\n\n").unwrap()], body.split("\n--").next().unwrap())
        };
        Self { to, subject, text: part("text/plain"), html: part("text/html"), raw }
    }

    /// The path of the link that begins with `start`.
    pub fn link(&self, path: &str) -> String {
        let start = self.text.find(path).unwrap_or_else(|| panic!("no {path} in {}", self.text));
        self.text[start..].split_whitespace().next().unwrap().to_owned()
    }
}

/// Decodes quoted-printable text.
fn decoded(headers: &str, body: &str) -> String {
    if headers.contains("base64") {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(body.replace('\n', "")).unwrap();
        return String::from_utf8(bytes).unwrap();
    }
    if !headers.contains("quoted-printable") {
        return body.to_owned();
    }
    let mut bytes = Vec::new();
    let mut rest = body.replace("=\n", "").into_bytes().into_iter();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
