//! Who must have a second factor, and by when.

use chrono::TimeDelta;

use crate::support::{Action, App, PASSWORD, Phone, World};

#[tokio::test(flavor = "multi_thread")]
async fn staff_must_have_a_factor_after_the_days_of_grace() {
    let app = App::start().await;
    let office = app.office().await;
    assert!(office.get("/account").await.text().contains("Required from "));
    assert_eq!(app.acme().await.get("/account").await.all(".facts").len(), 1, "customers choose themselves");
    app.clock.advance(TimeDelta::days(13));
    let office = app.office().await;
    assert_eq!(office.get("/office").await.status, 200);
    // The grace ends within a session, which then sets one up, and can do nothing else.
    app.clock.advance(TimeDelta::hours(11));
    assert_eq!(office.get("/office").await.status, 200);
    app.clock.advance(TimeDelta::hours(11));
    office.get("/office").await;
    app.clock.advance(TimeDelta::hours(3));
    assert_eq!(office.get("/office").await.header("location"), "/login?next=%2Foffice");
    // An old session proves too little to set up a factor: the password is asked for first.
    assert_eq!(office.get("/login?next=%2Foffice").await.status, 200);
    assert_eq!(office.give_password(World::OFFICE).await.header("location"), "/login/enroll");
    assert_eq!(app.acme().await.get("/bols").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_grace_sets_up_an_app_on_the_spot() {
    let app = App::start_with(&[("MFA_GRACE_DAYS", "0"), ("MFA_REQUIRED_FOR", "auditor")]).await;
    assert_eq!(app.office().await.get("/office").await.status, 200, "not required");
    let auditor = app.stranger();
    let form = [("email", World::AUDITOR), ("password", PASSWORD), ("next", "/audit?q=sesame")];
    let to = auditor.post("/login", &form).await.header("location").to_owned();
    assert_eq!(to, "/login/enroll?next=%2Faudit%3Fq%3Dsesame");
    let page = auditor.get(&to).await;
    let phone = Phone::scan(&page, &app.clock);
    let wrong = auditor.send("/login/enroll", &[("code", "000000"), ("next", "/audit?q=sesame")]).await;
    assert_eq!((wrong.status, wrong.one("#secret")), (422, page.one("#secret")));
    let done = auditor.send("/login/enroll", &[("code", &phone.code()), ("next", "/audit?q=sesame")]).await;
    assert_eq!(done.all(".codes code").len(), 10);
    assert_eq!(done.attributes(".login .primary", "href"), ["/audit?q=sesame"]);
    assert_eq!(auditor.get("/audit?q=sesame").await.status, 200);
    let login = app.events().await.iter().rev().find(|event| event.action == "LOGIN_SUCCEEDED").cloned().unwrap();
    assert_eq!((login.email(), login.detail("method")), (World::AUDITOR, "pwd+otp".into()));
    // Removing it gives no second time of grace.
    assert_eq!(auditor.send("/account/factors/app/remove", &[]).await.status, 303);
    assert_eq!(auditor.get("/audit").await.header("location"), "/login?next=%2Faudit");
    assert_eq!(app.stranger().give_password(World::AUDITOR).await.header("location"), "/login/enroll");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_and_a_companys_administrator_require_it_of_one_company() {
    let app = App::start_with(&[("MFA_GRACE_DAYS", "0"), ("MFA_REQUIRED_FOR", "none")]).await;
    let office = app.office().await;
    let answer = office.post("/office/customers/ACME/second-factor", &[("required", "true")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/office/customers/ACME?done=factor"));
    let changed = app.events().await.iter().rev().find(|event| event.action == "CUSTOMER_CHANGED").cloned().unwrap();
    assert_eq!((changed.customer(), changed.after("factor_required")), ("ACME", "true".into()));
    for email in [World::ACME, World::BROKER] {
        assert_eq!(app.stranger().give_password(email).await.header("location"), "/login/enroll", "{email}");
    }
    assert_eq!(app.stranger().give_password(World::RIVAL).await.header("location"), "/");
    assert_eq!(app.rival().await.post("/office/customers/RIVAL/second-factor", &[]).await.status, 403);
    office.post("/office/customers/ACME/second-factor", &[]).await;
    let colleague = async || {
        app.sql(&format!(
            "UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE email = '{}')",
            World::COLLEAGUE
        ))
        .await;
        app.user(World::COLLEAGUE).await
    };
    let colleague = colleague().await;
    assert_eq!(
        colleague.post("/people/second-factor", &[("customer", "RIVAL"), ("required", "true")]).await.status,
        404
    );
    let own = colleague.post("/people/second-factor", &[("customer", "ACME"), ("required", "true")]).await;
    assert_eq!((own.status, own.header("location")), (303, "/people?done=factor"));
    assert_eq!(app.stranger().give_password(World::ACME).await.header("location"), "/login/enroll");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_sets_a_password_replaces_no_second_factor() {
    let app = App::start_with(&[("MFA_GRACE_DAYS", "0")]).await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let link = async |email: &str| {
        let (code, out, err) = crate::support::run(&app.environment().to_vec(), &["user", "invite", email]).await;
        assert_eq!(code, 0, "{err}");
        out.trim().rsplit_once("token=").unwrap().1.to_owned()
    };
    let new = "a-new-password-for-the-river-4";
    let accept = async |token: &str| {
        let actor = app.stranger();
        let form = [("token", token), ("new_password", new), ("repeat_password", new)];
        let to = actor.post("/invitation", &form).await.header("location").to_owned();
        (actor, to)
    };
    let (acme, to) = accept(&link(World::ACME).await).await;
    assert_eq!((to.as_str(), acme.get("/bols").await.status), ("/login/factor", 303));
    assert_eq!(acme.post("/login/factor", &[("code", &phone.next_code())]).await.status, 303);
    let (admin, to) = accept(&link(World::ADMIN).await).await;
    assert_eq!((to.as_str(), admin.get("/office").await.status), ("/login/enroll", 303));
    let succeeded = app.events().await.iter().filter(|event| event.action == Action::LoginSucceeded.as_str()).count();
    assert_eq!(succeeded, 2, "the first login of ACME, and the one with the code");
}
