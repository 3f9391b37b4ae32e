//! The same statements without the portal, by pgbench, prepared and pipelined as the server sends them.

use std::path::Path;
use std::process::Command;

use primetrade::db::cluster::Cluster;

use super::statements::Request;
use super::{CONNECTIONS, Figures};

/// Postgres is faster with fewer connections. The benchmark reports the better of the two results.
const FEWER: usize = 16;

/// One script for each request. Each transaction of pgbench picks one.
pub fn replay(cluster: &Cluster, folder: &Path, requests: &[Request], seconds: u32) -> Figures {
    let mut scripts = Vec::new();
    for (index, trips) in requests.iter().enumerate() {
        let mut script = String::new();
        for trip in trips {
            let statements: String = trip.iter().map(|statement| format!("{statement};\n")).collect();
            match trip.len() {
                1 => script += &statements,
                _ => script += &format!("\\startpipeline\n{statements}\\endpipeline\n"),
            }
        }
        let path = folder.join(format!("request-{index}.sql"));
        std::fs::write(&path, script).unwrap();
        scripts.push(path);
    }
    let run = |clients: usize| {
        let mut command = Command::new("pgbench");
        command.args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string(), "-T", &seconds.to_string(), "-l"]);
        command.arg(format!("--log-prefix={}", folder.join(format!("pgbench-{clients}")).display()));
        for script in &scripts {
            command.arg("-f").arg(script);
        }
        command.arg("-h").arg(cluster.socket()).args(["-U", "primetrade", "bench"]);
        let output = command.output().expect("pgbench comes with Postgres");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap_or_else(|| panic!("{text}"));
        let per_second: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
        let (p50_ms, p99_ms) = latencies(folder, &format!("pgbench-{clients}"));
        Figures { per_second, p50_ms, p99_ms }
    };
    let (all, fewer) = (run(CONNECTIONS), run(FEWER));
    if all.per_second > fewer.per_second { all } else { fewer }
}

/// Reads pgbench's logs, one file for each thread: `client transaction microseconds …`.
fn latencies(folder: &Path, prefix: &str) -> (f64, f64) {
    let mut times: Vec<u64> = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            times.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()));
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(f64::NAN, |us| *us as f64 / 1000.0);
    (at(0.5), at(0.99))
}
