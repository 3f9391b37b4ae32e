//! docs/commands.md lists the commands and options that `--help` lists.

use std::collections::BTreeMap;

use super::source::{Names, assert_same, first_column, read_file};
use crate::support::primetrade;

/// Every command such as `storage check`, with the long options that its `--help` lists.
async fn help_of_all_commands() -> BTreeMap<String, Names> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![Vec::<String>::new()]);
    while let Some(path) = todo.pop() {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = primetrade(&[], &arguments, "").await;
        assert!(output.status.success(), "primetrade {} fails", arguments.join(" "));
        let help = String::from_utf8(output.stdout).unwrap();
        let listed = help.split_once("\nCommands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
        let subcommands = listed.into_iter().flat_map(str::lines).filter_map(|line| {
            let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.split_whitespace().next()?;
            (name != "help").then(|| path.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>())
        });
        let before = todo.len();
        todo.extend(subcommands);
        if todo.len() == before {
            let options = help.lines().map(str::trim_start).filter_map(|line| {
                let line = line.split_once(", ").filter(|(short, _)| short.len() == 2).map_or(line, |(_, long)| long);
                let option = line
                    .strip_prefix("--")?
                    .split(|c: char| c != '-' && !c.is_ascii_lowercase() && !c.is_ascii_digit())
                    .next()?;
                (option != "help").then(|| format!("--{option}"))
            });
            found.insert(path.join(" "), options.collect());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_reference_lists_every_command_and_option() {
    let page = read_file("docs/commands.md");
    let sections = page.split("\n## `").skip(1).map(|section| section.split_once('`').expect("a heading"));
    let documented: BTreeMap<String, Names> = sections
        .map(|(name, section)| {
            let options = first_column(section).into_iter().filter(|cell| cell.starts_with("--"));
            (name.to_owned(), options.map(|cell| cell.split(' ').next().unwrap_or_default().to_owned()).collect())
        })
        .collect();
    let commands = help_of_all_commands().await;
    let names = |of: &BTreeMap<String, Names>| of.keys().cloned().collect::<Names>();
    assert_same(("docs/commands.md", &names(&documented)), ("primetrade --help", &names(&commands)));
    for (name, options) in &commands {
        let missing: Vec<_> = options.symmetric_difference(&documented[name]).collect();
        assert!(
            missing.is_empty(),
            "docs/commands.md and primetrade {name} --help have different options; correct the page: {missing:?}"
        );
    }
}
