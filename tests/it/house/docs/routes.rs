//! The paths that the pages name are the ones that the server answers.

use std::fs;

use super::source::{Names, doc_pages, find_files, inline_code, literals_in, prose, root};

/// The paths that the server answers: in src/web/routes.rs every literal with a slash, elsewhere those of resources.
fn routes() -> Names {
    let table = literals_in(&["src/web/routes.rs", "src/web/routes"]);
    let elsewhere = find_files(&root().join("src/web"), &[".rs"]).into_iter().flat_map(|path| {
        let source = fs::read_to_string(path).unwrap();
        source
            .split("resource(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(Into::into)
            .collect::<Vec<String>>()
    });
    table.into_iter().chain(elsewhere).filter(|path| path.starts_with('/')).map(|path| route_pattern(&path)).collect()
}

/// The path without a final slash, with `*` for a part that varies and `**` for any number of parts.
fn route_pattern(path: &str) -> String {
    let parts = path.trim_end_matches('/').split('/').skip(1);
    let pattern = |part: &str| match part {
        _ if part.ends_with(":.*}") => "/**".to_owned(),
        _ if part.starts_with(['{', '…']) || is_placeholder(part) => "/*".to_owned(),
        _ => format!("/{part}"),
    };
    parts.map(pattern).collect()
}

/// A part such as `NUMBER`, as examples write it.
fn is_placeholder(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase())
}

/// Whether the route answers this path.
fn matches_route(path: &str, route: &str) -> bool {
    if let Some(prefix) = route.strip_suffix("/**") {
        return path.starts_with(prefix);
    }
    let (path, route): (Vec<_>, Vec<_>) = (path.split('/').collect(), route.split('/').collect());
    path.len() == route.len() && path.iter().zip(&route).all(|(part, pattern)| *pattern == "*" || part == pattern)
}

/// The paths in a page's inline code, with or without a method: `GET /bols?q=` is `/bols`.
fn documented_paths(page: &str) -> Names {
    let spans = inline_code(page)
        .map(|span| span.trim_start_matches(|c: char| c.is_ascii_uppercase() || matches!(c, ',' | ' ')));
    let paths = spans.filter(|span| span.starts_with('/'));
    paths.map(|span| route_pattern(span.split(['?', ' ', '[', '`']).next().unwrap_or_default())).collect()
}

#[test]
fn documented_paths_exist_and_every_route_is_documented() {
    let routes = routes();
    assert!(routes.len() > 50, "found only {} routes in src/web/routes.rs; has the table moved?", routes.len());
    let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    let ours: Names = routes.iter().map(|route| first(route)).filter(|part| !part.is_empty()).collect();
    let mut documented = Names::new();
    for page in doc_pages() {
        let found = documented_paths(&prose(&fs::read_to_string(&page).unwrap()));
        let found: Names = found.into_iter().filter(|path| ours.contains(&first(path))).collect();
        let unknown: Vec<_> =
            found.iter().filter(|path| !routes.iter().any(|route| matches_route(path, route))).collect();
        assert!(
            unknown.is_empty(),
            "{} names paths that src/web/routes.rs lacks; correct them: {unknown:?}",
            page.display()
        );
        documented.extend(found);
    }
    // A path that is a route of its own (`/bols/download.zip`) does not document `/bols/{number}`.
    let names = |path: &String, route: &String| path == route || !routes.contains(path) && matches_route(path, route);
    let is_documented = |route: &&String| route.is_empty() || documented.iter().any(|path| names(path, route));
    let lacking: Vec<_> = routes.iter().filter(|route| !is_documented(route)).collect();
    assert!(lacking.is_empty(), "no page names these paths; add them to the table in docs/api.md: {lacking:?}");
}
