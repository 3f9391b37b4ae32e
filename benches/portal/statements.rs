//! The SQL statements of a request, as the server sent them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use primetrade::db::cluster::Cluster;

use super::http;

/// One request of one user: its round trips, each with statements that contain their values.
pub type Request = Vec<Vec<String>>;

/// The minimal cost of recording a download: an insert of all columns without any lookup.
pub const AUDIT_INSERT: &str = "INSERT INTO audit_events (action, outcome, user_id, user_email, user_role, ip, user_agent, request_id, detail, customer_id, \
     customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256) VALUES ('BOL_DOWNLOADED', 'success', NULL, \
     'buyer1@example.com', 'customer', '127.0.0.1', 'wrk', '0123456789abcdef0123456789abcdef', '{}', 1, 'C1', NULL, 'PRT-2026-00001', 1, 'bol', \
     'PRT-2026-00001.pdf', 'bols/2026/PRT-2026-00001.pdf', sha256('x'))";

/// Requests the page once as each user while Postgres logs every statement, and reads the log.
pub async fn capture(cluster: &Cluster, folder: &Path, base: &str, path: &str, cookies: &[String]) -> Vec<Request> {
    let log = folder.join("postgres.log");
    let mut requests = Vec::new();
    log_statements(cluster, "all");
    for cookie in cookies {
        let mut attempts = 0;
        requests.push(loop {
            let from = std::fs::metadata(&log).unwrap().len() as usize;
            http::get(&format!("{base}{path}"), cookie).await;
            // The server sends the last statement, the rollback, after the response.
            tokio::time::sleep(Duration::from_millis(30)).await;
            let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()[from..]).into_owned();
            if let Some(request) = parse(&text) {
                break request;
            }
            attempts += 1;
            assert!(attempts < 100, "the background never paused: {text}");
        });
    }
    log_statements(cluster, "none");
    requests
}

/// Only the superuser may change this setting.
fn log_statements(cluster: &Cluster, which: &str) {
    for sql in [format!("ALTER SYSTEM SET log_statement = '{which}'"), "SELECT pg_reload_conf()".into()] {
        let mut psql = Command::new("psql");
        psql.args(["-q", "-o", "/dev/null", "-U", "postgres", "-d", "bench", "-c", &sql, "-h"]).arg(cluster.socket());
        assert!(psql.status().unwrap().success());
    }
    std::thread::sleep(Duration::from_millis(200));
}

/// `… LOG:  execute s1: SELECT …` with `… DETAIL:  parameters: $1 = '…', $2 = '…'` behind it, or `… LOG:  statement: BEGIN; …`
///
/// Returns `None` if a background task, such as sealing, sent a statement meanwhile. A request looks up its session, then
/// works in one transaction.
fn parse(log: &str) -> Option<Request> {
    // Background tasks have connections of their own.
    let is_of_request = |line: &&str| line.contains("FROM (\"sessions\"") || line.contains("/* enter_scope */");
    let connections: Vec<&str> = log.lines().filter(is_of_request).filter_map(connection).collect();
    let mut sent: Vec<String> = Vec::new();
    for line in log.lines().filter(|line| connection(line).is_some_and(|id| connections.contains(&id))) {
        if let Some((_, sql)) = line.split_once("LOG:  statement: ") {
            sent.push(sql.into());
        } else if let Some((_, execute)) = line.split_once("LOG:  execute ") {
            sent.push(execute.split_once(": ").unwrap().1.into());
        } else if let Some((_, values)) = line.split_once("DETAIL:  parameters: ") {
            let statement = sent.last_mut().unwrap();
            *statement = with_values(statement, values);
        }
    }
    let mut trips: Request = Vec::new();
    let mut open = false;
    for statement in sent {
        let statement = without_name(statement);
        let begins = statement.starts_with("BEGIN");
        let ends = matches!(statement.as_str(), "ROLLBACK" | "COMMIT");
        let parts: Vec<String> = statement.split("; ").map(Into::into).collect();
        if open && !ends {
            trips.last_mut().unwrap().extend(parts);
        } else {
            trips.push(parts);
        }
        open = (open || begins) && !ends;
    }
    let is_alone = trips.first().is_some_and(|trip| trip[0].contains("FROM (\"sessions\""))
        && trips.iter().flatten().filter(|statement| *statement == "BEGIN").count() == 1;
    (is_alone && trips.len() >= 3 && trips[1].len() > 4).then_some(trips)
}

/// The process of Postgres that wrote the line: `… UTC [30448] LOG:  …`
fn connection(line: &str) -> Option<&str> {
    line.split_once(" UTC [")?.1.split_once("] ").map(|(id, _)| id)
}

/// `BEGIN; …` instead of `/* enter_scope */ BEGIN; …`
fn without_name(statement: String) -> String {
    match statement.strip_prefix("/* ").and_then(|named| named.split_once(" */ ")) {
        Some((_, rest)) => rest.into(),
        None => statement,
    }
}

/// Replaces from the last to the first, because `$10` contains `$1`.
fn with_values(statement: &str, values: &str) -> String {
    let mut found: Vec<(usize, String)> = Vec::new();
    for part in values.split(", $") {
        let (number, value) = part.trim_start_matches('$').split_once(" = ").unwrap();
        found.push((number.parse().unwrap(), without_colons(value)));
    }
    let mut statement = statement.to_owned();
    for (number, value) in found.iter().rev() {
        statement = statement.replace(&format!("${number}"), value);
    }
    statement
}

/// pgbench reads `:05` as a variable, so times are written without colons, as in `20261125T030509+00` (ISO 8601).
fn without_colons(value: &str) -> String {
    let is_time = value.len() > 19 && value.as_bytes()[5] == b'-' && value.as_bytes()[14] == b':';
    if is_time { value.replace(['-', ':'], "").replacen(' ', "T", 1) } else { value.into() }
}
