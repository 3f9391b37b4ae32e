//! `audit import-access-log` matches the fetches in the bucket's access log with the links that were issued. An issued
//! link alone doesn't prove that its document was fetched.

use std::collections::HashSet;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use primetrade::audit::fetched::import::Import;
use primetrade::clock::Clock;

use crate::support::{Action, Answer, App, BUCKET, Fetch, World, primetrade};

/// A line of an access log, as S3 writes it.
struct Entry {
    id: String,
    at: DateTime<Utc>,
    bucket: &'static str,
    key: String,
    uri: String,
    status: u16,
    error: &'static str,
    bytes: u64,
    agent: String,
    authentication: &'static str,
}

impl Entry {
    /// The entry of a link that was just followed.
    fn of(id: &str, url: &str, answer: &Answer) -> Self {
        let (_, path) = url.split_once(BUCKET).unwrap();
        let (key, _) = path.split_once('?').unwrap();
        Self {
            id: id.into(),
            at: Clock::system().now(),
            bucket: BUCKET,
            key: key.trim_start_matches('/').into(),
            uri: format!("/{BUCKET}{path}"),
            status: answer.status,
            error: "-",
            bytes: answer.body.len() as u64,
            agent: "Mozilla/5.0 (X11; Linux x86_64)".into(),
            authentication: "QueryString",
        }
    }

    fn without_request(mut self) -> Self {
        let start = self.uri.find("&x-request=").unwrap();
        let end = start + 1 + self.uri[start + 1..].find('&').unwrap_or(self.uri.len() - start - 1);
        self.uri.replace_range(start..end, "");
        self
    }

    fn line(&self) -> String {
        let Self { id, at, bucket, key, uri, status, error, bytes, agent, authentication } = self;
        let time = at.format("%d/%b/%Y:%H:%M:%S +0000");
        let sent = if *bytes == 0 { "-".to_owned() } else { bytes.to_string() };
        format!(
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be {bucket} [{time}] 203.0.113.9 \
             arn:aws:iam::123456789012:user/portal {id} REST.GET.OBJECT {key} \"GET {uri} HTTP/1.1\" {status} {error} {sent} {bytes} 25 12 \
             \"-\" \"{agent}\" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 \
             ECDHE-RSA-AES128-GCM-SHA256 {authentication} s3.us-east-2.amazonaws.com TLSv1.2 - - us-east-2\n"
        )
    }
}

struct Logs(tempfile::TempDir);

