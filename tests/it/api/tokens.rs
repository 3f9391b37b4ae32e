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
    ] {
        // With the cookie of a session.
        let answer = with_header(&app, &acme, &headers).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, challenge), "{headers:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{headers:?}");
    }
    assert_eq!(acme.get("/api/bols").await.status, 200, "the session is as it was");
    // What a proxy in front of the portal asked for is not for the portal.
    assert_eq!(with_header(&app, &acme, &["Basic YTpi"]).await.status, 200);
    assert_eq!(with_header(&app, &app.stranger(), &["Basic YTpi"]).await.status, 401);
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

/// Revocation, expiry and everything about the owner count at the next request, on every server.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_itself_or_its_owner_on_every_server() {
    let mut app = App::start().await;
    let second = app.second().await;
    let mut answers = std::collections::BTreeSet::new();
    for (change, back, reason) in [
        ("UPDATE api_tokens SET revoked_at = now()", "UPDATE api_tokens SET revoked_at = NULL", "revoked"),
        (
            "UPDATE api_tokens SET created_at = now() - interval '2 days', expires_at = now() - interval '1 second'",
            "UPDATE api_tokens SET expires_at = now() + interval '9 days'",
            "expired",
        ),
        ("UPDATE users SET active = false", "UPDATE users SET active = true", "disabled"),
        (
            "CREATE TABLE kept AS SELECT * FROM memberships; DELETE FROM memberships",
            "INSERT INTO memberships SELECT * FROM kept",
            "no_company",
        ),
        (
            "UPDATE customers SET factor_required = true; UPDATE users SET factor_due_at = now()",
            "UPDATE users SET factor_due_at = NULL",
            "factor_overdue",
        ),
        (
            "UPDATE api_tokens SET networks = '{203.0.113.0/24,2001:db8::/32}'",
            "UPDATE api_tokens SET networks = '{10.0.0.0/8,127.0.0.1/32}'",
            "network",
        ),
    ] {
        let program = app.program(World::ACME).await;
        assert_eq!(program.get("/api/bols").await.status, 200, "{reason}");
        app.sql(change).await;
        for server in [&app.url.clone(), &second] {
            let mark = app.events().await.mark();
            let answer = program.at(server).get("/api/bols").await;
            let challenge = "Bearer error=\"invalid_token\"";
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, challenge), "{reason}");
            let answer = answer.json();
            answers.insert(format!("{} {}", answer["title"], answer["detail"]));
            let refused = app.events().await.since(mark).single(Action::TokenRefused);
            assert_eq!((refused.detail("reason"), refused.email()), (reason.into(), World::ACME));
            assert_eq!(refused.detail["token"]["name"], format!("Token of {}", World::ACME));
        }
        app.sql(back).await;
        assert_eq!(program.at(&second).get("/api/bols").await.status, 200, "after {reason}");
    }
    assert_eq!(answers.len(), 1, "the log alone says why: {answers:?}");
    // A company that is made inactive: as for a person, the list is empty.
    let program = app.program(World::ACME).await;
    app.sql("UPDATE customers SET active = false").await;
    assert_eq!(program.get("/api/bols").await.json()["bols"], serde_json::json!([]));
    assert_eq!(program.get("/api/bol/1/download/").await.status, 404);
}

/// 600 requests a minute on all servers together. A refused request counts nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_count_the_requests_of_a_token_together() {
    let mut app = App::start().await;
    let second = app.second().await;
    let (program, other) = (app.program(World::ACME).await, app.program(World::ACME).await);
    let first = program.get("/api/bols").await;
    assert_eq!((first.header("ratelimit-limit"), first.header("ratelimit-remaining")), ("600", "599"));
    let reset: u32 = first.header("ratelimit-reset").parse().unwrap();
    assert!((1..=60).contains(&reset), "{reset}");
    // 595 more, without the time that they take. Another minute may have begun since.
    app.sql("UPDATE api_token_rates SET requests = 596").await;
    let mut statuses = Vec::new();
    for server in [&second, &app.url.clone(), &second, &app.url.clone(), &second, &app.url.clone()] {
        let answer = program.at(server).get("/api/bols").await;
        statuses.push((answer.status, answer.header("ratelimit-remaining").to_owned()));
        if answer.status == 429 {
            let wait: u32 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
    let remaining: Vec<&str> = statuses.iter().map(|(_, remaining)| remaining.as_str()).collect();
    if remaining[0] == "3" {
        assert_eq!(remaining, ["3", "2", "1", "0", "0", "0"]);
        assert_eq!(statuses.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 200, 200, 429, 429]);
    }
    assert_eq!(other.get("/api/bols").await.status, 200, "each token for itself");
    app.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(program.get("/api/bols").await.header("ratelimit-remaining"), "599");
    assert!(app.events().await.only(Action::TokenRefused).is_empty(), "a limit is no event");
}

