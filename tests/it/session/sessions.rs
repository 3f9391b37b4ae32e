//! Sessions end at once, and on every server.

use chrono::TimeDelta;
use reqwest::Method;

use crate::support::{Answer, App, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_counts_on_every_server_and_ends_on_all() {
    let mut app = App::start().await;
    let second = app.second().await;
    let here = app.acme().await;
    let there = here.at(&second);
    assert_eq!(there.get("/bols").await.status, 200);
    let answer = there.post("/logout", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login?done=out"));
    assert_eq!(answer.header("clear-site-data"), "\"cache\"");
    assert_eq!(here.get("/bols").await.header("location"), "/login?next=%2Fbols");
    assert_eq!(app.events().await.actions(), ["LOGIN_SUCCEEDED", "LOGOUT"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_replaces_the_session_token() {
    let app = App::start().await;
    let actor = app.acme().await;
    // An attacker may hold a copy of the old cookie.
    let before = app.sessions().await;
    let actor = actor.log_in(World::COLLEAGUE, PASSWORD).await;
    let after = app.sessions().await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before[0].token_hash, after[0].token_hash);
    assert!(actor.get("/account").await.text().contains(World::COLLEAGUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_have_an_idle_and_an_absolute_limit() {
    let app = App::start().await;
    let idle = app.acme().await;
    app.clock.advance(TimeDelta::hours(11));
    assert_eq!(idle.get("/bols").await.status, 200);
    app.clock.advance(TimeDelta::hours(11));
    assert_eq!(idle.get("/bols").await.status, 200, "seen 11 hours ago");
    app.clock.advance(TimeDelta::hours(13));
    assert_eq!(idle.get("/bols").await.status, 303, "seen 13 hours ago");
    let busy = app.acme().await;
    for _ in 0..16 {
        app.clock.advance(TimeDelta::hours(10));
        assert_eq!(busy.get("/bols").await.status, 200);
    }
    app.clock.advance(TimeDelta::hours(9));
    assert_eq!(busy.get("/bols").await.status, 303, "more than seven days old");
    app.clock.advance(TimeDelta::hours(4));
    app.acme().await;
    assert_eq!(app.count("sessions").await, 1, "those that are over are swept away");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_a_user_or_its_membership_counts_at_the_next_request() {
    let app = App::start().await;
    let (acme, broker) = (app.acme().await, app.user(World::BROKER).await);
    let url = format!("/bols/{}", World::ACME_BOL);
    assert_eq!(broker.get(&url).await.status, 200);
    app.sql("DELETE FROM memberships m USING users u, customers c WHERE u.id = m.user_id AND c.id = m.customer_id AND u.email = 'broker@both.example' AND c.code = 'ACME'").await;
    assert_eq!(broker.get(&url).await.status, 404);
    assert_eq!(broker.get(&format!("/bols/{}", World::RIVAL_BOL)).await.status, 200);
    app.sql("UPDATE users SET active = false WHERE email = 'buyer@acme.example'").await;
    assert_eq!(acme.get("/bols").await.status, 303);
    assert_eq!(acme.get("/api/bols").await.status, 401);
    app.sql("DELETE FROM memberships m USING users u WHERE u.id = m.user_id AND u.email = 'broker@both.example'").await;
    let list = broker.get("/bols").await;
    assert_eq!((list.status, list.one("div.empty h2")), (200, "No bills of lading yet.".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_or_made_up_cookie_is_no_session() {
    let app = App::start().await;
    app.acme().await;
    for cookie in ["sessionid=x", "sessionid=", "sessionid=%00", &format!("sessionid={}", "a".repeat(64))] {
        let request = app.stranger().request(reqwest::Method::GET, "/bols").header("cookie", cookie);
        assert_eq!(crate::support::Answer::of(request).await.status, 303, "{cookie}");
    }
}

/// Logs in and returns the cookies of the browser, as a thief copies them.
async fn cookies_of(app: &App, email: &str) -> String {
    let login = app.stranger().post("/login", &[("email", email), ("password", PASSWORD)]).await;
    cookies(&login)
}

fn cookies(answer: &Answer) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    cookies.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

async fn send(app: &App, cookies: &str, method: Method, path: &str, form: &[(&str, &str)]) -> Answer {
    Answer::of(app.stranger().request(method, path).header("cookie", cookies).form(form)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_copy_of_the_token_dies_when_the_session_changes() {
    let app = App::start().await;
    const NEW: &str = "six red barges under the bridge";
    let password = [("current_password", PASSWORD), ("new_password", NEW), ("repeat_password", NEW)];
    for (email, path, form) in
        [(World::OFFICE, "/office/customers/ACME/see-as", &[][..]), (World::ACME, "/account/password", &password[..])]
    {
        let stolen = cookies_of(&app, email).await;
        assert_eq!(send(&app, &stolen, Method::GET, "/account", &[]).await.status, 200);
        let changed = send(&app, &stolen, Method::POST, path, form).await;
        assert_eq!(changed.status, 303, "{}", changed.text());
        let renewed = cookies(&changed);
        assert!(renewed.contains("sessionid="), "{renewed}");
        assert_eq!(send(&app, &renewed, Method::GET, "/account", &[]).await.status, 200);
        assert_eq!(send(&app, &stolen, Method::GET, "/account", &[]).await.status, 303, "{path}");
        if email == World::OFFICE {
            let ended = send(&app, &renewed, Method::POST, "/see-as/end", &[]).await;
            assert_eq!(send(&app, &renewed, Method::GET, "/account", &[]).await.status, 303, "the end changes it too");
            assert_eq!(send(&app, &cookies(&ended), Method::GET, "/account", &[]).await.status, 200);
        }
    }
}
