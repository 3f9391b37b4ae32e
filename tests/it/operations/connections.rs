//! What a client without a login can hold open: connections, memory, and nothing for long.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{App, Program, World, with_variables};

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends a head, then something every 200 ms, and returns when the answer came and when the connection was closed.
async fn drip(url: String, head: String, drop: &'static [u8]) -> (Option<Duration>, Option<Duration>) {
    let begun = Instant::now();
    let mut socket = connect(&url).await;
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let reading = tokio::spawn(async move {
        let (mut answered, mut buffer) = (None, [0; 4096]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(1..) => answered = answered.or(Some(begun.elapsed())),
                Ok(0) | Err(_) => return (answered, Some(begun.elapsed())),
            }
        }
    });
    let dripping = tokio::spawn(async move {
        while writer.write_all(drop).await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    });
    let ended = timeout(Duration::from_secs(60), reading).await;
    dripping.abort();
    ended.map_or((None, None), Result::unwrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_on_is_cut_off_after_the_answer() {
    let app = App::start().await;
    let paths = [
        "GET /login",
        "GET /healthz",
        "GET /readyz",
        "GET /static/app.css",
        "GET /files/bols/2025/x.pdf",
        "GET /nothing/here",
        "POST /office/upload",
        "POST /office/bols",
        "POST /api/bol/",
        "GET /bols/download.zip",
    ];
    let head = |path: &str| format!("{path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let all = (0..50).map(|n| drip(app.url.clone(), head(paths[n % paths.len()]), b"1\r\na\r\n"));
    for (n, (answered, closed)) in futures_util::future::join_all(all).await.into_iter().enumerate() {
        let (path, Some(answered)) = (paths[n % paths.len()], answered) else {
            panic!("{} has no answer", paths[n % 10])
        };
        let held = closed.map(|closed| closed - answered);
        assert!(held.is_some_and(|held| held < Duration::from_secs(8)), "{path}: {held:?}");
    }
    // A form that never ends is refused first.
    let form = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let (answered, closed) = drip(app.url.clone(), form.into(), b"1\r\na\r\n").await;
    assert!(answered.unwrap() < Duration::from_secs(25) && closed.unwrap() < Duration::from_secs(32));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_has_as_little_time_for_its_head_as_the_first() {
    let app = App::start().await;
    let head = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_owned();
    let (answered, closed) = drip(app.url.clone(), head, b"a").await;
    assert!(answered.is_some() && closed.unwrap() < Duration::from_secs(16), "{closed:?}");
    // An honest client uses its connection for one request after another.
    let mut socket = connect(&app.url).await;
    for _ in 0..3 {
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 4096];
        let read = timeout(Duration::from_secs(5), socket.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_ahead_are_answered_one_after_another() {
    let app = App::start().await;
    let mut socket = connect(&app.url).await;
    let many = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(300);
    socket.write_all(many.as_bytes()).await.unwrap();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    timeout(Duration::from_secs(30), socket.read_to_string(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 301);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_take_nothing_are_disconnected() {
    const SIZE: usize = 40_000_000;
    let app = App::start().await;
    std::fs::write(app.media(World::ACME_BOL_KEY), vec![b'x'; SIZE]).unwrap();
    app.sql(&format!("UPDATE documents SET size_bytes = {SIZE} WHERE object_key = '{}'", World::ACME_BOL_KEY)).await;
    let url = app.acme().await.link_to(World::ACME_BOL).await.header("location").to_owned();
    let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", url.strip_prefix(&app.url).unwrap());
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut socket = connect(&app.url).await;
        socket.write_all(request.as_bytes()).await.unwrap();
        readers.push(socket);
    }
    let begun = Instant::now();
    sleep(Duration::from_secs(55)).await;
    let fetched = loop {
        let fetched = app.fetches().await;
        if fetched.len() == 20 || begun.elapsed() > Duration::from_secs(90) {
            break fetched;
        }
        sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(fetched.len(), 20, "still connected after {:?}", begun.elapsed());
    assert!(fetched.iter().all(|fetch| fetch.bytes < SIZE));
    for mut socket in readers {
        let mut rest = Vec::new();
        assert!(socket.read_to_end(&mut rest).await.is_err(), "reset, after {} bytes", rest.len());
    }
}

/// The memory of a process in MB.
fn resident_mb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Sends as many requests as the server takes within two seconds, and reads nothing.
async fn ask_ahead(url: String, path: &'static str) -> TcpStream {
    let mut socket = connect(&url).await;
    let many = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(1000);
    let _ = timeout(Duration::from_secs(2), async { while socket.write_all(many.as_bytes()).await.is_ok() {} }).await;
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_who_ask_ahead_and_read_nothing_cost_little_memory() {
    let app = App::start().await;
    let folder = TempDir::new().unwrap();
    let environment = with_variables(app.environment().to_vec(), &[("PORT", "0")]);
    let mut program = Program::start(folder.path(), &environment, &["serve"]);
    let url = program.address().await;
    let before = resident_mb(program.pid());
    let stylesheet = (0..120).map(|_| ask_ahead(url.clone(), "/static/app.css"));
    let login = (0..40).map(|_| ask_ahead(url.clone(), "/login"));
    let held = tokio::join!(futures_util::future::join_all(stylesheet), futures_util::future::join_all(login));
    let during = resident_mb(program.pid());
    drop(held);
    sleep(Duration::from_secs(3)).await;
    let after = resident_mb(program.pid());
    println!("resident: {before} MB, with 160 such clients {during} MB, after them {after} MB");
    assert!(during < before + 150 && after < before + 100, "{before} MB, {during} MB, {after} MB");
}
