//! Imports point downward: the table of layers in `docs/architecture.md`, compared with the code.
//!
//! The layers stand in that page between `<!-- layers -->` and `<!-- /layers -->`, the highest first. A module may import
//! modules of lower layers. Modules of one layer don't import each other.

mod imports;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use imports::{Crate, Import};

// What still breaks a rule. Entries may only be removed.
const UPWARD: &[&str] = &[];
const CLI_IMPORTS: &[&str] = &[];
/// The outbox keeps finished emails, so `mail` renders them.
const FRONTENDS: &[&str] = &["mail::email_template -> askama"];
const PAGE_IMPORTS: &[&str] = &[];
const NAMES_ROLES: &[&str] = &[];
/// Each entry allows one circle among these modules and their submodules.
const CIRCLES: &[&[&str]] = &[];

#[test]
fn every_module_imports_only_modules_of_lower_layers() {
    let layers = layers();
    let layer = |module: &str| {
        let top = top(module);
        *layers.get(top).unwrap_or_else(|| panic!("docs/architecture.md gives no layer for {top}"))
    };
    let imports = Crate::read().imports();
    let upward = imports.iter().filter(|import| !import.from.is_empty() && top(&import.from) != top(&import.to));
    let upward = upward.filter(|import| layer(&import.to) <= layer(&import.from));
    assert_known(upward.map(between_modules), UPWARD);
}

#[test]
fn the_table_of_layers_names_every_module_of_the_crate() {
    let read = Crate::read();
    let modules: BTreeSet<&str> = read.modules.keys().map(|module| top(module)).filter(|top| !top.is_empty()).collect();
    let layers = layers();
    assert_eq!(layers.keys().map(String::as_str).collect::<BTreeSet<_>>(), modules);
}

#[test]
fn the_command_line_starts_the_server_and_uses_nothing_else_of_the_web() {
    let imports = Crate::read().imports();
    let of_web = imports.iter().filter(|import| top(&import.from) == "cli" && top(&import.to) == "web");
    let internal = of_web.filter(|import| {
        !["Running", "Settings"].iter().any(|name| import.path.starts_with(&format!("web::server::{name}")))
    });
    assert_known(internal.map(|import| format!("{} -> {}", import.from, import.path)), CLI_IMPORTS);
}

#[test]
fn a_domain_module_knows_neither_http_nor_html_nor_the_command_line() {
    let is_frontend = |token: &str| token.starts_with("actix") || token.starts_with("askama") || token == "clap";
    let read = Crate::read();
    let domain = read.modules.values().filter(|module| !["", "web", "cli"].contains(&top(&module.name)));
    let frontend = domain.flat_map(|module| {
        let paths = module.tokens.windows(2).filter(|pair| pair[1] == "::" && is_frontend(&pair[0]));
        paths.map(|pair| format!("{} -> {}", module.name, pair[0]))
    });
    assert_known(frontend, FRONTENDS);
}

#[test]
fn no_page_imports_another_page() {
    let read = Crate::read();
    let pages = pages(&read);
    assert!(pages.len() > 20, "web::routes names only {} pages", pages.len());
    let imports = read.imports();
    let sideways = imports.iter().filter(|import| pages.contains(&import.from) && pages.contains(&import.to));
    assert_known(sideways.map(between_modules), PAGE_IMPORTS);
}

#[test]
fn roles_are_named_only_where_permissions_are_decided() {
    let decides = |module: &str| top(module) == "accounts" || module == "web::auth";
    let read = Crate::read();
    let others = read.modules.values().filter(|module| !decides(&module.name));
    let naming = others.filter(|module| module.tokens.windows(2).any(|pair| pair[0] == "Role" && pair[1] == "::"));
    assert_known(naming.map(|module| module.name.clone()), NAMES_ROLES);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(&Crate::read().imports());
    let allows = |known: &[&str], circle: &[String]| {
        circle.iter().all(|module| known.iter().any(|known| module == known || is_within(module, known)))
    };
    let new: Vec<_> = circles.iter().filter(|circle| !CIRCLES.iter().any(|known| allows(known, circle))).collect();
    assert!(new.is_empty(), "files that import each other: {new:#?}");
    let gone: Vec<_> = CIRCLES.iter().filter(|known| !circles.iter().any(|circle| allows(known, circle))).collect();
    assert!(gone.is_empty(), "remove these from the list of exceptions: {gone:#?}");
}

/// Fails with what is new, and with what is no longer true and should leave the list.
fn assert_known(found: impl Iterator<Item = String>, known: &[&str]) {
    let found: BTreeSet<String> = found.collect();
    let known: BTreeSet<String> = known.iter().map(|entry| (*entry).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "not allowed: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "remove these from the list of exceptions: {gone:#?}");
}

fn between_modules(import: &Import) -> String {
    format!("{} -> {}", import.from, import.to)
}

/// The part of a path below the root of the crate.
fn top(module: &str) -> &str {
    module.split("::").next().unwrap()
}

/// The layer of each module of the crate, counted from the highest.
fn layers() -> BTreeMap<String, usize> {
    let page = include_str!("../../../docs/architecture.md");
    let table = page.split_once("<!-- layers -->").unwrap().1.split_once("<!-- /layers -->").unwrap().0;
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut layers = BTreeMap::new();
    for (layer, row) in rows.enumerate() {
        let modules = row.split('|').nth(2).unwrap();
        // Modules stand in backquotes.
        for module in modules.split('`').skip(1).step_by(2) {
            assert_eq!(layers.insert(module.to_owned(), layer), None, "{module} is in two layers");
        }
    }
    layers
}

/// The modules whose handlers `web::routes` names.
fn pages(read: &Crate) -> BTreeSet<String> {
    let routes = read.paths_in("web::routes", &read.modules["web::routes"].tokens);
    let resolved = routes.iter().map(|path| read.resolve(path));
    let is_handler = |module: &str, name: &str| {
        let tokens = &read.modules[module].tokens;
        tokens.windows(3).any(|three| three[0] == "async" && three[1] == "fn" && three[2] == name)
    };
    let handlers = resolved.filter(|(module, rest)| rest.len() == 1 && is_handler(module, &rest[0]));
    handlers.map(|(module, _)| module).collect()
}

/// Whether a module is a submodule of another, at any depth.
fn is_within(module: &str, parent: &str) -> bool {
    module.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::"))
}

/// The groups of modules in which each one leads to every other, by imports.
///
/// A module and its submodules may know each other: seen from outside they are one module.
fn circles(imports: &BTreeSet<Import>) -> BTreeSet<Vec<String>> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let between =
        imports.iter().filter(|import| !is_within(&import.from, &import.to) && !is_within(&import.to, &import.from));
    for import in between {
        direct.entry(&import.from).or_default().insert(&import.to);
    }
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for module in direct.keys() {
        let mut open = vec![*module];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            open.extend(direct.get(next).into_iter().flatten().filter(|to| seen.insert(**to)));
        }
        reached.insert(module, seen);
    }
    let in_circle = reached.iter().filter(|(module, seen)| seen.contains(**module));
    let circle = |module: &str, seen: &BTreeSet<&str>| {
        let others = seen.iter().filter(|other| reached.get(**other).is_some_and(|back| back.contains(module)));
        others.map(|other| (*other).to_owned()).collect()
    };
    in_circle.map(|(module, seen)| circle(module, seen)).collect()
}
