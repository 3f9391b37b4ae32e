//! A challenge is good once, for two minutes, and for the session or the browser that asked.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;

use super::{
    ADD, ADD_OPTIONS, LOGIN, LOGIN_OPTIONS, add, ask, assert_refused, log_in, options, origin, portal, register,
};
use crate::support::soft_key::SoftKey;
use crate::support::{Action, Actor, Answer, Issuer, PASSWORD, World};

const EXPIRED: &str = "the portal’s question had expired";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_once() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let begun = options(&acme, ADD_OPTIONS).await;
    let key = SoftKey::new(&begun);
    register(&app, &acme, "Phone", &begun, &key).await;
    let again = key.register(&key.registration(&begun, &origin(&app)));
    assert_refused(&acme.post(ADD, &[("name", "x"), ("passkey", &again)]).await, EXPIRED);
    let (mut key, stranger) = (key, app.stranger());
    let begun = options(&stranger, LOGIN_OPTIONS).await;
    let answer = key.answer(&begun, &origin(&app));
    let answer = key.sign(&answer);
    assert_eq!(stranger.post(LOGIN, &[("passkey", &answer)]).await.status, 303);
    assert_refused(&stranger.post(LOGIN, &[("passkey", &answer)]).await, EXPIRED);
    // Neither does an answer that was refused leave its challenge for another try.
    let begun = options(&stranger, LOGIN_OPTIONS).await;
    let mut wrong = key.answer(&begun, &origin(&app));
    wrong.client_data["origin"] = "https://evil.example".into();
    assert_eq!(stranger.post(LOGIN, &[("passkey", &key.sign(&wrong))]).await.status, 422);
    let right = key.answer(&begun, &origin(&app));
    assert_refused(&stranger.post(LOGIN, &[("passkey", &key.sign(&right))]).await, EXPIRED);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_uses_at_once_one_succeeds() {
    let app = portal(&[("DATABASE_POOL_SIZE", "16")]).await;
    let acme = app.acme().await;
    let mut key = add(&app, &acme, "Phone").await;
    let stranger = app.stranger();
    let answer = key.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
    let answer = Arc::new(key.sign(&answer));
    let uses = join_all((0..100).map(|_| {
        let (stranger, answer) = (stranger.clone(), answer.clone());
        async move { stranger.post(LOGIN, &[("passkey", &answer)]).await.status }
    }))
    .await;
    let count = |status: u16| uses.iter().filter(|each| **each == status).count();
    assert_eq!(count(303), 1, "{uses:?}");
    assert_eq!(count(303) + count(422) + count(429), 100, "{uses:?}");
    assert_eq!(app.sessions().await.len(), 2, "that of the password, and one more");
    assert_eq!(app.events().await.only(Action::LoginSucceeded).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_refused_and_its_challenge_swept() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let mut key = add(&app, &acme, "Phone").await;
    let stranger = app.stranger();
    for (wait, status) in [(119, 303), (121, 422)] {
        let answer = key.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
        app.clock.advance(TimeDelta::seconds(wait));
        assert_eq!(stranger.post(LOGIN, &[("passkey", &key.sign(&answer))]).await.status, status, "{wait} s");
    }
    let begun = options(&acme, ADD_OPTIONS).await;
    app.clock.advance(TimeDelta::seconds(121));
    let new = SoftKey::new(&begun);
    let late = new.register(&new.registration(&begun, &origin(&app)));
    assert_refused(&acme.post(ADD, &[("name", "x"), ("passkey", &late)]).await, EXPIRED);
    assert_eq!(app.rows("SELECT 1 FROM passkey_ceremonies").await.len(), 1);
    options(&stranger, LOGIN_OPTIONS).await;
    assert_eq!(app.rows("SELECT 1 FROM passkey_ceremonies").await.len(), 1, "the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_browser_or_session_can_not_answer() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let mut key = add(&app, &acme, "Phone").await;
    let again = app.stranger();
    assert_eq!(log_in(&app, &again, &mut key).await.status, 303);
    let (asked, other) = (app.stranger(), app.stranger());
    options(&other, LOGIN_OPTIONS).await;
    let answer = key.answer(&options(&asked, LOGIN_OPTIONS).await, &origin(&app));
    let answer = key.sign(&answer);
    for actor in [&other, &app.stranger(), &acme] {
        assert_refused(&actor.post(LOGIN, &[("passkey", &answer)]).await, EXPIRED);
    }
    assert_eq!(asked.post(LOGIN, &[("passkey", &answer)]).await.status, 303, "it is still good where it was asked");
    // The same login in another session, another login, and another purpose.
    let begun = options(&acme, ADD_OPTIONS).await;
    let new = SoftKey::new(&begun);
    let registration = new.register(&new.registration(&begun, &origin(&app)));
    for actor in [&again, &app.rival().await] {
        assert_refused(&actor.post(ADD, &[("name", "x"), ("passkey", &registration)]).await, EXPIRED);
    }
    let confirmation = key.answer(&options(&acme, "/confirm/passkey/options").await, &origin(&app));
    assert_refused(&acme.post(LOGIN, &[("passkey", &key.sign(&confirmation))]).await, EXPIRED);
    let login = key.answer(&options(&acme, LOGIN_OPTIONS).await, &origin(&app));
    assert_refused(&acme.post("/confirm", &[("passkey", &key.sign(&login))]).await, EXPIRED);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_table_of_challenges() {
    let app = portal(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let acme = app.acme().await;
    for _ in 0..10 {
        options(&acme, ADD_OPTIONS).await;
    }
    let refused = ask(&acme, ADD_OPTIONS).await;
    assert_eq!(refused.status, 429);
    assert!(refused.json()["detail"].as_str().unwrap().contains("Try again in 2 minutes"), "{}", refused.text());
    let from = async |address: &str| {
        let request = app.stranger().request(reqwest::Method::POST, LOGIN_OPTIONS);
        Answer::of(request.header("x-forwarded-for", address)).await.status
    };
    for n in 0..200 {
        // The /64 of one household.
        assert_eq!(from(&format!("2001:db8::{n:x}")).await, 200, "{n}");
    }
    assert_eq!(from("2001:db8::ffff:1").await, 429);
    assert_eq!(from("2001:db8:0:1::1").await, 200, "another network");
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(from("2001:db8::1").await, 200);
    assert_eq!(app.rows("SELECT 1 FROM passkey_ceremonies").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_slowed_and_delay_no_password() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let wrong = async |key: &mut SoftKey, actor: &Actor| {
        let mut answer = key.answer(&options(actor, LOGIN_OPTIONS).await, &origin(&app));
        answer.client_data["origin"] = "https://evil.example".into();
        actor.post(LOGIN, &[("passkey", &key.sign(&answer))]).await.status
    };
    let stranger = app.stranger();
    for _ in 0..5 {
        assert_eq!(wrong(&mut key, &stranger).await, 422);
    }
    let refused = log_in(&app, &stranger, &mut key).await;
    assert_eq!(refused.status, 429);
    assert!(refused.one("#problem").contains("Too many attempts. Try again in"), "{}", refused.text());
    assert!(!refused.header("retry-after").is_empty());
    let blocked = app.events().await.single(Action::LoginBlocked);
    assert_eq!((blocked.email(), blocked.detail("method")), (World::ACME, "passkey".to_owned()));
    assert_eq!(stranger.post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await.status, 303);
    app.clock.advance(TimeDelta::seconds(31));
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_active_login_gets_in() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let id = app.user_id(World::ACME).await;
    app.sql(&format!("UPDATE users SET active = false WHERE id = {id}")).await;
    assert_refused(&log_in(&app, &app.stranger(), &mut key).await, "The portal doesn’t accept this passkey");
    app.sql(&format!("UPDATE users SET active = true WHERE id = {id}")).await;
    let stranger = app.stranger();
    assert_eq!(log_in(&app, &stranger, &mut key).await.status, 303);
    assert_eq!(stranger.get("/bols").await.status, 200);
}

/// As after a right password, whose session would end at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_has_to_use_single_sign_on_uses_no_passkey() {
    let mut app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let issuer = Issuer::start().await;
    let stricter = app.second_with(&issuer.environment(&[("OIDC_REQUIRED_FOR", "customer")])).await;
    let stranger = app.stranger().at(&stricter);
    let begun = options(&stranger, LOGIN_OPTIONS).await;
    let answer = key.answer(&begun, &stricter.replace("127.0.0.1", "localhost"));
    let refused = stranger.post(LOGIN, &[("passkey", &key.sign(&answer))]).await;
    assert_refused(&refused, "Your login uses single sign-on");
    assert!(refused.attributes("#email", "aria-invalid").is_empty(), "nothing is wrong with what was typed");
    let failed = app.events().await.single(Action::LoginFailed);
    assert_eq!((failed.email(), failed.detail("reason")), (World::ACME, "sso_required".to_owned()));
}
