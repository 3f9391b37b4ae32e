//! The OpenAPI document, the page about it, and what all answers of `/api/v1` have in common.

use reqwest::Method;

use crate::support::{Answer, App, openapi};

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_its_page_are_public_and_agree() {
    let app = App::start().await;
    let stranger = app.stranger();
    let served = stranger.get("/api/openapi.json").await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    assert_eq!(served.json(), openapi::document());
    assert_eq!(served.json()["openapi"], "3.1.0");
    let again = stranger.request(Method::GET, "/api/openapi.json").header("if-none-match", served.header("etag"));
    let again = Answer::of(again).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let page = stranger.get("/api").await;
    let shown = page.attributes("article h3", "id");
    let document = served.json();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(shown.iter().any(|shown| shown == id), "{id}");
    }
    let ids = page.attributes("[id]", "id");
    for link in page.attributes("main a[href^='#']", "href") {
        assert_eq!(ids.iter().filter(|id| **id == link[1..]).count(), 1, "{link}");
    }
    assert_eq!(page.attributes("main script", "src"), Vec::<String>::new(), "it needs no script");
    assert_eq!(app.acme().await.get("/api").await.status, 200);
}

/// Errors are problems whatever the client accepts, and so are those that no handler of ours answers.
#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    let app = App::start().await;
    let (stranger, acme, office) = (app.stranger(), app.acme().await, app.office().await);
    let large = "x".repeat(200 * 1024);
    let get = |path: &str| acme.request(Method::GET, path);
    for (request, status) in [
        (stranger.request(Method::GET, "/api/v1/me"), 401),
        (get("/api/v1/nothing"), 404),
        (get("/api/v1/bols/PRT-2099-0001"), 404),
        (acme.request(Method::DELETE, "/api/v1/me"), 405),
        (get("/api/v1/me").header("content-encoding", "gzip"), 415),
        (get("/api/v1/bols?from=x"), 422),
        (get("/api/v1/bols?from=2025-01-01&from=2025-01-02"), 400),
        (app.auditor().await.request(Method::GET, "/api/v1/bols/PRT-2025-0001"), 403),
        (office.request(Method::POST, "/api/v1/me").body(large), 405),
    ] {
        let answer = Answer::of(request.header("accept", "text/html")).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, "application/problem+json"));
        assert_eq!(answer.json()["status"], status, "{}", answer.text());
    }
    let refused = Answer::of(office.request(Method::PUT, "/api/v1/bols")).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, POST"));
    let wrong = acme.get("/api/v1/bols?from=x&to=y&limit=0&updated_since=yesterday").await;
    let wrong = wrong.json();
    let fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["updated_since", "limit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_learns_who_it_is() {
    let app = App::start().await;
    let me = app.acme().await.get("/api/v1/me").await;
    assert_eq!(me.json()["companies"], serde_json::json!([{"code": "ACME", "name": "Acme Steel"}]));
    assert_eq!(me.json()["role"], "customer");
    let office = app.office().await;
    let me = office.get("/api/v1/me").await;
    assert_eq!((me.json()["role"].as_str(), me.header("cache-control")), (Some("office"), "private, no-cache"));
    for (tag, status) in [(me.header("etag"), 304), ("*", 304), ("\"other\"", 200)] {
        let again = Answer::of(office.request(Method::GET, "/api/v1/me").header("if-none-match", tag)).await;
        assert_eq!(again.status, status, "{tag}");
    }
}
