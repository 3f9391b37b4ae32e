//! Answers that belong to no running login of this browser.

use chrono::TimeDelta;
use serde_json::json;

use super::{assert_logged_in, last_failure, portal, refused};
use crate::support::{Action, Begun};

#[tokio::test(flavor = "multi_thread")]
async fn the_request_has_pkce_and_fresh_secrets_and_the_cookie_is_for_the_portal_alone() {
    let (app, _issuer) = portal(&[]).await;
    let actor = app.stranger();
    let (first, second) = (Begun::by(&actor, "/login/sso").await, Begun::by(&actor, "/login/sso").await);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "portal"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &format!("{}/login/sso/callback", app.url)),
    ] {
        assert_eq!(first.parameters[name], value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert!(first.parameters[name].len() >= 43 && first.parameters[name] != second.parameters[name], "{name}");
    }
    let answer = app.stranger().get("/login/sso").await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("sso=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(cookie.contains("Max-Age=600") && answer.header("cache-control") == "no-store", "{cookie}");
    let kept = app.contents(&["sso_logins"]).await.concat();
    assert!(!kept.contains(first.state()), "only a hash of the state is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once() {
    let (app, issuer) = portal(&[]).await;
    let actor = app.stranger();
    let begun = Begun::by(&actor, "/login/sso?next=/bols").await;
    let path = format!("/login/sso/callback?code={}&state={}", issuer.grant(&begun), begun.state());
    assert_logged_in(&actor.get(&path).await);
    actor.post("/logout", &[]).await;
    // The same answer again, and the same code for another login.
    assert!(refused(&actor, &actor.get(&path).await, 403).await.contains("finished before"));
    let other = Begun::by(&actor, "/login/sso").await;
    let replay = format!("/login/sso/callback?code=code-0&state={}", other.state());
    assert_eq!(refused(&actor, &actor.get(&replay).await, 403).await, "Mill ID takes this login no longer.");
    assert_eq!(last_failure(&app).await.detail("reason"), "code_refused");
    for path in ["/login/sso/callback", "/login/sso/callback?code=x", "/login/sso/callback?code=x&state=y"] {
        refused(&actor, &actor.get(path).await, 403).await;
    }
    assert_eq!(app.events().await.only(Action::LoginFailed).len(), 1, "a made-up state leaves no event");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_another_browser_logs_nobody_in() {
    let (app, issuer) = portal(&[]).await;
    let (attacker, victim) = (app.stranger(), app.stranger());
    // Another login of the victim runs, so that its browser has a cookie too.
    for has_cookie in [false, true] {
        if has_cookie {
            Begun::by(&victim, "/login/sso").await;
        }
        let begun = Begun::by(&attacker, "/login/sso").await;
        let path = format!("/login/sso/callback?code={}&state={}", issuer.grant(&begun), begun.state());
        let headline = refused(&victim, &victim.get(&path).await, 403).await;
        assert_eq!(headline, "This login was begun in another browser.");
        assert_eq!(last_failure(&app).await.detail("reason"), "other_browser");
        // The answer is used up.
        refused(&attacker, &attacker.get(&path).await, 403).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_may_log_in_at_once_and_a_login_lasts_ten_minutes() {
    let (app, issuer) = portal(&[]).await;
    let actor = app.stranger();
    let (first, second) = (Begun::by(&actor, "/login/sso?next=/bols").await, Begun::by(&actor, "/login/sso").await);
    let late = format!("/login/sso/callback?code={}&state={}", issuer.grant(&second), second.state());
    let path = format!("/login/sso/callback?code={}&state={}", issuer.grant(&first), first.state());
    assert_logged_in(&actor.get(&path).await);
    actor.post("/logout", &[]).await;
    app.clock.advance(TimeDelta::minutes(10));
    assert!(refused(&actor, &actor.get(&late).await, 403).await.contains("took too long"));
    Begun::by(&actor, "/login/sso").await;
    Begun::by(&actor, "/login/sso").await;
    app.clock.advance(TimeDelta::minutes(11));
    Begun::by(&actor, "/login/sso").await;
    assert_eq!(app.count("sso_logins").await, 1, "abandoned logins are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_names_another_issuer_is_refused() {
    let (app, issuer) = portal(&[]).await;
    let actor = app.stranger();
    let finish = async |more: &str| {
        let begun = Begun::by(&actor, "/login/sso?next=/bols").await;
        let code = issuer.grant(&begun);
        actor.get(&format!("/login/sso/callback?code={code}&state={}{more}", begun.state())).await
    };
    refused(&actor, &finish("&iss=https://other.example").await, 403).await;
    assert_eq!(last_failure(&app).await.detail("reason"), "id_token_issuer");
    assert_logged_in(&finish(&format!("&iss={}", issuer.url)).await);
    actor.post("/logout", &[]).await;
    // An issuer that announces the parameter always sends it (RFC 9207).
    issuer.says(|says| says.discovery = json!({"authorization_response_iss_parameter_supported": true}));
    app.clock.advance(TimeDelta::minutes(6));
    refused(&actor, &finish("").await, 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_issuer_declines_is_told_apart_and_its_words_are_not_shown() {
    let (app, _issuer) = portal(&[]).await;
    let actor = app.stranger();
    for (error, reason) in [("access_denied", "issuer_access_denied"), ("%3Cb%3EHello", "issuer_error")] {
        let begun = Begun::by(&actor, "/login/sso").await;
        let description = "error_description=%3Cscript%3Ealert(1)%3C/script%3E+call+us";
        let path = format!("/login/sso/callback?error={error}&{description}&state={}", begun.state());
        let answer = actor.get(&path).await;
        assert_eq!(refused(&actor, &answer, 403).await, "Mill ID has not logged you in.");
        assert!(!answer.text().contains("call us") && !answer.text().contains("Hello"), "{}", answer.text());
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(last_failure(&app).await.detail("reason"), reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_answers_fill_neither_the_log_nor_the_table() {
    let (app, _issuer) = portal(&[]).await;
    let actor = app.stranger();
    for n in 0..40 {
        let begun = Begun::by(&actor, "/login/sso").await;
        let answer = actor.get(&format!("/login/sso/callback?error=access_denied&state={}", begun.state())).await;
        assert_eq!(answer.status, 403, "{n}");
    }
    let events = app.events().await;
    let count = |action: &str| events.iter().filter(|event| event.action == action).count();
    assert!((30..40).contains(&count("LOGIN_FAILED")), "{}", count("LOGIN_FAILED"));
    assert!(count("LOGIN_BLOCKED") >= 1, "the first one of a waiting period is recorded");
    for _ in 0..200 {
        Begun::by(&actor, "/login/sso").await;
    }
    assert_eq!(actor.get("/login/sso").await.status, 429);
    assert_eq!(app.count("sso_logins").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn next_stays_on_this_site_through_the_round_trip() {
    let (app, issuer) = portal(&[]).await;
    for (next, expected) in [
        ("/bols?q=sesame", "/bols?q=sesame"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/login/sso/out", "/"),
    ] {
        let actor = app.stranger();
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let begun = Begun::by(&actor, &format!("/login/sso?next={query}")).await;
        let code = issuer.grant(&begun);
        let answer = actor.get(&format!("/login/sso/callback?code={code}&state={}", begun.state())).await;
        assert_eq!((answer.status, answer.header("location")), (303, expected), "{next}");
    }
}
