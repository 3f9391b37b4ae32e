//! Which module imports which, with every re-export followed to the module that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Module};

/// One module uses a name of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: String,
    pub to: String,
    /// What it uses, as a path in the crate.
    pub path: String,
}

/// A name that a `use` line brings into a module.
struct Name {
    alias: String,
    path: Vec<String>,
    is_reexport: bool,
}

pub struct Crate {
    pub modules: BTreeMap<String, Module>,
    names: BTreeMap<String, Vec<Name>>,
}

impl Crate {
    pub fn read() -> Self {
        let modules = source::read();
        let names = modules.keys().map(|module| (module.clone(), Vec::new())).collect();
        let unnamed = Self { modules, names };
        let names = unnamed.modules.values().map(|module| (module.name.clone(), unnamed.use_names(module))).collect();
        Self { names, ..unnamed }
    }

    /// Every import, by `use` lines and by paths in the code.
    pub fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for module in self.modules.values() {
            let code = without_use_lines(&module.tokens);
            let words: BTreeSet<&str> = code.iter().map(String::as_str).collect();
            let names = self.names[&module.name].iter();
            // A name that a module only passes on is no use of it.
            let used = names.filter(|name| !name.is_reexport || words.contains(name.alias.as_str()));
            let paths = used.map(|name| name.path.clone()).chain(self.paths_in(&module.name, &code));
            for path in paths {
                let (to, rest) = self.resolve(&path);
                if to != module.name && !to.is_empty() {
                    let path = [to.as_str(), &rest.join("::")].join("::").trim_end_matches(':').to_owned();
                    imports.insert(Import { from: module.name.clone(), to, path });
                }
            }
        }
        imports
    }

    /// The absolute paths that a module writes outside of its `use` lines.
    pub fn paths_in(&self, module: &str, code: &[String]) -> Vec<Vec<String>> {
        let paths = paths(code).into_iter().filter(|path| path.len() > 1);
        paths.filter_map(|path| self.absolute(module, &path)).collect()
    }

    /// The module that defines what a path names, and the rest of the path.
    pub fn resolve(&self, path: &[String]) -> (String, Vec<String>) {
        let mut path = path.to_vec();
        for _ in 0..10 {
            let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length].join("::")));
            let (module, rest) = path.split_at(length.unwrap());
            let module = module.join("::");
            let names = &self.names[&module];
            // A function may have the name of an imported module.
            let is_function = matches!(rest, [name] if defines_function(&self.modules[&module].tokens, name));
            let passed_on =
                rest.first().and_then(|first| names.iter().find(|name| name.alias == *first && !is_function));
            match passed_on {
                Some(name) => path = [name.path.as_slice(), &rest[1..]].concat(),
                None => return (module, rest.to_vec()),
            }
        }
        panic!("re-exports in a circle: {path:?}");
    }

    /// The names of this crate that a module's `use` lines bring in.
    fn use_names(&self, module: &Module) -> Vec<Name> {
        let names = use_lines(&module.tokens).into_iter();
        names.filter_map(|name| Some(Name { path: self.absolute(&module.name, &name.path)?, ..name })).collect()
    }

    /// A path from the root of the crate, or nothing for one that leads to another crate.
    fn absolute(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let mut base: Vec<String> = module.split("::").filter(|part| !part.is_empty()).map(Into::into).collect();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = base.iter().map(String::as_str).chain([first]).collect::<Vec<_>>().join("::");
                if let Some(name) = self.names[module].iter().find(|name| name.alias == first) {
                    base.clone_from(&name.path);
                    rest = &rest[1..];
                } else if !self.modules.contains_key(&child) {
                    return None;
                }
            }
        }
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }
}

fn defines_function(tokens: &[String], name: &str) -> bool {
    tokens.windows(2).any(|pair| pair[0] == "fn" && pair[1] == name)
}

/// The names of all `use` lines, with their paths as written.
fn use_lines(tokens: &[String]) -> Vec<Name> {
    let mut names = Vec::new();
    let starts = tokens.iter().enumerate().filter(|(_, token)| *token == "use").map(|(at, _)| at);
    for start in starts {
        let line: Vec<&str> =
            tokens[start + 1..].iter().map(String::as_str).take_while(|token| *token != ";").collect();
        let before = start.checked_sub(1).map_or("", |at| tokens[at].as_str());
        let mut position = 0;
        add_tree(&line, &mut position, &[], before == "pub" || before == ")", &mut names);
    }
    names
}

/// Reads one tree of a `use` line, such as `web::{self, Error as WebError}`.
fn add_tree(line: &[&str], position: &mut usize, base: &[String], is_reexport: bool, names: &mut Vec<Name>) {
    let mut path = base.to_vec();
    while let Some(token) = line.get(*position) {
        *position += 1;
        match *token {
            "::" => {}
            "{" => {
                while line.get(*position).is_some_and(|token| *token != "}") {
                    add_tree(line, position, &path, is_reexport, names);
                    if line.get(*position) == Some(&",") {
                        *position += 1;
                    }
                }
                *position += 1;
                return;
            }
            "," | "}" => {
                *position -= 1;
                break;
            }
            "as" => {
                let alias = line[*position].to_owned();
                *position += 1;
                names.push(Name { alias, path, is_reexport });
                return;
            }
            "self" if !path.is_empty() => {}
            part => path.push(part.to_owned()),
        }
    }
    if let Some(alias) = path.last().cloned() {
        names.push(Name { alias, path, is_reexport });
    }
}

fn without_use_lines(tokens: &[String]) -> Vec<String> {
    let mut code = Vec::new();
    let mut is_inside = false;
    for token in tokens {
        is_inside = (is_inside || token == "use") && token != ";";
        if !is_inside {
            code.push(token.clone());
        }
    }
    code
}

/// The paths in some code, such as `super::page::size`.
fn paths(code: &[String]) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = Vec::new();
    let mut continues = false;
    for (at, token) in code.iter().enumerate() {
        let is_word = token.starts_with(|c: char| c.is_alphabetic() || c == '_');
        match (token.as_str(), is_word) {
            ("::", _) => continues = at > 0 && code[at - 1].starts_with(|c: char| c.is_alphabetic() || c == '_'),
            (_, true) if continues => {
                paths.last_mut().unwrap().push(token.clone());
                continues = false;
            }
            (_, true) => paths.push(vec![token.clone()]),
            _ => continues = false,
        }
    }
    paths
}
