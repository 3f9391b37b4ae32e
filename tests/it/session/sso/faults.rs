//! An issuer that is away, slow, lies or answers nonsense.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use super::{assert_logged_in, claims, last_failure, portal, refused};
use crate::support::{Actor, App, Begun, IssuerError, Program, World, primetrade, run, with_variables};

const DISCOVERY: &str = "/.well-known/openid-configuration";

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_answers_nonsense_gives_a_page_with_the_password_as_way_out() {
    let (app, issuer) = portal(&[]).await;
    let faults = [
        IssuerError::Huge,
        IssuerError::Page(200),
        IssuerError::Page(502),
        IssuerError::Redirect("/elsewhere"),
        IssuerError::Lost,
    ];
    for fault in faults {
        issuer.says(|says| says.errors = [(DISCOVERY, fault)].into());
        let actor = app.stranger();
        let answer = actor.get("/login/sso?next=/bols").await;
        assert_eq!(refused(&actor, &answer, 503).await, "Mill ID doesn’t answer as it should.", "{fault:?}");
        assert_eq!(answer.attributes(".aside a", "href")[0], "/login?next=%2Fbols");
        assert_eq!(answer.header("retry-after"), "60");
        app.clock.advance(TimeDelta::minutes(1));
        for path in ["/token", "/jwks", "/userinfo"] {
            issuer.person(json!({"sub": "sub-1"}));
            issuer.says(|says| says.errors = [(path, fault)].into());
            refused(&actor, &issuer.log_in(&actor).await, 503).await;
            let event = last_failure(&app).await;
            assert_eq!((event.detail("reason"), event.outcome.as_str()), ("issuer_unavailable".into(), "failed"));
            // Longer than any document is kept.
            app.clock.advance(TimeDelta::minutes(16));
        }
    }
    issuer.person(claims(World::ACME));
    issuer.says(|says| says.errors.clear());
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_issuer_is_given_up_after_ten_seconds_and_others_do_not_wait_in_line() {
    let (app, issuer) = portal(&[]).await;
    issuer.says(|says| says.errors = [(DISCOVERY, IssuerError::Slow(Duration::from_secs(60)))].into());
    let started = Instant::now();
    let actors: Vec<_> = (0..10).map(|_| app.stranger()).collect();
    let answers = futures_util::future::join_all(actors.iter().map(|actor| actor.get("/login/sso"))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    let took = started.elapsed();
    assert!((9..15).contains(&took.as_secs()), "{took:?}");
    assert_eq!(issuer.asked(DISCOVERY), 1);
    // The password works all the time.
    app.office().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_and_one_that_lies_log_nobody_in() {
    let (app, issuer) = portal(&[]).await;
    for discovery in [
        json!({"issuer": "https://other.example"}),
        json!({"issuer": format!("{}/", issuer.url)}),
        json!({"issuer": null}),
        json!({"token_endpoint": "http://other.example/token"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"jwks_uri": null}),
    ] {
        issuer.says(|says| says.discovery = discovery.clone());
        let actor = app.stranger();
        refused(&actor, &actor.get("/login/sso").await, 503).await;
        app.clock.advance(TimeDelta::minutes(1));
    }
    issuer.says(|says| says.discovery = json!({}));
    let actor = app.stranger();
    let begun = Begun::by(&actor, "/login/sso").await;
    let code = issuer.grant(&begun);
    drop(issuer);
    tokio::time::sleep(Duration::from_millis(100)).await;
    app.clock.advance(TimeDelta::minutes(6));
    let answer = actor.get(&format!("/login/sso/callback?code={code}&state={}", begun.state())).await;
    refused(&actor, &answer, 503).await;
    refused(&actor, &actor.get("/login/sso").await, 503).await;
    let out = actor.get("/login/sso/out").await;
    assert_eq!((out.status, out.one("h1")), (503, "Mill ID doesn’t answer right now.".into()));
    app.office().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_addresses_replace_those_of_the_discovery() {
    let (app, issuer) = portal(&[]).await;
    let all = ["authorize", "token", "jwks"].map(|path| format!("{}/{path}", issuer.url));
    issuer.says(|says| says.errors = [(DISCOVERY, IssuerError::Page(404))].into());
    drop(app);
    let more = [("OIDC_AUTHORIZATION_URL", all[0].as_str()), ("OIDC_TOKEN_URL", &all[1]), ("OIDC_JWKS_URL", &all[2])];
    let app = App::start_with(&issuer.environment(&more)).await;
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    assert_eq!(issuer.asked(DISCOVERY), 0);
    let out = app.stranger().get("/login/sso/out").await;
    assert_eq!((out.status, out.one("h1")), (200, "You are still logged in at Mill ID.".into()));
    // The secret in the form, for issuers that take it only there.
    issuer.says(|says| {
        says.errors.clear();
        says.discovery = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    });
    let app = App::start_with(&issuer.environment(&[])).await;
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_log_holds_no_code_no_token_and_no_secret() {
    let (app, issuer) = portal(&[("RUST_LOG", "trace")]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let mut program = Program::start(folder.path(), app.environment(), &["serve"]);
    let actor = Actor::new(&program.address().await);
    let begun = Begun::by(&actor, "/login/sso?next=/bols").await;
    let code = issuer.grant(&begun);
    let path = format!("/login/sso/callback?code={code}&state={}", begun.state());
    assert_logged_in(&actor.get(&path).await);
    assert_eq!(actor.get(&path).await.status, 403);
    issuer.says(|says| says.errors = [("/token", IssuerError::Page(500))].into());
    assert_eq!(issuer.log_in(&app.stranger().at(&app.url)).await.status, 503);
    program.signal(rustix::process::Signal::TERM);
    let (_, log) = program.end().await;
    assert!(log.contains("/login/sso/callback"), "{log}");
    let [state, nonce] = [begun.state(), &begun.parameters["nonce"]];
    for secret in [&code, state, nonce, "s3cret", "opaque", "eyJ"] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_whether_the_discovery_works() {
    let (app, issuer) = portal(&[("PUBLIC_URL", "https://portal.example")]).await;
    let environment = app.environment().to_vec();
    let (_, stdout, stderr) = run(&environment, &["check"]).await;
    let line =
        stdout.lines().find(|line| line.contains("single sign-on")).unwrap_or_else(|| panic!("{stdout}{stderr}"));
    assert!(line.starts_with("ok") && line.contains("https://portal.example/login/sso/callback"), "{line}");
    issuer.says(|says| says.discovery = json!({"issuer": "https://other.example"}));
    let (code, stdout, _) = run(&environment, &["check"]).await;
    assert!(code != 0 && stdout.contains("FAIL  single sign-on  discovery names the issuer"), "{stdout}");
    let without = with_variables(environment, &[("OIDC_ISSUER", "http://issuer.example")]);
    let output = primetrade(&without, &["check"], "").await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("OIDC_ISSUER: found \"http://issuer.example\""), "{stderr}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
}
