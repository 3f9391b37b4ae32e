//! Browsers that are not asked for the second factor.

use chrono::TimeDelta;

use crate::support::{Action, Actor, App, PASSWORD, Phone, World};

/// Logs in with the app, in a browser that is to be remembered.
async fn remembered(app: &App, email: &str, phone: &Phone) -> Actor {
    let actor = app.half(email).await;
    let done = actor.post("/login/factor", &[("code", &phone.next_code()), ("remember", "true")]).await;
    assert_eq!(done.status, 303);
    let event = app.events().await.only(Action::DeviceRemembered).last().cloned();
    assert!(email == World::ADMIN || event.is_some_and(|event| event.email() == email && event.detail("days") == "30"));
    actor
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_device_is_not_asked_for_thirty_days() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let acme = remembered(&app, World::ACME, &phone).await;
    app.clock.advance(TimeDelta::days(29));
    let mark = app.events().await.mark();
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/");
    let login = app.events().await.since(mark).single(Action::LoginSucceeded);
    assert_eq!(login.detail("method"), "pwd+device");
    // The device has proven nothing today: a sensitive page asks.
    assert_eq!(acme.get("/account/factors/app").await.status, 403);
    assert_eq!(app.stranger().give_password(World::ACME).await.header("location"), "/login/factor");
    app.clock.advance(TimeDelta::days(1));
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/login/factor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_can_be_forgotten_by_its_user_alone_and_by_a_new_password() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let acme = remembered(&app, World::ACME, &phone).await;
    assert_eq!(acme.get("/account/factors").await.all("#devices + table tbody tr").len(), 1);
    let rival = app.rival().await;
    assert_eq!(rival.post("/account/factors/devices/forget", &[("id", "1")]).await.status, 303);
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/", "not by another user");
    // The cookie is worth nothing for another login.
    rival.set_up_app(&app.clock).await;
    assert_eq!(acme.give_password(World::RIVAL).await.header("location"), "/login/factor");
    let acme = remembered(&app, World::ACME, &phone).await;
    let id = acme.get("/account/factors").await.attributes("input[name=id]", "value").remove(0);
    assert_eq!(app.events().await.only(Action::DeviceForgotten).len(), 0, "another user forgets nothing");
    acme.post("/account/factors/devices/forget", &[("id", &id)]).await;
    let forgotten = app.events().await.single(Action::DeviceForgotten);
    assert_eq!((forgotten.email(), forgotten.detail("id")), (World::ACME, id.clone()));
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/login/factor");
    let acme = remembered(&app, World::ACME, &phone).await;
    acme.post("/account/sessions/end-all", &[]).await;
    assert_eq!(acme.give_password(World::ACME).await.header("location"), "/login/factor", "logged out everywhere");
    let acme = remembered(&app, World::ACME, &phone).await;
    let new = "a-new-password-for-the-river-4";
    let form = [("current_password", PASSWORD), ("new_password", new), ("repeat_password", new)];
    assert_eq!(acme.post("/account/password", &form).await.status, 303);
    let again = acme.post("/login", &[("email", World::ACME), ("password", new)]).await;
    assert_eq!(again.header("location"), "/login/factor");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_always_asked() {
    let app = App::start().await;
    let (phone, _) = app.user(World::ADMIN).await.set_up_app(&app.clock).await;
    assert_eq!(app.half(World::ADMIN).await.get("/login/factor").await.all("#remember").len(), 0);
    let admin = remembered(&app, World::ADMIN, &phone).await;
    assert_eq!(admin.give_password(World::ADMIN).await.header("location"), "/login/factor");
    assert_eq!(app.count("remembered_devices").await, 0);
}
