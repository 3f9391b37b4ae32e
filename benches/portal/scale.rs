//! `make bench-scale` measures pages of a portal with a million BOLs, one request at a time.
//!
//! `cargo bench --bench portal -- scale 10000000` takes another number of BOLs. Each page is requested 41 times. The
//! server has sealed all events before.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use primetrade::accounts::passwords;
use primetrade::db::cluster::Cluster;
use primetrade::db::guard;

use super::{Server, data, http};

const CUSTOMERS: u64 = 2_000;
const REQUESTS: usize = 40;
/// The customer with the most BOLs, 8 of 100, and one with 2 of 10,000.
const LARGEST: &str = "buyer1@example.com";
const SMALL: &str = "buyer700@example.com";
const OFFICE: &str = "office@example.com";
const ADMIN: &str = "admin@example.com";

/// What is searched for, and what of it is in the data: common words, rare ones, and none.
const LISTS: [&str; 17] = [
    "",
    "q=iron",
    "q=450",
    "q=4711",
    "q=slag",
    "q=ortiz",
    "q=450012",
    "q=12",
    "q=zq",
    "q=PRT-2024-600000",
    "q=600001",
    "kind=invoice",
    "kind=signed-bol",
    "status=void",
    "status=unsigned",
    "q=melt+last+month",
    "q=slag&sort=product",
];
const OFFICE_PAGES: [&str; 4] =
    ["/office", "/office/inbox", "/office/users?find=buyer19", "/office/customers?find=199"];

/// Of an administrator, who may read the log too. The events are of the last 690 days.
const LOG_PAGES: [&str; 7] = [
    "/audit",
    "/audit?q=zqzq",
    "/audit?q=Mozilla",
    "/audit?q=zqzq&from=2025-06-01&to=2026-11-30",
    "/audit?user=buyer1@example.com",
    "/audit?action=BOL_DOWNLOADED",
    "/office/storage",
];

pub async fn report(cluster: &Cluster, folder: &Path, media: &Path, bols: u64) {
    let url = cluster.database("scale").await.unwrap();
    let server_url = cluster.url_as("portal_bench", "scale").unwrap();
    guard::set_up(&url, &server_url).await.unwrap();
    let hash = passwords::hash(data::PASSWORD).await.unwrap();
    eprintln!("loading {bols} BOLs of {CUSTOMERS} customers and {} events …", 2 * bols);
    load(cluster, bols, &hash);
    let server = Server::start(folder, server_url.as_str(), media, "");
    data::until_sealed(&url, 2 * bols).await;
    let client = http::client();
    println!("\n{:<10} {:<36} {:>9} {:>9} {:>9}", "", "milliseconds", "first", "p50", "p99");
    let lists = || LISTS.iter().map(|filter| format!("/bols?{filter}"));
    let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    for (who, email, paths) in [
        ("largest", LARGEST, lists().collect()),
        ("small", SMALL, lists().collect()),
        ("office", OFFICE, lists().chain(owned(&OFFICE_PAGES)).collect()),
        ("admin", ADMIN, owned(&LOG_PAGES)),
    ] {
        let cookie = http::log_in_as(&server.url, email).await;
        for path in paths {
            let url = format!("{}{path}", server.url);
            let (first, mut times) = (time(&client, &url, &cookie).await, Vec::new());
            for _ in 0..REQUESTS {
                times.push(time(&client, &url, &cookie).await);
            }
            times.sort_by(f64::total_cmp);
            println!("{who:<10} {path:<36} {first:>9.1} {:>9.1} {:>9.1}", times[REQUESTS / 2], times[REQUESTS - 1]);
        }
    }
}

/// As the superuser, who can insert without the triggers.
fn load(cluster: &Cluster, bols: u64, hash: &str) {
    let mut psql = Command::new("psql");
    psql.args(["-q", "-o", "/dev/null", "-U", "postgres", "-d", "scale", "-h"]).arg(cluster.socket());
    for variable in [
        format!("bols={bols}"),
        format!("customers={CUSTOMERS}"),
        format!("events={}", 2 * bols),
        format!("hash={hash}"),
    ] {
        psql.arg("-v").arg(variable);
    }
    psql.arg("-f").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/portal/scale.sql"));
    assert!(psql.status().unwrap().success());
}

async fn time(client: &reqwest::Client, url: &str, cookie: &str) -> f64 {
    let started = Instant::now();
    http::get_with(client, url, cookie).await;
    started.elapsed().as_secs_f64() * 1000.0
}
