//! Roles that have to use single sign-on, and what the login page says to them.

use reqwest::Method;

use super::{assert_logged_in, claims, last_failure, portal, refused};
use crate::support::{Action, Answer, App, PASSWORD, World, primetrade};

const REQUIRED: [(&str, &str); 1] = [("OIDC_REQUIRED_FOR", "office,admin")];

#[tokio::test(flavor = "multi_thread")]
async fn a_required_role_learns_of_it_only_after_the_right_password() {
    let (app, issuer) = portal(&REQUIRED).await;
    let try_password = async |email: &str, password: &str| {
        app.stranger().post("/login", &[("email", email), ("password", password), ("next", "/office")]).await
    };
    let wrong = try_password(World::OFFICE, "not the password at all").await;
    let unknown = try_password("nobody@nowhere.example", "not the password at all").await;
    let text = |answer: &Answer, email: &str| answer.text().replace(email, "[address]");
    assert_eq!((wrong.status, text(&wrong, World::OFFICE)), (422, text(&unknown, "nobody@nowhere.example")));
    let right = try_password(World::OFFICE, PASSWORD).await;
    assert_eq!(
        (right.status, right.one("#problem h2, #problem p:first-of-type")),
        (403, "Your login uses Mill ID instead of a password.".into())
    );
    assert_eq!(right.attributes("#sso a", "href"), ["/login/sso?next=%2Foffice"]);
    let event = last_failure(&app).await;
    assert_eq!(
        (event.email(), event.detail("reason"), event.detail("method")),
        (World::OFFICE, "sso_required".into(), "pwd".into())
    );
    // Other roles still use their password.
    app.acme().await;
    app.auditor().await;
    issuer.person(claims(World::OFFICE));
    let actor = app.stranger();
    assert_logged_in(&issuer.log_in(&actor).await);
    assert_eq!(actor.get("/office").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_session_of_a_required_role_ends_with_the_rule() {
    let (mut app, _issuer) = portal(&[]).await;
    let (office, acme) = (app.office().await, app.acme().await);
    assert_eq!(office.get("/office").await.status, 200);
    let stricter = app.second_with(&REQUIRED).await;
    assert_eq!(office.at(&stricter).get("/office").await.status, 303);
    assert_eq!(acme.at(&stricter).get("/bols").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_links_of_a_required_role_set_no_password() {
    let (app, issuer) = portal(&REQUIRED).await;
    let new = app.new_user("pat@terminal.example").create().await;
    app.sql(&format!("UPDATE users SET password_hash = NULL WHERE id = {new}")).await;
    let output = primetrade(app.environment(), &["user", "invite", "pat@terminal.example"], "").await;
    let hint = String::from_utf8(output.stderr).unwrap();
    assert!(hint.contains("the link leads to Mill ID"), "{hint}");
    let link = String::from_utf8(output.stdout).unwrap();
    let path = link.trim().strip_prefix("http://127.0.0.1:0").unwrap().to_owned();
    let actor = app.stranger();
    let page = actor.get(&path).await;
    assert_eq!((page.status, page.one("h1")), (200, "You need no password".into()));
    assert_eq!(page.attributes(".login a.button", "href"), ["/login/sso"]);
    let token = path.rsplit('=').next().unwrap();
    let chosen = "four barges upstream 1851";
    let form = [("token", token), ("new_password", chosen), ("repeat_password", chosen)];
    let answer = actor.post("/invitation", &form).await;
    assert_eq!((answer.status, answer.one("h1")), (403, "You need no password".into()));
    assert_eq!(app.count("users WHERE email = 'pat@terminal.example' AND password_hash IS NULL").await, 1);
    issuer.person(claims("pat@terminal.example"));
    assert_logged_in(&issuer.log_in(&actor).await);
    assert_eq!(app.events().await.only(Action::PasswordChanged).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_to_a_required_role_name_the_issuer_instead_of_a_password() {
    let (app, _issuer) = portal(&[("OIDC_REQUIRED_FOR", "office")]).await;
    let (new, admin) = ("pat@terminal.example", app.user(World::ADMIN).await);
    let form = [("email", new), ("name", "Pat Example"), ("role", "office")];
    admin.expect_saved("/office/users", &form, "/office/users?done=invited").await;
    let page = admin.get("/office/users?done=invited").await;
    assert_eq!(page.one("[role=status]"), "Invited. An email says how to log in.");
    let mail = app.mail_to(new).await;
    assert_eq!((mail.purpose.as_str(), mail.letter["issuer"].as_str()), ("invitation", Some("Mill ID")));
    let form = [("email", "jo@terminal.example"), ("name", "Jo Example"), ("role", "auditor")];
    admin.expect_saved("/office/users", &form, "/office/users?done=invited").await;
    assert!(app.mail_to("jo@terminal.example").await.letter["issuer"].is_null(), "auditors have a password");
    app.stranger().post("/password-reset", &[("email", World::OFFICE)]).await;
    let mail = app.mail_to(World::OFFICE).await;
    assert_eq!((mail.purpose.as_str(), mail.letter["issuer"].as_str()), ("reset", Some("Mill ID")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_form_survives_a_login_in_another_tab() {
    let (app, issuer) = portal(&[]).await;
    issuer.person(claims(World::OFFICE));
    let office = app.office().await;
    app.sql("DELETE FROM sessions").await;
    let send = async |path: &str, form: &[(&str, &str)]| {
        let request = office.request(Method::POST, path).header("accept", "text/html").form(form);
        Answer::of(request.header("sec-fetch-site", "same-origin")).await
    };
    let page = send("/office/carriers", &[("name", "Ohio Haulers"), ("scac", "OHHA")]).await;
    assert_eq!(page.status, 401);
    assert_eq!(page.attributes("#sso a", "target"), ["_blank"]);
    let action = page.attributes("#sso form", "action").remove(0);
    let fields = [("typed.name", "Ohio Haulers"), ("typed.scac", "OHHA")];
    assert_eq!(page.attributes("#sso form input[type=hidden]", "value"), ["Ohio Haulers", "OHHA"]);
    // Too early: the form is still kept.
    let early = send(&action, &fields).await;
    assert_eq!((early.status, early.attributes("#sso form", "action")), (401, vec![action.clone()]));
    assert_logged_in(&issuer.log_in(&office).await);
    let again = send(&action, &fields).await;
    assert_eq!(again.status, 200);
    assert!(
        again.text().contains("value=\"Ohio Haulers\"") && again.text().contains("Not saved yet"),
        "{}",
        again.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_issuer_there_is_no_button_and_no_address() {
    let app = App::start().await;
    let page = app.stranger().get("/login?done=here").await;
    assert!(page.all("#sso").is_empty() && !page.text().contains("Also log out"), "{}", page.text());
    for path in ["/login/sso", "/login/sso/callback?code=x&state=y", "/login/sso/out"] {
        assert_eq!(app.stranger().get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_login_replaces_the_session_of_the_browser() {
    let (app, issuer) = portal(&[]).await;
    let office = app.office().await;
    let answer = office.get("/login/sso?next=/bols").await;
    assert_eq!(answer.header("location"), "/bols", "a logged-in user is led on");
    office.post("/logout", &[]).await;
    assert_logged_in(&issuer.log_in(&office).await);
    let cookies = office.get("/account").await;
    assert!(cookies.text().contains(World::ACME), "{}", cookies.text());
    let actor = app.stranger();
    refused(&actor, &actor.get("/login/sso/callback?state=x&code=y").await, 403).await;
}