/// In the path or the query, encoded or not, on every route: refused, and revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_url_is_revoked() {
    let app = App::start().await;
    let acme = app.acme().await;
    for path in [
        "/bols?q={}",
        "/api/bols?access_token={}",
        "/bols/{}",
        "/healthz?x={}",
        "/login?next=/{}",
        "/files/{}",
        "/{}",
        "/static/{}",
    ] {
        for encoded in [false, true] {
            let token = app.token(World::ACME, &["bols:read"]).await;
            let shown: String =
                if encoded { token.bytes().map(|byte| format!("%{byte:02X}")).collect() } else { token.clone() };
            let mark = app.events().await.mark();
            let answer = app.stranger().get(&path.replace("{}", &shown)).await;
            assert_eq!((answer.status, answer.header("content-type")), (401, "application/problem+json"), "{path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{path}");
            let revoked = app.events().await.since(mark).single(Action::TokenRevoked);
            assert_eq!(
                (revoked.email(), revoked.detail("reason"), revoked.detail("owner")),
                ("portal", "in_url".into(), World::ACME.into())
            );
            let program = app.stranger().with_token(&token);
            assert_eq!(program.get("/api/bols").await.status, 401, "{path}");
            // A second time there is nothing left to revoke.
            assert_eq!(acme.get(&path.replace("{}", &shown)).await.status, 401, "{path}");
        }
    }
    // One email for each token, to its owner.
    let revoked = app.events().await.only(Action::TokenRevoked).len();
    let mails = app.mails().await.into_iter().filter(|mail| mail.purpose == "token-exposed");
    let readers: Vec<String> = mails.map(|mail| mail.to_address).collect();
    assert_eq!(readers, vec![World::ACME; revoked]);
    let everything = app.rows("SELECT e::text FROM audit_events e").await.join("\n");
    assert!(!everything.contains("ptk_") && !everything.contains("%70%74%6B"), "{everything}");
}

/// Anyone can make up a token with a right checksum, and cause no flood of events.
#[tokio::test(flavor = "multi_thread")]
async fn refused_tokens_leave_a_bounded_number_of_events() {
    let app = App::start().await;
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..50 {
        let token = primetrade::accounts::api_tokens::ApiToken::generate().unwrap();
        let answer = app.stranger().with_token(token.as_str()).get("/api/bols").await;
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert!(statuses[&401] >= 30 && statuses[&429] > 5, "{statuses:?}");
    let unknown = app.events().await.only(Action::TokenRefused);
    assert!((30..36).contains(&unknown.len()), "{}", unknown.len());
    assert!(unknown.iter().all(|event| event.email() == "-" && event.user_id.is_none()));
    assert_eq!(unknown.last().unwrap().detail("too_many"), "true");
    // A valid token at the same address is not held up, and neither is a log-in.
    let program = app.program(World::ACME).await;
    assert_eq!(program.get("/api/bols").await.status, 200);
    app.acme().await;
    // One that exists is refused without end, but not recorded without end.
    app.sql("UPDATE api_tokens SET revoked_at = now()").await;
    for _ in 0..40 {
        assert_eq!(program.get("/api/bols").await.status, 401);
    }
    let known = app.events().await.only(Action::TokenRefused).filter(|event| event.email() == World::ACME);
    assert!((30..36).contains(&known.len()), "{}", known.len());
}
