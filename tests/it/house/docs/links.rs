//! Every relative link and anchor leads somewhere.

use std::fs;

use super::source::{Names, find_files, prose, root};

/// GitHub's anchor of a heading: letters, digits, hyphens and underscores, with hyphens for spaces.
fn heading_anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn heading_anchors(text: &str) -> Names {
    let headings = prose(text);
    headings
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| heading_anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_relative_link_and_anchor_leads_somewhere() {
    let mut broken = Vec::new();
    for page in find_files(root(), &[".md"]) {
        let text = fs::read_to_string(&page).unwrap();
        let plain = |line: &str| line.split('`').step_by(2).collect::<String>();
        let links = prose(&text).lines().map(plain).collect::<Vec<_>>().join("\n");
        let targets = links.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
            let (file, fragment) =
                target.split_once('#').map_or((target, None), |(file, fragment)| (file, Some(fragment)));
            let path = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let leads = match fragment {
                _ if !path.exists() => false,
                Some(fragment) => heading_anchors(&fs::read_to_string(&path).unwrap_or_default()).contains(fragment),
                None => true,
            };
            if !leads {
                broken.push(format!("{}: {target}", page.strip_prefix(root()).unwrap_or(&page).display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere; correct the file name or the anchor:\n{}", broken.join("\n"));
}
