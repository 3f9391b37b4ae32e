//! Changes that need a fresh proof of who the user is.

use chrono::TimeDelta;

use crate::support::{Action, App, PASSWORD, World};

const DAYS: [(&str, &str); 2] = [("unsigned_days", "3"), ("collect_days", "4")];

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_carried_out_after_the_password_was_given_again() {
    let app = App::start().await;
    let office = app.office().await;
    assert_eq!(office.send("/office/settings/days", &DAYS).await.status, 303, "the login is fresh");
    app.clock.advance(TimeDelta::minutes(10));
    let days = [("unsigned_days", "5"), ("collect_days", "6")];
    // Programs get a plain refusal.
    assert_eq!(office.post("/office/settings/days", &days).await.status, 403);
    let page = office.send("/office/settings/days", &days).await;
    assert_eq!((page.status, page.one("h1")), (403, "Confirm that it’s you".into()));
    assert_eq!(page.attributes("form[action='/confirm'] input[name='typed.collect_days']", "value"), ["6"]);
    let user = page.attributes("input[name=user]", "value").remove(0);
    let typed = [
        ("draft", "/office/settings/days"),
        ("user", &user),
        ("typed.unsigned_days", "5"),
        ("typed.collect_days", "6"),
    ];
    // A form of another user is not carried out.
    let other = app.user(World::ADMIN).await.send("/confirm", &[&[("password", PASSWORD)], &typed[..]].concat()).await;
    assert_eq!((other.status, other.header("location")), (303, "/office/settings?done=other-user"));
    let wrong = office.send("/confirm", &[&[("password", "not my password at all")], &typed[..]].concat()).await;
    assert_eq!((wrong.status, wrong.one("#problem li")), (422, "That isn’t your password.".into()));
    assert_eq!(wrong.attributes("input[name='typed.unsigned_days']", "value"), ["5"], "nothing typed is lost");
    let mark = app.events().await.mark();
    let form = [&[("password", PASSWORD)], &typed[..]].concat();
    let right = office.send("/confirm", &form).await;
    assert_eq!((right.status, right.header("location")), (307, "/office/settings/days?confirmed"));
    let saved = office.send("/office/settings/days?confirmed", &form).await;
    assert_eq!((saved.status, saved.header("location")), (303, "/office/settings?done=days"));
    assert_eq!(app.rows("SELECT unsigned_days || '/' || collect_days FROM settings").await, ["5/6"]);
    let step_up = app.events().await.since(mark).single(Action::StepUp);
    assert_eq!((step_up.email(), step_up.detail("factor")), (World::OFFICE, "pwd".into()));
    // The proof lasts, and without one the address does nothing else than ask.
    assert_eq!(office.send("/office/settings/days", &DAYS).await.status, 303);
    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(office.send("/office/settings/days?confirmed", &form).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_an_app_confirms_with_its_code_and_not_with_the_password() {
    let app = App::start().await;
    let admin = app.user(World::ADMIN).await;
    let (phone, codes) = admin.set_up_app(&app.clock).await;
    app.clock.advance(TimeDelta::minutes(10));
    let page = admin.request(reqwest::Method::GET, "/account/factors/app").header("accept", "text/html");
    let page = crate::support::Answer::of(page).await;
    assert_eq!((page.status, page.header("location")), (303, "/confirm?next=%2Faccount%2Ffactors%2Fapp"));
    let page = admin.get("/confirm?next=%2Faccount%2Ffactors%2Fapp").await;
    assert_eq!((page.all("#code").len(), page.all("#password").len()), (1, 0));
    let next = ("next", "/account/factors/app");
    assert_eq!(admin.send("/confirm", &[("password", PASSWORD), next]).await.status, 422);
    let done = admin.send("/confirm", &[("code", &phone.next_code()), next]).await;
    assert_eq!((done.status, done.header("location")), (303, "/account/factors/app"));
    assert_eq!(admin.get("/account/factors/app").await.status, 200);
    assert_eq!(admin.get("/confirm?next=//evil.example").await.header("location"), "/", "nothing to confirm");
    app.clock.advance(TimeDelta::minutes(10));
    let done = admin.send("/confirm", &[("recovery_code", &codes[0]), ("next", "//evil.example")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
}

/// Each of these, ten minutes after the login.
#[tokio::test(flavor = "multi_thread")]
async fn every_sensitive_change_asks() {
    let app = App::start().await;
    app.sql("UPDATE memberships SET is_admin = true").await;
    let (admin, acme) = (app.user(World::ADMIN).await, app.acme().await);
    app.clock.advance(TimeDelta::minutes(10));
    for path in [
        "/office/users",
        "/office/users/1/disable",
        "/office/users/1/join",
        "/office/users/1/admin",
        "/office/users/1/reset-factors",
        "/office/settings",
        "/office/settings/days",
        "/office/settings/security",
        "/office/settings/originals",
        "/office/settings/unusual",
        "/office/storage/prices",
        "/office/customers/ACME/see-as",
        "/office/customers/ACME/second-factor",
        "/account/factors/app",
        "/account/factors/app/remove",
        "/account/factors/recovery-codes",
    ] {
        let page = admin.send(path, &[("customer_id", "1")]).await;
        assert_eq!((page.status, page.one("h1")), (403, "Confirm that it’s you".into()), "{path}");
    }
    for path in ["/people", "/people/1/leave", "/people/1/admin", "/people/second-factor", "/account/factors/app"] {
        let page = acme.send(path, &[("customer", "ACME"), ("customer_id", "1")]).await;
        assert_eq!((page.status, page.one("h1")), (403, "Confirm that it’s you".into()), "{path}");
    }
    assert_eq!(admin.get("/audit/pack?number=PRT-2025-0001&pdfs=1").await.status, 403);
    assert_eq!(admin.get("/audit/pack?number=PRT-2025-0001&pdfs=0").await.status, 422, "nothing is sealed yet");
    assert_eq!(app.rows("SELECT 1 FROM users WHERE NOT active AND email <> 'gone@acme.example'").await.len(), 0);
}
