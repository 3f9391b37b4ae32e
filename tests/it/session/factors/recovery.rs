//! Recovery codes.

use crate::support::{Action, App, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_replaces_the_app_once() {
    let app = App::start().await;
    let (_, codes) = app.acme().await.set_up_app(&app.clock).await;
    assert_eq!(codes.len(), 10);
    let stored = app.rows("SELECT encode(code_hash, 'escape') FROM recovery_codes").await.join(" ");
    assert!(codes.iter().all(|code| !stored.contains(code.as_str())), "codes are stored as hashes");
    let mark = app.events().await.mark();
    let half = app.half(World::ACME).await;
    let typed = codes[3].to_uppercase().replace('-', " ");
    let done = half.post("/login/factor", &[("code", ""), ("recovery_code", &typed)]).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
    let events = app.events().await.since(mark);
    assert_eq!(events.single(Action::RecoveryCodeUsed).detail("left"), "9");
    assert_eq!(events.single(Action::LoginSucceeded).detail("method"), "pwd+recovery");
    assert!(half.get("/account/factors").await.text().contains("9 of 10 left"));
    let half = app.half(World::ACME).await;
    let again = half.post("/login/factor", &[("recovery_code", &codes[3])]).await;
    assert_eq!(again.status, 422);
    assert_eq!(again.attributes("details[open]", "class"), ["more"], "its field stays open");
    assert!(again.one("#problem").contains("recovery code doesn’t fit, or was used before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_recovery_code_one_succeeds() {
    let app = App::start().await;
    let (_, codes) = app.acme().await.set_up_app(&app.clock).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(app.half(World::ACME).await);
    }
    let mark = app.events().await.mark();
    let sent = (0..100).map(|n| {
        let (actor, code) = (sessions[n % 4].clone(), codes[0].clone());
        tokio::spawn(async move { actor.post("/login/factor", &[("recovery_code", &code)]).await.status })
    });
    for answer in sent.collect::<Vec<_>>() {
        assert!([303, 422, 429].contains(&answer.await.unwrap()));
    }
    app.events().await.since(mark).single(Action::LoginSucceeded);
    app.events().await.since(mark).single(Action::RecoveryCodeUsed);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_codes_replace_the_earlier_ones() {
    let app = App::start().await;
    let acme = app.acme().await;
    assert_eq!(acme.send("/account/factors/recovery-codes", &[]).await.header("location"), "/account/factors");
    let (_, before) = acme.set_up_app(&app.clock).await;
    let after = acme.send("/account/factors/recovery-codes", &[]).await.all(".codes code");
    assert_eq!(after.len(), 10);
    let half = app.half(World::ACME).await;
    assert_eq!(half.post("/login/factor", &[("recovery_code", &before[0])]).await.status, 422);
    assert_eq!(half.post("/login/factor", &[("recovery_code", &after[0])]).await.status, 303);
}
