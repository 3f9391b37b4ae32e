//! Tokens at every operation of `/api/v1`: each needs the scope that the OpenAPI document names.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Action, Actor, Answer, App, World, openapi};

/// Method, path and scope of every operation, with ids of the sample data. None of the requests has a body.
fn operations(app: &App) -> Vec<(Method, String, Option<String>)> {
    let document = openapi::document();
    let mut found = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let path = template.replace("{number}", World::ACME_BOL).replace("{kind}", "invoice");
        let path = path.replace("{id}", &app.world.loose_document.to_string());
        for (method, operation) in item.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            let token = security.iter().find_map(|way| way.get("token")).unwrap_or(&Value::Null);
            let scope = token[0].as_str().map(String::from);
            found.push((method.to_uppercase().parse().unwrap(), path.clone(), scope));
        }
    }
    found
}

async fn status(actor: &Actor, method: &Method, path: &str) -> Answer {
    Answer::of(actor.request(method.clone(), path)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_needs_the_scope_of_the_operation_and_no_other() {
    let app = App::start_with(&[("MFA_REQUIRED_FOR", "none")]).await;
    let all = ["bols:read", "documents:read", "bols:issue", "documents:upload", "log:read"];
    let mut programs = Vec::new();
    for scope in all {
        let others: Vec<&str> = all.into_iter().filter(|other| *other != scope).collect();
        let with = app.stranger().with_token(&app.token(World::ADMIN, &[scope]).await);
        let without = app.stranger().with_token(&app.token(World::ADMIN, &others).await);
        programs.push((scope, with, without));
    }
    let operations = operations(&app);
    assert!(operations.len() >= 15 && operations.iter().filter(|(.., scope)| scope.is_none()).count() == 1);
    for (method, path, scope) in operations {
        let Some(scope) = scope else { continue };
        let (_, with, without) = programs.iter().find(|(name, ..)| *name == scope).unwrap();
        let refused = status(without, &method, &path).await;
        let challenge = refused.header("www-authenticate");
        assert_eq!(refused.status, 403, "{method} {path}");
        assert!(challenge.contains("insufficient_scope") && challenge.contains(&scope), "{method} {path}: {challenge}");
        let admitted = status(with, &method, &path).await;
        assert!(![401, 403].contains(&admitted.status), "{method} {path}: {}", admitted.text());
        assert!(
            admitted.headers.contains_key("ratelimit-limit") || admitted.headers.contains_key("ratelimit"),
            "{path}"
        );
    }
    assert_eq!(app.events().await.only(Action::BolVoided).len(), 0, "requests without a body change nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_as_its_owner_and_says_so_in_the_log() {
    let app = App::start().await;
    let (acme, rival) = (app.program(World::ACME).await, app.program(World::RIVAL).await);
    let me = acme.get("/api/v1/me").await.json();
    assert_eq!((&me["email"], &me["token"]["scopes"][0]), (&World::ACME.into(), &"bols:read".into()));
    assert!(me["token"]["requests_per_minute"].as_i64().unwrap() > 0);
    let path = format!("/api/v1/bols/{}", World::ACME_BOL);
    assert_eq!(acme.get(&path).await.status, 200);
    let viewed = app.events().await.single(Action::BolViewed);
    assert_eq!((viewed.email(), &viewed.detail["token"]["name"]), (World::ACME, &me["token"]["name"]));
    assert_eq!(rival.get(&path).await.status, 404);
    let link = format!("{path}/documents/bol/link");
    assert_eq!(
        (status(&acme, &Method::POST, &link).await.status, status(&rival, &Method::POST, &link).await.status),
        (200, 404)
    );
    assert_eq!(acme.get("/api/v1/customers").await.status, 403, "its owner may not");
    assert_eq!(acme.get("/api/openapi.json").await.status, 200, "public, with a token too");
    let wrong = app.stranger().with_token("ptk_nonsense");
    assert_eq!(wrong.get("/api/v1/me").await.status, 401);
}
