//! The load, by wrk, which leaves the cores to the server and the database.

use std::path::Path;
use std::process::Command;

use super::{Figures, data};

/// A client that follows no redirect. It needs a TLS provider even for plain HTTP.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// Session cookies of the first users.
pub async fn log_in(url: &str, users: usize) -> Vec<String> {
    let mut cookies = Vec::new();
    for user in 1..=users {
        cookies.push(log_in_as(url, &data::email(user)).await);
    }
    cookies
}

pub async fn log_in_as(url: &str, email: &str) -> String {
    let form = [("email", email), ("password", data::PASSWORD)];
    let answer = client().post(format!("{url}/login")).form(&form).send().await.unwrap();
    let session = answer.headers().get_all("set-cookie").iter().find_map(|cookie| {
        let cookie = cookie.to_str().ok()?.split(';').next()?;
        cookie.starts_with("sessionid=").then(|| cookie.to_owned())
    });
    session.expect("logged in")
}

pub async fn get(url: &str, cookie: &str) {
    get_with(&client(), url, cookie).await;
}

pub async fn get_with(client: &reqwest::Client, url: &str, cookie: &str) {
    let answer = client.get(url).header("cookie", cookie).header("accept-encoding", "gzip").send().await.unwrap();
    assert!(answer.status().as_u16() < 400, "{url}: {}", answer.status());
    answer.bytes().await.unwrap();
}

/// Each request is from another user. Every answer must have this status.
pub fn load(folder: &Path, url: &str, paths: &[String], cookies: &[String], status: u16, seconds: u32) -> Figures {
    let rows: Vec<String> =
        paths.iter().zip(cookies).map(|(path, cookie)| format!("{{\"{path}\", \"{cookie}\"}}")).collect();
    let script = format!(
        "local rows = {{{}}}\nlocal at = 0\n\
         function setup(thread) at = at + 1; thread:set('at', at * 31) end\n\
         function request()\n  at = at + 1\n  local row = rows[at % #rows + 1]\n\
           return wrk.format('GET', row[1], {{['Cookie'] = row[2], ['Accept-Encoding'] = 'gzip'}})\nend\n\
         function response(status) if status ~= {status} then io.stderr:write('status ', status, '\\n') os.exit(1) end end\n",
        rows.join(",\n")
    );
    let file = folder.join("load.lua");
    std::fs::write(&file, script).unwrap();
    let output = Command::new("wrk")
        .args(["-t2", &format!("-c{}", cookies.len()), &format!("-d{seconds}s"), "--latency", "-s"])
        .arg(&file)
        .arg(url)
        .output()
        .expect("wrk is installed (scripts/need wrk)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let after = |label: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap_or_default().trim().to_owned()
    };
    Figures {
        per_second: after("Requests/sec:").parse().unwrap_or_else(|_| panic!("{text}")),
        p50_ms: milliseconds(&after("50%")),
        p99_ms: milliseconds(&after("99%")),
    }
}

/// `12.34ms`, `830.00us`, `1.02s`
fn milliseconds(text: &str) -> f64 {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..at].parse().unwrap_or(f64::NAN);
    number
        * match &text[at..] {
            "us" => 0.001,
            "s" => 1000.0,
            _ => 1.0,
        }
}