impl Logs {
    fn new() -> Self {
        Self(tempfile::TempDir::with_prefix("primetrade-access-log-").unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

/// Runs the import and returns its exit code, its report and its stderr.
async fn import(app: &App, more: &[&str], input: &str) -> (Option<i32>, serde_json::Value, String) {
    let arguments = [&["audit", "import-access-log", "--json"], more].concat();
    let output = primetrade(app.environment(), &arguments, input).await;
    let (said, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let report = serde_json::from_str::<serde_json::Value>(&said).unwrap_or_else(|_| panic!("{said}{errors}"));
    (output.status.code(), report["report"].clone(), errors)
}

async fn counted(app: &App, path: &str) -> (u64, u64, u64, u64) {
    let (code, report, errors) = import(app, &[path], "").await;
    assert_eq!(code, Some(0), "{errors}");
    let count = |name: &str| report[name].as_u64().unwrap();
    (count("by_request"), count("by_time"), count("unmatched"), count("already"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_is_matched_with_the_request_that_issued_its_link() {
    let app = App::on_s3(&[]).await;
    let acme = app.acme().await;
    let redirect = acme.link_to(World::ACME_BOL).await;
    let (url, request) = (redirect.header("location").to_owned(), redirect.header("x-request-id").to_owned());
    assert!(url.contains(&format!("x-request={request}")), "{url}");
    let file = app.stranger().get(&url).await;
    assert_eq!(file.status, 200, "{}", file.text());
    // The signature covers the request.
    let other = url.replace(&request, &request.chars().rev().collect::<String>());
    assert_eq!(app.stranger().get(&other).await.status, 403);
    // The event keeps the user's email and role of that time.
    app.sql("UPDATE users SET email = 'married@acme.example', role = 'office' WHERE email = 'buyer@acme.example'")
        .await;
    let logs = Logs::new();
    logs.write("2026-11-26-10-00-00-AAAA", Entry::of("3E57427F33A59F07", &url, &file).line());
    let (code, report, errors) = import(&app, &["--dry-run", logs.path()], "").await;
    assert_eq!((code, report["by_request"].as_u64()), (Some(0), Some(1)), "{errors}");
    assert!(app.fetches().await.is_empty() && app.count("link_fetches").await == 0);
    assert_eq!(counted(&app, logs.path()).await, (1, 0, 0, 0));
    let size = file.body.len();
    assert_eq!(app.fetches().await, [Fetch::matched("request", size, 200)]);
    expect_every_field_of_the_fetch(&app, &request).await;
    // The run is recorded. A run without new fetches records nothing.
    let run = app.events().await.single(Action::AccessLogImported);
    assert_eq!((run.outcome.as_str(), run.email()), ("success", "command line"));
    assert_eq!((run.detail("gets"), run.detail("bucket")), ("1".into(), BUCKET.into()));
    assert_eq!(run.detail["new"]["by_request"], 1);
    let before = app.events().await;
    assert_eq!(counted(&app, logs.path()).await, (0, 0, 0, 1));
    assert_eq!(app.events().await, before);
    expect_no_secret_of_the_link(&app, &url).await;
    expect_link_and_fetch_on_the_pages(&app, size).await;
    app.sealed().await;
    let verified = primetrade(app.environment(), &["audit", "verify", "--database-only"], "").await;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

async fn expect_every_field_of_the_fetch(app: &App, request: &str) {
    let events = app.events().await;
    let fetched = events.single(Action::LinkFetched);
    assert_eq!((fetched.request_id.as_deref(), fetched.host().as_str()), (Some(request), "203.0.113.9"));
    assert_eq!(fetched.user_agent.as_deref(), Some("Mozilla/5.0 (X11; Linux x86_64)"));
    assert_eq!((fetched.key(), fetched.kind(), fetched.file()), (World::ACME_BOL_KEY, "bol", "PRT-2025-0001.v2.pdf"));
    assert_eq!(fetched.sha256.as_ref().map(Vec::len), Some(32));
    assert_eq!(
        (fetched.detail("source"), fetched.detail("s3_request")),
        ("s3-access-log".into(), "3E57427F33A59F07".into())
    );
    assert_eq!(fetched.detail("link"), events.single(Action::BolDownloaded).id.to_string());
}

/// Nothing that would open the document again is stored.
async fn expect_no_secret_of_the_link(app: &App, url: &str) {
    let kept = format!("{:?}{:?}", app.events().await, app.contents(&["link_fetches"]).await);
    let signature = url.split("X-Amz-Signature=").nth(1).unwrap().split('&').next().unwrap();
    assert!(
        signature.len() == 64 && !kept.contains(signature) && !kept.contains("X-Amz") && !kept.contains("x-request")
    );
}

/// The page of the BOL shows both events, and the auditor gets from one to the other.
async fn expect_link_and_fetch_on_the_pages(app: &App, size: usize) {
    let page = app.office().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let history = page.all("table[aria-labelledby=history] tbody tr");
    assert!(
        history[0].contains(&format!("Downloaded: {size} bytes")) && history[0].contains("buyer@acme.example"),
        "{history:?}"
    );
    assert!(history[1].contains("Download link issued"), "{history:?}");
    let auditor = app.auditor().await;
    let log = auditor.get("/audit?action=LINK_FETCHED").await;
    let event = auditor.get(&log.attributes(".log tbody .lead a", "href")[0]).await;
    let issued = format!("/audit/events/{}", app.events().await.single(Action::BolDownloaded).id);
    assert!(event.attributes(".lines a", "href").contains(&issued), "{}", event.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_without_a_request_are_matched_by_key_and_time_or_not_at_all() {
    let app = App::on_s3(&[]).await;
    let acme = app.acme().await;
    let url = acme.link_to(World::ACME_BOL).await.header("location").to_owned();
    let file = app.stranger().get(&url).await;
    let entry = |id: &str| Entry::of(id, &url, &file).without_request();
    let logs = Logs::new();
    let import = async |name: &str, entry: Entry| counted(&app, logs.write(name, entry.line()).to_str().unwrap()).await;
    assert_eq!(import("alone", entry("A1")).await, (0, 1, 0, 0));
    // Another date and another object.
    let other = "bols/2025/PRT-2025-0003.pdf";
    assert_eq!(import("key", Entry { key: other.into(), ..entry("A2") }).await, (0, 0, 1, 0));
    let mut late = entry("A3");
    late.uri = late.uri.replace("X-Amz-Date=202", "X-Amz-Date=201");
    assert_eq!(import("late", late).await, (0, 0, 1, 0));
    // A forged link can contain any date.
    assert_eq!(
        import("refused", Entry { status: 403, error: "SignatureDoesNotMatch", ..entry("A4") }).await,
        (0, 0, 1, 0)
    );
    assert_eq!(import("unknown", Entry { key: "nobody/knows.pdf".into(), ..entry("A5") }).await, (0, 0, 1, 0));
    // Two links of one user still name that user. Links of two users are ambiguous.
    acme.link_to(World::ACME_BOL).await;
    assert_eq!(import("again", entry("A6")).await, (0, 1, 0, 0));
    app.user(World::COLLEAGUE).await.link_to(World::ACME_BOL).await;
    assert_eq!(import("several", entry("A7")).await, (0, 0, 1, 0));
    let (bytes, no_link) = (file.body.len(), "no link to it was issued at that time");
    assert_eq!(
        app.fetches().await,
        [
            Fetch::matched("time", bytes, 200),
            Fetch::unmatched("RIVAL", World::RIVAL_BOL, no_link, bytes, 200),
            Fetch::unmatched("ACME", World::ACME_BOL, no_link, bytes, 200),
            Fetch::unmatched("ACME", World::ACME_BOL, "refused, and the link doesn't identify itself", bytes, 403),
            Fetch::unmatched("-", "-", no_link, bytes, 200),
            Fetch::matched("time", bytes, 200),
            Fetch::unmatched("ACME", World::ACME_BOL, "several links match", bytes, 200),
        ]
    );
    // A link with a request matches that request or none.
    let mut forged = Entry::of("A8", &url, &file);
    let request = forged.uri.split("x-request=").nth(1).unwrap()[..32].to_owned();
    forged.uri = forged.uri.replace(&request, "0199f0c5a0f07e8c9a3b5d2c1e0f4a6b");
    assert_eq!(import("forged", forged).await, (0, 0, 1, 0));
    let mut nonsense = Entry::of("A9", &url, &file);
    nonsense.uri = nonsense.uri.replace(&request, "' OR 1=1 --");
    assert_eq!(import("nonsense", nonsense).await.2 + counted(&app, logs.path()).await.2, 1);
    // No fetch can precede its link.
    let early = Entry { at: Clock::system().now() - TimeDelta::hours(2), ..Entry::of("B1", &url, &file) };
    assert_eq!(import("early", early).await, (0, 0, 1, 0));
    let later = Entry { at: Clock::system().now() + TimeDelta::days(6), ..Entry::of("B2", &url, &file) };
    assert_eq!(import("later", later).await, (1, 0, 0, 0));
    // Customers see the fetches of their own users.
    let seen = app.acme().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    let history = seen.all("table[aria-labelledby=history] tbody tr");
    assert_eq!(history.iter().filter(|line| line.contains("Downloaded")).count(), 3, "{history:?}");
    assert!(history[0].contains("Downloaded"), "the one of six days ahead: {history:?}");
    let office = app.office().await.get(&format!("/bols/{}", World::ACME_BOL)).await;
    assert!(office.text().contains("Unknown") && !seen.text().contains("Unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_requests_are_counted_and_unreadable_lines_are_named() {
    let app = App::on_s3(&[]).await;
    let url = app.acme().await.link_to(World::ACME_BOL).await.header("location").to_owned();
    let file = app.stranger().get(&url).await;
    let entry = |id: &str| Entry::of(id, &url, &file);
    let mut bytes = Vec::new();
    for good in [
        entry("C1"),
        // The same line again.
        entry("C1"),
        Entry { bucket: "somebody-elses", ..entry("C2") },
        Entry { authentication: "AuthHeader", ..entry("C3") },
        Entry { authentication: "AuthHeader", ..entry("C4") },
        Entry { key: "storage-check/x.pdf".into(), ..entry("C5") },
        Entry { agent: "a\" 200 - 1 1 1 1 \"b\" \" \\\" <script>".into(), ..entry("C6") },
        Entry { status: 206, bytes: 7, ..entry("C7") },
    ] {
        bytes.extend_from_slice(good.line().as_bytes());
    }
    let damaged = entry("C8").line();
    bytes.extend_from_slice(damaged.replace("Mozilla", "\u{0}\u{1b}[31mMoz").as_bytes());
    bytes.extend_from_slice(b"\xff\xfe\x00 nonsense\n\n");
    bytes.extend_from_slice(&vec![b'x'; 1_000_000]);
    bytes.push(b'\n');
    bytes.extend_from_slice(entry("C9").line().trim_end().replace(World::ACME_BOL_KEY, "%FF%00\u{7}").as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(&damaged.as_bytes()[..damaged.find("REST").unwrap() + 60]);
    let logs = Logs::new();
    let path = logs.write("mixed", &bytes);
    let (code, report, errors) = import(&app, &[path.to_str().unwrap(), "/nowhere/at/all"], "").await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("/nowhere/at/all") && errors.contains("3 lines could not be read"), "{errors}");
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!((count("lines"), count("gets"), count("by_request"), count("already")), (13, 6, 4, 1), "{report}");
    assert_eq!(
        (count("unmatched"), count("checks"), count("without_link"), count("unreadable")),
        (1, 1, 2, 3),
        "{report}"
    );
    assert_eq!(report["requesters"]["arn:aws:iam::123456789012:user/portal"]["gets"], 2);
    let wrong: Vec<_> = report["first_unreadable"].as_array().unwrap().iter().map(|wrong| &wrong["line"]).collect();
    assert_eq!(wrong, [10, 12, 14]);
    let fetches = app.events().await.only(Action::LinkFetched);
    assert_eq!(fetches[1].user_agent.as_deref().unwrap(), "a\" 200 - 1 1 1 1 \"b\" \" \\\" <script>");
    // From standard input, with the text report.
    let input = Entry { authentication: "-", ..entry("D1") }.line();
    let output = primetrade(app.environment(), &["audit", "import-access-log", "-"], &input).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("1 matched by the link's request id"), "{said}");
    // An environment without a bucket.
    let none: Vec<_> = app
        .environment()
        .iter()
        .filter(|(name, _)| !name.contains("S3") && !name.contains("BUCKET"))
        .cloned()
        .collect();
    assert_eq!(primetrade(&none, &["audit", "import-access-log", "-"], "").await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_at_once_count_each_line_once() {
    let app = App::on_s3(&[]).await;
    let url = app.acme().await.link_to(World::ACME_BOL).await.header("location").to_owned();
    let file = app.stranger().get(&url).await;
    let line = |n: usize| Entry::of(&format!("E{n:05}"), &url, &file).line();
    let logs = Logs::new();
    logs.write("forward", (0..1200).map(line).collect::<String>());
    let other = Logs::new();
    other.write("backward", (0..1200).rev().map(line).collect::<String>());
    let (first, second) = tokio::join!(counted(&app, logs.path()), counted(&app, other.path()));
    assert_eq!((first.0 + second.0, first.3 + second.3), (1200, 1200), "{first:?} {second:?}");
    let fetches = app.events().await.only(Action::LinkFetched);
    let requests: HashSet<String> = fetches.iter().map(|event| event.detail("s3_request")).collect();
    assert_eq!((fetches.len(), requests.len()), (1200, 1200));
    // Another bucket, with the same credentials.
    let bucket = app.s3.as_ref().unwrap().path_of("x").parent().unwrap().with_file_name("access-logs");
    std::fs::create_dir_all(bucket.join("portal/2026")).unwrap();
    for n in 0..5 {
        let path = bucket.join(format!("portal/2026/2026-11-26-10-00-0{n}-ABCDEF"));
        std::fs::write(path, (0..3).map(|i| line(2000 + 3 * n + i)).collect::<String>()).unwrap();
    }
    std::fs::write(bucket.join("another"), "nonsense\n").unwrap();
    let (code, report, errors) = import(&app, &["s3://access-logs/portal/"], "").await;
    assert_eq!(
        (code, report["files"].as_u64(), report["by_request"].as_u64()),
        (Some(0), Some(5), Some(15)),
        "{errors}"
    );
    for wrong in ["s3://access-logs/nothing-here", "s3://no-such-bucket/x"] {
        let (code, _, errors) = import(&app, &[wrong], "").await;
        assert!(code == Some(1) && errors.contains(wrong), "{errors}");
    }
    assert_eq!(
        primetrade(app.environment(), &["audit", "import-access-log", "s3://"], "").await.status.code(),
        Some(2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_continues_without_duplicates() {
    struct Breaks<'a>(&'a [u8]);
    impl tokio::io::AsyncRead for Breaks<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            into: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            if self.0.is_empty() {
                return std::task::Poll::Ready(Err(std::io::Error::other("the cable is out")));
            }
            let (now, later) = self.0.split_at(self.0.len().min(into.remaining()));
            into.put_slice(now);
            self.0 = later;
            std::task::Poll::Ready(Ok(()))
        }
    }
    let app = App::on_s3(&[]).await;
    let url = app.acme().await.link_to(World::ACME_BOL).await.header("location").to_owned();
    let file = app.stranger().get(&url).await;
    let text: String = (0..700).map(|n| Entry::of(&format!("F{n}"), &url, &file).line()).collect();
    let db = app.db();
    let (actor, origin) = (primetrade::audit::Actor::COMMAND_LINE, primetrade::audit::Origin::command_line());
    let mut import = Import::new(&db, BUCKET, false);
    let broken = import.read("broken", Breaks(&text.as_bytes()[..text.len() - 1000])).await;
    assert!(broken.unwrap_err().to_string().contains("the cable is out"));
    // A killed import loses its open transaction, and keeps what it committed.
    drop(import);
    assert_eq!(app.count("link_fetches").await, 500);
    let mut import = Import::new(&db, BUCKET, false);
    import.read("whole", text.as_bytes()).await.unwrap();
    let report = import.finish(actor, &origin, 0).await.unwrap();
    assert_eq!((report.new.by_request, report.already), (200, 500));
    assert_eq!(app.events().await.only(Action::LinkFetched).len(), 700);
}
