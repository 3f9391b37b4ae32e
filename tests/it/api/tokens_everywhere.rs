//! Tokens against every route of the routing table.

use reqwest::Method;

use crate::portal::isolation::paths;
use crate::support::{Action, Actor, Answer, App, World};

/// The routes that are open to tokens. Every other one is closed, also a new one.
const OPEN: [(&str, &str); 14] = [
    ("GET", "/api/v1/"),
    ("HEAD", "/api/v1/"),
    ("POST", "/api/v1/"),
    ("GET", "/api/openapi.json"),
    ("HEAD", "/api/openapi.json"),
    ("GET", "/api/bols"),
    ("HEAD", "/api/bols"),
    ("GET", "/api/bol/"),
    ("POST", "/api/bol"),
    ("GET", "/bols/export"),
    ("GET", "/bols/download.zip"),
    ("GET", "/documents/"),
    ("POST", "/office/upload"),
    ("GET", "/audit/export"),
];

fn is_open(method: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    // Links to download a BOL, but not its page.
    let is_download = method == "GET" && path.starts_with("/bols/PRT-") && path.ends_with("/download");
    is_download || OPEN.iter().any(|(open, start)| *open == method && path.starts_with(start))
}

/// Sends a request of the walk. The walk has more requests than a minute allows.
async fn ask(app: &App, program: &Actor, method: &str, path: &str) -> Answer {
    let answer = Answer::of(program.request(method.parse().unwrap(), path)).await;
    if answer.header("ratelimit-remaining") == "9" {
        app.sql("UPDATE api_token_rates SET requests = 0").await;
    }
    assert!(answer.status < 500 && answer.status != 429, "{method} {path}: {}", answer.status);
    assert_eq!(answer.header("set-cookie"), "", "{method} {path}");
    let is_page = answer.header("content-type").starts_with("text/html");
    assert!(!is_page, "{method} {path} answers a page");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_closed_to_tokens_unless_its_signature_names_a_scope() {
    let app = App::start().await;
    let program = app.program(World::ADMIN).await;
    let before = app.rows("SELECT u::text FROM users u").await;
    let mut opened = std::collections::BTreeSet::new();
    for path in paths(&app) {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let answer = ask(&app, &program, method, &path).await;
            let is_closed = [403, 404, 405].contains(&answer.status);
            assert!(is_open(method, &path) || is_closed, "{method} {path}: {}", answer.status);
            if is_open(method, &path) && answer.header("www-authenticate").is_empty() {
                opened.insert((method, path.split(['?', '0', '1']).next().unwrap().to_owned()));
            }
        }
    }
    assert!(opened.len() >= 9, "{opened:?}");
    assert_eq!(app.rows("SELECT u::text FROM users u").await, before, "nothing was changed");
    let made = app.events().await.filter(|event| event.action.starts_with("LOG") || event.action.starts_with("USER"));
    assert!(made.is_empty(), "{:?}", made.actions());
    let refused = app.events().await.only(Action::TokenRefused);
    assert!(!refused.is_empty() && refused.iter().all(|event| event.detail("reason") == "not_for_tokens"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rivals_token_gets_nothing_on_any_route() {
    let app = App::start().await;
    let program = app.program(World::RIVAL).await;
    for path in paths(&app) {
        for method in ["GET", "POST"] {
            let answer = ask(&app, &program, method, &path).await;
            let whole = format!("{:?}{}", answer.headers, answer.text());
            let whole = whole.replace("q=sesame", "").replace("q%3Dsesame", "");
            assert!(!whole.contains("sesame") && !whole.contains("/files/"), "{method} {path}: {whole}");
            let names_an_object = path.contains("/documents/") || path.contains("/api/bol/") && path != "/api/bol/";
            if method == "GET" && names_an_object && !path.starts_with("/office/") {
                // Links of version 1 are posted.
                let expected = if path.starts_with("/api/v1/") { 405 } else { 404 };
                assert_eq!(answer.status, expected, "{path}");
            }
        }
    }
    assert_eq!(program.get("/bols/PRT-2025-0003/download").await.status, 303, "its own");
}

/// A narrowed token opens its scope and nothing else, and one that may not be used opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn narrowed_and_ended_tokens_open_nothing_else_on_any_route() {
    let app = App::start().await;
    let narrowed = app.stranger().with_token(&app.token(World::ADMIN, &["bols:read"]).await);
    let mut ended = Vec::new();
    for (email, change) in [
        (World::ACME, "UPDATE api_tokens SET revoked_at = now()"),
        (
            World::BROKER,
            "UPDATE api_tokens SET created_at = now() - interval '9 days', expires_at = now() - interval '1 day'",
        ),
        (World::COLLEAGUE, "UPDATE api_tokens SET networks = '{203.0.113.0/24}'"),
        (World::OFFICE, "UPDATE users SET active = false"),
    ] {
        let owner = format!("(SELECT id FROM users WHERE email = '{email}')");
        ended.push((email, app.program(email).await));
        let column = if change.contains("api_tokens") { "user_id" } else { "id" };
        app.sql(&format!("{change} WHERE {column} = {owner}")).await;
    }
    for path in paths(&app) {
        let method = if is_open("GET", &path) { "GET" } else { "POST" };
        let answer = ask(&app, &narrowed, method, &path).await;
        let own = ["/api/bols", "/bols/export", "/api/v1/bols", "/api/v1/me", "/api/v1/customers", "/api/openapi.json"];
        let is_its_own = own.iter().any(|start| path.starts_with(start));
        let is_refused = [403, 404, 405].contains(&answer.status);
        assert!(is_its_own || is_refused, "{method} {path}: {}", answer.status);
        for (email, program) in &ended {
            let answer = ask(&app, program, method, &path).await;
            assert_eq!(answer.status, 401, "{email}: {method} {path}");
        }
    }
}

/// A token changes nothing about the session of the browser that it is sent from.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_or_a_logout_with_a_token_does_nothing() {
    let app = App::start().await;
    let acme = app.acme().await;
    let token = app.token(World::RIVAL, &["bols:read"]).await;
    let program = acme.with_token(&token);
    let mark = app.events().await.mark();
    for (path, form) in [
        ("/logout", vec![]),
        ("/login", vec![("email", World::OFFICE), ("password", crate::support::PASSWORD)]),
        ("/account/sessions/end-all", vec![]),
        ("/account/tokens", vec![("name", "x"), ("scope", "bols:read"), ("days", "1"), ("form_key", "k")]),
        ("/account/password?draft=session", vec![("typed.new_password", "x")]),
        ("/people?confirmed", vec![("typed.email", "x@acme.example")]),
        ("/password-reset", vec![("email", World::ACME)]),
    ] {
        let answer = program.post(path, &form).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{path}");
        let challenge = "Bearer error=\"insufficient_scope\"";
        assert_eq!(answer.header("www-authenticate"), challenge, "{path}");
    }
    assert_eq!(acme.get("/bols").await.status, 200, "the session goes on");
    let events = app.events().await.since(mark);
    assert!(events.iter().all(|event| event.action == "TOKEN_REFUSED"), "{:?}", events.actions());
    assert!(app.mails().await.is_empty());
    assert_eq!(program.request(Method::GET, "/").send().await.unwrap().status(), 403);
}
