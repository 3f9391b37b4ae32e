//! Sessions end at once, and on every server.

use chrono::TimeDelta;

use crate::support::{App, PASSWORD, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_counts_on_every_server_and_ends_on_all() {
    let mut app = App::start().await;
    let second = app.second().await;
    let here = app.acme().await;
    let there = here.at(&second);
    assert_eq!(there.get("/bols").await.status, 200);
    let answer = there.post("/logout", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login"));
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
