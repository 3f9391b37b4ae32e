//! No function of the tests is longer than a screen.

use std::path::Path;

const MAX_LINES: usize = 60;

#[test]
fn no_function_of_the_tests_has_more_than_60_lines() {
    let mut long = Vec::new();
    add_long_functions(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut long);
    assert!(long.is_empty(), "split these into named steps: {long:#?}");
}

fn add_long_functions(folder: &Path, long: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_long_functions(&path, long);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
                let indent = &line[..line.len() - line.trim_start().len()];
                // rustfmt puts the closing brace below the beginning of the function.
                let end = lines[start..].iter().position(|line| line.strip_prefix(indent) == Some("}"));
                let length = end.map_or(1, |end| end + 1);
                if length > MAX_LINES {
                    long.push(format!("{}:{} has {length} lines", path.display(), start + 1));
                }
            }
        }
    }
}

fn is_function(line: &str) -> bool {
    let line = line.trim_start();
    ["fn ", "async fn ", "pub fn ", "pub async fn "].iter().any(|start| line.starts_with(start))
}
