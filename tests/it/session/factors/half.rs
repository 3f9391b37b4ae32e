//! Between the password and the second factor, a session can do nothing else.

use chrono::TimeDelta;
use reqwest::Method;

use crate::support::{Actor, Answer, App, World};

/// What a request of this client gets: the status, and where it leads.
async fn answer(actor: &Actor, method: &Method, path: &str) -> (u16, String) {
    let request = actor.request(method.clone(), path).header("accept", "text/html");
    let answer = Answer::of(if method == Method::POST { request.form(&[("id", "1")]) } else { request }).await;
    (answer.status, answer.header("location").to_owned())
}

/// Every route of the table, with each method.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_session_gets_what_a_stranger_gets_on_every_route() {
    let app = App::start_with(&[("MFA_GRACE_DAYS", "0")]).await;
    app.acme().await.set_up_app(&app.clock).await;
    let enrolling = app.stranger();
    assert_eq!(enrolling.give_password(World::ADMIN).await.header("location"), "/login/enroll");
    let stranger = app.stranger();
    let own = ["/login", "/login/factor", "/login/enroll", "/logout"];
    // The passkey as the second factor, or as a new one.
    let is_own =
        |path: &str| own.contains(&path) || own[1..3].iter().any(|own| path.starts_with(&format!("{own}/passkey")));
    let routes = include_str!("../../../../src/web/routes.rs");
    let mut tried = 0;
    for half in [app.half(World::ACME).await, enrolling] {
        for template in routes.split('"').skip(1).step_by(2).filter(|path| path.starts_with('/')) {
            if is_own(template) {
                continue;
            }
            let path = template.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            for method in [Method::GET, Method::POST] {
                let expected = answer(&stranger, &method, &path).await;
                assert_eq!(answer(&half, &method, &path).await, expected, "{method} {path}");
                tried += 1;
            }
        }
    }
    assert!(tried > 250, "{tried}");
    let logins = app.events().await.iter().filter(|event| event.action == "LOGIN_SUCCEEDED").count();
    assert_eq!(logins, 1, "only the one that set up the app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_session_can_set_up_no_other_app_and_ends_after_ten_minutes() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let half = app.half(World::ACME).await;
    for method in [Method::GET, Method::POST] {
        let (status, to) = answer(&half, &method, "/login/enroll").await;
        assert_eq!((status, to.as_str()), (303, "/login/factor"), "{method}");
    }
    assert_eq!(app.rows("SELECT 1 FROM totp_secrets WHERE NOT is_confirmed").await.len(), 0);
    app.clock.advance(TimeDelta::minutes(10));
    let late = half.send("/login/factor", &[("code", &phone.code())]).await;
    assert_eq!((late.status, late.header("location")), (303, "/login"));
    // Logging out ends one that waits, and leaves no event of a login.
    let half = app.half(World::ACME).await;
    half.post("/logout", &[]).await;
    assert_eq!(half.get("/login/factor").await.header("location"), "/login?next=%2Flogin%2Ffactor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_form_survives_the_second_factor() {
    let app = App::ready_to_issue().await;
    let office = app.office().await;
    let (phone, _) = office.set_up_app(&app.clock).await;
    app.sql("DELETE FROM sessions").await;
    let page = office.send("/office/settings/days", &[("unsigned_days", "3"), ("collect_days", "4")]).await;
    assert_eq!(page.status, 401);
    let draft = [("draft", "/office/settings/days"), ("typed.unsigned_days", "3"), ("typed.collect_days", "4")];
    let login = [&[("email", World::OFFICE), ("password", crate::support::PASSWORD)], &draft[..]].concat();
    let next = office.send("/login", &login).await;
    assert_eq!((next.status, next.header("location")), (307, "/login/factor"));
    let page = office.send("/login/factor", &login).await;
    assert_eq!(page.attributes("input[name='typed.collect_days']", "value"), ["4"]);
    let wrong = office.send("/login/factor", &[&[("code", "000000")], &draft[..]].concat()).await;
    assert_eq!(wrong.attributes("input[name='typed.collect_days']", "value"), ["4"], "also after a wrong code");
    let code = phone.next_code();
    let done = office.send("/login/factor", &[&[("code", code.as_str())], &draft[..]].concat()).await;
    assert_eq!((done.status, done.header("location")), (307, "/office/settings/days?draft=session"));
}
