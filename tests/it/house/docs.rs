//! The documentation agrees with the program: variables, commands, paths, events, sample logins and links.
//!
//! Each failure names the page to change. The tests read the pages at run time, so a new wording recompiles nothing.

mod commands;
mod links;
mod routes;
mod source;

use std::fs;

use primetrade::audit::Action;

use self::source::{
    Names, assert_same, doc_pages, find_files, first_column, is_constant, literals_in, read_file, root,
};

/// The variables that the program reads, without the shell's `PATH`.
fn variables() -> Names {
    let literals = literals_in(&["src/config.rs", "src/config"]);
    literals.into_iter().filter(|name| is_constant(name) && name != "PATH").collect()
}

#[test]
fn the_configuration_page_and_env_example_list_every_variable() {
    let variables = variables();
    let page = read_file("docs/configuration.md");
    let documented: Names = first_column(&page).into_iter().filter(|name| is_constant(name)).map(Into::into).collect();
    assert_same(("docs/configuration.md", &documented), ("src/config", &variables));
    let example = read_file(".env.example");
    let named = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let named: Names = named.map(|(name, _)| name.to_owned()).filter(|name| is_constant(name)).collect();
    assert_same((".env.example", &named), ("src/config", &variables));
}

#[test]
fn the_deployment_files_set_only_variables_that_exist() {
    let variables = variables();
    let (render, compose) = (read_file("deploy/render.yaml"), read_file("deploy/compose.yaml"));
    let block = compose.split_once("environment: &environment").expect("compose.yaml: environment").1;
    let compose =
        block.lines().skip(1).take_while(|line| line.starts_with("    ")).filter_map(|line| line.split_once(':'));
    // The blueprint's own commands put some of its variables into a URL.
    let is_own = |name: &&str| render.contains(&format!("${name}"));
    let render = render.lines().filter_map(|line| line.trim().strip_prefix("- key: ")).filter(|name| !is_own(name));
    let set = compose.map(|(name, _)| name.trim()).chain(render).filter(|name| is_constant(name));
    let unknown: Vec<&str> = set.filter(|name| !variables.contains(*name)).collect();
    assert!(unknown.is_empty(), "deploy/ sets variables that src/config does not read; correct them: {unknown:?}");
}

#[test]
fn the_log_page_lists_every_action() {
    let page = read_file("docs/audit-log.md");
    let table = page.split_once("## Actions").expect("docs/audit-log.md: a heading \"Actions\"").1;
    let table = table.split("\n## ").next().unwrap_or_default();
    let documented: Names = first_column(table).into_iter().filter(|name| is_constant(name)).map(Into::into).collect();
    let actions: Names = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    assert_same(("docs/audit-log.md", &documented), ("audit::Action", &actions));
}

#[test]
fn every_ignored_advisory_is_explained() {
    let ids = |text: &str| -> Names {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.starts_with("RUSTSEC-")).map(Into::into).collect()
    };
    let (page, settings) = (ids(&read_file("docs/development.md")), ids(&read_file("deny.toml")));
    assert_same(("docs/development.md", &page), ("deny.toml", &settings));
}

#[test]
fn the_readme_is_short_and_maps_every_page() {
    let readme = read_file("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "README.md has {lines} lines; move details to a page in docs/");
    let missing: Vec<String> = doc_pages()
        .into_iter()
        .map(|page| page.strip_prefix(root()).unwrap_or(&page).display().to_string())
        .filter(|page| page != "README.md" && !readme.contains(&format!("({page}")))
        .collect();
    assert!(missing.is_empty(), "README.md does not link to these pages; add them to its map: {missing:?}");
}

#[test]
fn the_architecture_page_names_only_files_that_exist() {
    let page = read_file("docs/architecture.md");
    let quoted = page.split('`').skip(1).step_by(2).filter(|text| !text.contains(' '));
    let paths: Vec<&str> = quoted.filter(|text| text.ends_with(".rs") || text.ends_with('/')).collect();
    assert!(paths.len() > 50, "docs/architecture.md names only {} paths", paths.len());
    let missing: Vec<&&str> =
        paths.iter().filter(|path| !root().join("src").join(path).exists() && !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "docs/architecture.md names paths that do not exist; correct them: {missing:?}");
}

#[test]
fn the_tests_that_hold_a_security_requirement_exist() {
    let page = read_file("docs/security-requirements.md");
    let named = page.split('`').skip(1).step_by(2).filter(|text| text.contains("::"));
    let named: Vec<&str> = named.filter_map(|path| path.rsplit("::").next()).collect();
    assert!(named.len() > 10, "docs/security-requirements.md names only {} tests", named.len());
    let files = ["tests", "src"].map(|folder| find_files(&root().join(folder), &[".rs"]));
    let code: String = files.iter().flatten().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !code.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "docs/security-requirements.md names tests that do not exist: {missing:?}");
}

#[test]
fn the_sample_logins_in_the_docs_exist() {
    let sample = primetrade::samples::generate(6, 0);
    for page in doc_pages() {
        let text = fs::read_to_string(&page).unwrap();
        for row in text.lines().filter(|line| line.starts_with('|') && line.contains(".example |")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let exists = sample.users.iter().any(|user| cells[2] == user.email && cells[3] == user.password);
            assert!(exists, "{}: no sample user has this email address and password; correct {row}", page.display());
        }
    }
}

#[test]
fn the_messages_in_the_troubleshooting_table_exist() {
    let page = read_file("docs/operations.md");
    let table = page.split_once("## Troubleshooting").expect("docs/operations.md: a heading \"Troubleshooting\"").1;
    let table = table.split("\n## ").next().unwrap_or_default();
    let program: String =
        find_files(&root().join("src"), &[".rs"]).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let messages = first_column(table).into_iter().filter(|cell| cell.contains(' '));
    let unknown: Vec<&str> =
        messages.filter(|message| !message.split(" N ").all(|part| program.contains(part))).collect();
    assert!(unknown.is_empty(), "docs/operations.md quotes messages that src/ lacks; quote the new ones: {unknown:?}");
}
