//! The files below `src/`, as tokens without comments, strings and unit tests.

use std::collections::BTreeMap;
use std::path::Path;

/// One module: a file below `src/`.
pub struct Module {
    /// Its path in the crate, such as `web::office::users`. Empty for `lib.rs`.
    pub name: String,
    pub tokens: Vec<String>,
}

/// Every module of the library by name, without `main.rs`.
pub fn read() -> BTreeMap<String, Module> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    add_folder(&source, "", &mut modules);
    assert!(modules.len() > 100, "src/ has only {} modules", modules.len());
    modules
}

fn add_folder(folder: &Path, parent: &str, modules: &mut BTreeMap<String, Module>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let name = if parent.is_empty() { stem.clone() } else { format!("{parent}::{stem}") };
        if path.is_dir() {
            add_folder(&path, &name, modules);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            let name = if name == "lib" { String::new() } else { name };
            let text = std::fs::read_to_string(&path).unwrap();
            // Unit tests are the last item of a file.
            let code = text.split("#[cfg(test)]").next().unwrap();
            modules.insert(name.clone(), Module { name, tokens: tokens(code) });
        }
    }
}

/// Identifiers, `::` and single characters.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphanumeric() || first == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = literal_length(rest) {
            length
        } else if is_word {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string or character literal that the code begins with.
fn literal_length(code: &str) -> Option<usize> {
    for (opening, closing) in [("r#\"", "\"#"), ("br#\"", "\"#"), ("r\"", "\""), ("br\"", "\"")] {
        if let Some(inside) = code.strip_prefix(opening) {
            return Some(opening.len() + inside.find(closing).unwrap() + closing.len());
        }
    }
    if let Some(character) = code.strip_prefix('\'') {
        let is_escape = character.starts_with('\\');
        let first = character.chars().next()?.len_utf8();
        // Otherwise it is a lifetime.
        let is_literal = is_escape || character[first..].starts_with('\'');
        return is_literal.then(|| if is_escape { 3 + character[2..].find('\'').unwrap() + 1 } else { first + 2 });
    }
    let inside = code.strip_prefix('"')?;
    let mut is_escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    Some(1 + end.unwrap() + 1)
}
