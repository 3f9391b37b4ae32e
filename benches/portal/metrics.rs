//! `cargo bench --bench portal -- metrics` compares a server that counts with one that doesn't.
//!
//! Both run at once on the same database, and take turns under load, so that a slow minute of the machine hits both.

use std::path::Path;

use super::{CONNECTIONS, Server, http};

const ROUNDS: usize = 7;
const SECONDS: u32 = 6;

/// Prints the median requests per second of each, and how much slower the counting one is.
pub fn compare(folder: &Path, plain: &Server, counting: &Server, downloads: &[String], cookies: &[String]) {
    let pages = vec!["/bols".to_owned(); CONNECTIONS];
    println!("\nmedian of {ROUNDS} rounds of {SECONDS} s, requests per second");
    println!("{:<24} {:>12} {:>12} {:>10}", "", "no metrics", "metrics", "slower by");
    for (what, paths, status) in [("the list page", &pages[..], 200), ("the download redirect", downloads, 303)] {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            without.push(http::load(folder, &plain.url, paths, cookies, status, SECONDS).per_second);
            with.push(http::load(folder, &counting.url, paths, cookies, status, SECONDS).per_second);
        }
        let (without, with) = (median(without), median(with));
        let slower = (1.0 - with / without) * 100.0;
        println!("{what:<24} {without:>12.0} {with:>12.0} {slower:>9.1}%");
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
