//! API tokens: `Authorization: Bearer`.

use reqwest::Method;
use reqwest::header::AUTHORIZATION;

use crate::support::{Action, Actor, Answer, App, Outcome, World};

/// A route for each scope, with a user whose token opens it.
const OPEN: [(&str, &str, &str); 8] = [
    ("bols:read", "/api/bols", World::ACME),
    ("bols:read", "/bols/export?format=csv", World::ACME),
    ("documents:read", "/api/bol/1/download/", World::ACME),
    ("documents:read", "/bols/PRT-2025-0001/download", World::ACME),
    ("documents:read", "/documents/1/download", World::ACME),
    ("documents:read", "/bols/download.zip?number=PRT-2025-0001", World::ACME),
    ("log:read", "/audit/export?format=csv", World::AUDITOR),
    ("log:read", "/audit/export?format=jsonl", World::ADMIN),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_scope_says_and_nothing_else() {
    let app = App::start().await;
    for (scope, path, email) in OPEN {
        let program = app.stranger().with_token(&app.token(email, &[scope]).await);
        let answer = program.get(path).await;
        assert!([200, 303].contains(&answer.status), "{path}: {}", answer.text());
        assert_eq!(answer.header("set-cookie"), "", "{path}");
        assert_eq!(answer.header("ratelimit-limit"), "600", "{path}");
        let other = if scope == "bols:read" { "documents:upload" } else { "bols:read" };
        let program = app.stranger().with_token(&app.token(email, &[other]).await);
        let answer = program.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (403, "application/problem+json"), "{path}");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(answer.header("www-authenticate"), challenge, "{path}");
    }
    let refused = app.events().await.only(Action::TokenRefused);
    assert_eq!(refused.len(), OPEN.len());
    for (event, (scope, path, email)) in refused.iter().zip(OPEN) {
        assert_eq!((event.email(), event.outcome.as_str()), (email, "denied"));
        assert_eq!((event.detail("reason"), event.detail("scope")), ("scope".into(), scope.into()));
        assert_eq!(event.detail("path"), path.split('?').next().unwrap());
        assert_eq!(event.detail["token"]["name"], format!("Token of {email}"));
    }
}

/// Each event of a program names its token, also those that a later step records.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_program_names_its_token() {
    let app = App::start().await;
    let program = app.program(World::ACME).await;
    let link = program.get("/bols/PRT-2025-0001/download").await.header("location").to_owned();
    assert_eq!(app.stranger().get(&link).await.status, 200);
    assert_eq!(program.get("/bols/download.zip?number=PRT-2025-0001").await.status, 200);
    assert_eq!(program.get("/api/bol/3/download/").await.status, 404, "the rival's");
    assert_eq!(program.get("/bols/export?format=csv").await.status, 200);
    let auditor = app.program(World::AUDITOR).await;
    assert_eq!(auditor.get("/audit/export?format=csv").await.status, 200);
    app.events_until(Action::LinkFetched, |events| events.len() == 1).await;
    let events = app.events().await;
    let mut actions = events.actions();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            "ACCESS_DENIED",
            "AUDIT_EXPORTED",
            "AUDIT_EXPORT_BEGUN",
            "BOLS_EXPORTED",
            "BOLS_ZIPPED",
            "BOL_DOWNLOADED",
            "LINK_FETCHED"
        ]
    );
    for event in events.iter() {
        let owner = if event.action.starts_with("AUDIT") { World::AUDITOR } else { World::ACME };
        assert_eq!((event.email(), event.role()), (owner, if owner == World::ACME { "customer" } else { "auditor" }));
        assert_eq!(event.detail["token"]["name"], format!("Token of {owner}"), "{}", event.action);
        assert!(event.detail["token"]["id"].is_i64(), "{}", event.action);
    }
}

async fn with_header(app: &App, actor: &Actor, headers: &[&str]) -> Answer {
    let mut request = actor.request(Method::GET, "/api/bols");
    for header in headers {
        request = request.header(AUTHORIZATION, *header);
    }
    let answer = Answer::of(request).await;
    assert!(app.events().await.only(Action::TokenRefused).is_empty(), "{headers:?} asked the database");
    answer
}

/// The header alone counts: neither a cookie beside it nor a second header helps.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_header_is_refused_without_the_database() {
    let app = App::start().await;
    let acme = app.acme().await;
    let good = format!("Bearer {}", app.token(World::ACME, &["bols:read"]).await);
    assert_eq!(with_header(&app, &app.stranger(), &[&good]).await.status, 200);
    assert_eq!(with_header(&app, &app.stranger(), &[&good.replace("Bearer", "bEARER")]).await.status, 200);
    let last = if good.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &good[..good.len() - 1]);
    let second = format!("{}, {good}", &good);
    for (headers, status, challenge) in [
        (vec![&*mistyped], 401, "Bearer error=\"invalid_token\""),
        (vec!["Bearer abc"], 401, "Bearer error=\"invalid_token\""),
        (vec![&*second], 401, "Bearer error=\"invalid_token\""),
        (vec!["Bearer"], 400, "Bearer error=\"invalid_request\""),
        (vec!["Bearer "], 400, "Bearer error=\"invalid_request\""),
        (vec![""], 400, "Bearer error=\"invalid_request\""),
        (vec![&*good, &*good], 400, "Bearer error=\"invalid_request\""),
        (vec!["Basic YTpi", &*good], 400, "Bearer error=\"invalid_request\""),
        (vec!["Basic YTpi"], 401, "Bearer"),
    ] {
        // With the cookie of a session.
        let answer = with_header(&app, &acme, &headers).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge), "{headers:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{headers:?}");
    }
    assert_eq!(acme.get("/api/bols").await.status, 200, "the session is as it was");
    let stranger = app.stranger().get("/api/bols").await;
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, "Bearer"));
}

/// The cookie of another user opens nothing beside a token, and a form needs no page of this site.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_beside_a_cookie_decides_alone() {
    let app = App::ready_to_issue().await;
    let token = app.token(World::ACME, &["bols:read"]).await;
    let admin = app.user(World::ADMIN).await.with_token(&token);
    let list = admin.get("/api/bols").await.json();
    assert_eq!(list["bols"].as_array().unwrap().len(), 3, "those of the token's owner");
    assert_eq!(admin.get("/audit/export?format=csv").await.status, 403);
    assert_eq!(admin.get("/office").await.status, 403);
    let issuing = app.stranger().with_token(&app.token(World::OFFICE, &["bols:issue"]).await);
    let load = crate::support::Load::today(&app).await.json();
    let foreign = issuing.request(Method::POST, "/api/bol/").header("sec-fetch-site", "cross-site").json(&load);
    let issued = Answer::of(foreign).await;
    assert_eq!(issued.status, 201, "{}", issued.text());
    assert!(issued.json()["pdf_url"].is_null(), "the token may not read documents");
    let created = app.events().await.single(Action::BolCreated);
    assert_eq!(
        (created.email(), &created.detail["token"]["name"]),
        (World::OFFICE, &format!("Token of {}", World::OFFICE).into())
    );
    assert!(app.events().await.with(Outcome::Failed).is_empty());
}
