//! Reading pages and program code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub type Names = BTreeSet<String>;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read_file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below a folder with one of these endings, without build output, data and hidden folders.
pub fn find_files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !name.starts_with('.') && !matches!(name.as_str(), "target" | "data" | "media") {
            found.extend(find_files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The documentation's own pages: the ones in the root and in docs/.
pub fn doc_pages() -> Vec<PathBuf> {
    let mut pages = find_files(&root().join("docs"), &[".md"]);
    let in_root = fs::read_dir(root()).unwrap().flatten().map(|entry| entry.path());
    pages.extend(in_root.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    pages.sort();
    pages
}

/// A page without its fenced blocks.
pub fn prose(text: &str) -> String {
    let outside = text.split("\n```").enumerate().filter(|(index, _)| index % 2 == 0);
    outside.map(|(_, part)| part).collect::<Vec<_>>().join("\n")
}

/// The inline code of a text. Code never spans two lines.
pub fn inline_code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The inline code in the first column of every table.
pub fn first_column(text: &str) -> Vec<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.flat_map(|row| inline_code(row.split(" |").next().unwrap_or_default())).collect()
}

/// `LIKE_THIS`: how variables and actions are written.
pub fn is_constant(name: &str) -> bool {
    name.len() > 3
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// String literals of program code, without comments and unit tests.
pub fn string_literals(source: &str) -> Names {
    let program = source.split("#[cfg(test)]").next().unwrap_or_default().replace("\\\"", "");
    let lines = program.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).map(Into::into).collect()
}

/// The string literals of these files and folders, without tests; a missing one counts as empty.
pub fn literals_in(paths: &[&str]) -> Names {
    let sources = paths.iter().map(|path| root().join(path)).flat_map(|path| match path.is_dir() {
        true => find_files(&path, &[".rs"]),
        false => vec![path],
    });
    let sources = sources.filter(|path| !path.ends_with("tests.rs"));
    sources.flat_map(|path| string_literals(&fs::read_to_string(path).unwrap_or_default())).collect()
}

/// Compares two sets of names, each with the place that it comes from.
pub fn assert_same(left: (&str, &Names), right: (&str, &Names)) {
    let only = |here: &Names, there: &Names| here.difference(there).cloned().collect::<Vec<_>>().join(", ");
    let (extra, lacking) = (only(left.1, right.1), only(right.1, left.1));
    assert!(!left.1.is_empty() && !right.1.is_empty(), "found no names in {} or {}", left.0, right.0);
    assert!(
        extra.is_empty(),
        "{} has names that {} lacks; add them there or remove them here: {extra}",
        left.0,
        right.0
    );
    assert!(lacking.is_empty(), "{} lacks names that {} has; add them: {lacking}", left.0, right.0);
}
