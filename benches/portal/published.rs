//! The figures of the last release, as docs/performance.md has them.

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
const HEADING: &str = "## Pages and downloads";

/// Returns how many a second the table says for this line. `None`: it has no such line yet.
pub fn per_second(what: &str) -> Option<f64> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let section = page.split_once(HEADING).unwrap().1.split("\n## ").next().unwrap();
    let line = section.lines().find_map(|line| line.strip_prefix(&format!("| {what} | ")))?;
    line.split('|').next()?.trim().replace(',', "").parse().ok()
}
