//! The statements of a request, as the server sent them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use primetrade::db::cluster::Cluster;

use super::http;

/// One request of one user: round trips, each of statements with their values put in.
pub type Request = Vec<Vec<String>>;

/// What recording a download costs at the least: all the columns, nothing looked up.
pub const AUDIT_INSERT: &str = "INSERT INTO audit_events (action, outcome, user_id, user_email, user_role, ip, user_agent, request_id, detail, customer_id, \
     customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256) VALUES ('BOL_DOWNLOADED', 'success', NULL, \
     'buyer1@example.com', 'customer', '127.0.0.1', 'wrk', '0123456789abcdef0123456789abcdef', '{}', 1, 'C1', NULL, 'PRT-2026-00001', 1, 'bol', \
     'PRT-2026-00001.pdf', 'bols/2026/PRT-2026-00001.pdf', sha256('x'))";

/// Asks for the page once as each user, with the database logging every statement, and reads them back.
pub async fn capture(cluster: &Cluster, folder: &Path, base: &str, path: &str, cookies: &[String]) -> Vec<Request> {
    let log = folder.join("postgres.log");
    let mut requests = Vec::new();
    log_statements(cluster, "all");
    for cookie in cookies {
        let from = std::fs::metadata(&log).unwrap().len() as usize;
        http::get(&format!("{base}{path}"), cookie).await;
        // The last of them, the rollback, is sent after the answer.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let text = std::fs::read(&log).unwrap();
        requests.push(parse(&String::from_utf8_lossy(&text[from..])));
    }
    log_statements(cluster, "none");
    requests
}

/// The superuser's to say, whom only this machine can be.
fn log_statements(cluster: &Cluster, which: &str) {
    for sql in [format!("ALTER SYSTEM SET log_statement = '{which}'"), "SELECT pg_reload_conf()".into()] {
        let mut psql = Command::new("psql");
        psql.args(["-q", "-o", "/dev/null", "-U", "postgres", "-d", "bench", "-c", &sql, "-h"]).arg(cluster.socket());
        assert!(psql.status().unwrap().success());
    }
    std::thread::sleep(Duration::from_millis(200));
}

/// `… LOG:  execute s1: SELECT …` with `… DETAIL:  parameters: $1 = '…', $2 = '…'` behind it, or `… LOG:  statement: BEGIN; …`
fn parse(log: &str) -> Request {
    let mut sent: Vec<String> = Vec::new();
    for line in log.lines() {
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
    assert!(trips.len() >= 3 && trips[1].len() > 4, "not what was expected: {trips:?}");
    trips
}

/// From the last to the first, so that `$1` isn't found in `$10`.
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

/// pgbench takes `:05` for a variable: times are written as ISO 8601 allows, `20261125T030509+00`.
fn without_colons(value: &str) -> String {
    let is_time = value.len() > 19 && value.as_bytes()[5] == b'-' && value.as_bytes()[14] == b':';
    if is_time { value.replace(['-', ':'], "").replacen(' ', "T", 1) } else { value.into() }
}
