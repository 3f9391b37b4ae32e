//! `make bench` measures the time to print a BOL, and pages and downloads per second. It compares them with Postgres
//! alone running the same statements. `cargo bench --bench portal -- print` measures only printing, `-- metrics` only what
//! counting for the metrics costs, and `-- scale` pages of a portal with a million BOLs.
//!
//! 100,000 BOLs of 200 customers, and 64 connections of different users. The server, Postgres and the load generator share
//! the cores of one machine. pgbench replays the statements that Postgres logged for one request, with their parameters,
//! so both sides do the same work.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a benchmark may fall over")]

mod data;
mod http;
mod metrics;
mod pgbench;
mod print;
mod published;
mod scale;
mod statements;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use primetrade::db::cluster::{Cluster, Options};
use primetrade::db::guard;

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of connections, each with its own user.
const CONNECTIONS: usize = 64;
const SECONDS: u32 = 10;

#[tokio::main]
async fn main() {
    if bols_at_scale().is_none() {
        print::report();
    }
    if std::env::args().any(|argument| argument == "print") {
        return;
    }
    let folder = tempfile::Builder::new().prefix("primetrade-bench-").tempdir().unwrap();
    let path = folder.path();
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let settings = vec![("shared_buffers", "512MB".into()), ("max_wal_size", "4GB".into())];
    let cluster = Cluster::start(path, &Options { scratch: false, settings }).await.unwrap();
    let media = path.join("media");
    if let Some(bols) = bols_at_scale() {
        scale::report(&cluster, path, &media, bols).await;
        return cluster.stop().await.unwrap();
    }
    let url = cluster.database("bench").await.unwrap();
    // Serves as the role that owns nothing, as in production.
    let server_url = cluster.url_as("portal_bench", "bench").unwrap();
    guard::set_up(&url, &server_url).await.unwrap();
    eprintln!("loading {} BOLs of {} customers …", data::BOLS, data::CUSTOMERS);
    data::load(&url, &media).await;

    let server = Server::start(path, server_url.as_str(), &media, "");
    let cookies = http::log_in(&server.url, CONNECTIONS).await;
    let numbers = data::newest(&url, CONNECTIONS).await;
    data::add_history(&url, &numbers).await;
    let downloads: Vec<String> = numbers.iter().map(|number| format!("/bols/{number}/download")).collect();
    if std::env::args().any(|argument| argument == "metrics") {
        let counting = Server::start(path, server_url.as_str(), &media, "127.0.0.1:0");
        metrics::compare(path, &server, &counting, &downloads, &cookies);
        drop((server, counting));
        return cluster.stop().await.unwrap();
    }
    let page = statements::capture(&cluster, path, &server.url, "/bols", &cookies).await;

    println!("\n{CONNECTIONS} connections, {SECONDS} s each; server, Postgres and load on {} cores", cores());
    println!("{:<44} {:>10} {:>9} {:>9} {:>10} {:>10}", "", "per second", "p50 ms", "p99 ms", "of pgbench", "of docs");
    let database = pgbench::replay(&cluster, path, &page, SECONDS);
    report("pgbench: the statements of the list page", &database, None);
    let list = http::load(path, &server.url, &same("/bols"), &cookies, 200, SECONDS);
    report("List page", &list, Some(&database));
    report("`GET /api/bols`", &http::load(path, &server.url, &same("/api/bols"), &cookies, 200, SECONDS), None);
    let bols: Vec<String> = numbers.iter().map(|number| format!("/bols/{number}")).collect();
    report("Page of a BOL with 2,000 events", &http::load(path, &server.url, &bols, &cookies, 200, SECONDS), None);
    let insert = pgbench::replay(&cluster, path, &[vec![vec![statements::AUDIT_INSERT.into()]]], SECONDS);
    report("pgbench: a plain insert of an audit event", &insert, None);
    let redirect = http::load(path, &server.url, &downloads, &cookies, 303, SECONDS);
    report("Download redirect", &redirect, Some(&insert));
    println!("{:<44} {:>10}", "memory of the server after that, MB", server.resident_mb());
    drop(server);
    cluster.stop().await.unwrap();
}

/// The number behind the argument `scale`, a million by default.
fn bols_at_scale() -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "scale");
    arguments.next()?;
    Some(arguments.find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000))
}

/// The result of a run.
pub struct Figures {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// The same page for each connection.
fn same(path: &str) -> Vec<String> {
    vec![path.to_owned(); CONNECTIONS]
}

/// Prints a line: the figures, and their ratios to pgbench and to what docs/performance.md says.
fn report(what: &str, figures: &Figures, beside: Option<&Figures>) {
    let Figures { per_second, p50_ms, p99_ms } = figures;
    let ratio = |other: Option<f64>| other.map(|other| format!("{:.2}", per_second / other)).unwrap_or_default();
    let (of_pgbench, of_docs) = (ratio(beside.map(|other| other.per_second)), ratio(published::per_second(what)));
    println!("{what:<44} {per_second:>10.0} {p50_ms:>9.1} {p99_ms:>9.1} {of_pgbench:>10} {of_docs:>10}");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `primetrade serve` in its own process, so that its memory can be measured.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Without metrics if their address is empty.
    fn start(folder: &Path, database: &str, media: &Path, metrics: &str) -> Self {
        use std::io::{BufRead, BufReader};
        let secret: String = (0..128u8).map(|n| format!("{:02x}", n.wrapping_mul(37))).collect();
        let mut child = Command::new(env!("CARGO_BIN_EXE_primetrade"))
            .arg("serve")
            .current_dir(folder)
            .env("DATABASE_URL", database)
            .env("SECRET_KEY", secret)
            .env("MEDIA_ROOT", media)
            .env("PORT", "0")
            .env("METRICS_ADDR", metrics)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("listening on ").map(Into::into)).unwrap();
        Self { child, url }
    }

    fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
