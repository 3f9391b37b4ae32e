//! The whole way with npm's `oidc-provider`, which the OpenID Foundation has certified.

use fantoccini::Locator;

use super::assert_logged_in;
use crate::support::{Action, App, Browser, OidcProvider, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_logs_a_user_in_and_the_log_says_how() {
    let (provider, app) = OidcProvider::with_portal(&[]).await;
    let actor = app.stranger();
    let page = actor.get("/login?next=/bols").await;
    assert_eq!(page.one("#sso a"), "Log in with Mill ID");
    let button = page.attributes("#sso a", "href").remove(0);
    assert_logged_in(&provider.log_in(&actor, &button, World::ACME).await);
    let events = app.events().await;
    assert_eq!(events.actions(), ["SSO_LINKED", "LOGIN_SUCCEEDED"]);
    let linked = events.single(Action::SsoLinked);
    assert_eq!(
        (linked.email(), linked.detail("subject"), linked.detail("created")),
        (World::ACME, World::ACME.into(), "false".into())
    );
    let login = events.single(Action::LoginSucceeded);
    assert_eq!(
        (login.email(), login.detail("method"), login.detail("issuer")),
        (World::ACME, "sso".into(), provider.url.clone())
    );
    // The user learns of the link by email.
    assert_eq!(app.mail_to(World::ACME).await.purpose, "security");
    // The second login is by the subject, and links nothing.
    let again = app.stranger();
    assert_logged_in(&provider.log_in(&again, "/login/sso?next=/bols", World::ACME).await);
    assert_eq!(app.events().await.only(Action::SsoLinked).len(), 1);
    assert_eq!(app.mails().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_single_sign_on_sees_only_its_own_bols() {
    let (provider, app) = OidcProvider::with_portal(&[]).await;
    let actor = app.stranger();
    assert_logged_in(&provider.log_in(&actor, "/login/sso?next=/bols", World::RIVAL).await);
    let list = actor.get("/bols").await;
    assert!(list.text().contains(World::RIVAL_BOL) && !list.text().contains("sesame"), "{}", list.text());
    assert_eq!(actor.get(&format!("/bols/{}", World::ACME_BOL)).await.status, 404);
    assert_eq!(actor.get("/office").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_creates_an_office_login_with_the_role_of_the_map() {
    let roles = [
        ("OIDC_ROLE_CLAIM", "/application_roles/primetrade/role"),
        ("OIDC_ROLE_MAP", "boss=admin,clerk=office"),
        ("OIDC_CREATE", "True"),
    ];
    let (provider, app) = OidcProvider::with_portal(&roles).await;
    let actor = app.stranger();
    let answer = provider.log_in(&actor, "/login/sso", "pat@terminal.example").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    assert_eq!(actor.get("/office").await.status, 200);
    assert_eq!(actor.get("/office/storage").await.status, 403, "no more than the office");
    assert!(!actor.get("/account").await.text().contains("Change password"), "there is none");
    let user = app.rows("SELECT name, role, password_hash FROM users WHERE email = 'pat@terminal.example'").await;
    assert_eq!(user.len(), 1);
    assert!(user[0].starts_with("Pat Example|office"), "{user:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_offers_the_providers_logout() {
    let (provider, app) = OidcProvider::with_portal(&[]).await;
    let actor = app.stranger();
    assert_logged_in(&provider.log_in(&actor, "/login/sso?next=/bols", World::ACME).await);
    let out = actor.post("/logout", &[]).await;
    assert_eq!((out.status, out.header("location")), (303, "/login?done=here"));
    assert_eq!(actor.get("/bols").await.status, 303);
    let page = actor.get("/login?done=here").await;
    assert!(page.one("[role=status]").contains("Also log out of Mill ID"), "{}", page.text());
    let there = actor.get(&page.attributes("[role=status] a", "href").remove(0)).await;
    assert_eq!(there.status, 303);
    let question = actor.get(there.header("location")).await;
    assert_eq!(question.status, 200, "the provider knows the address to return to: {}", question.text());
    // A session that a password has opened ends here alone.
    let office = app.office().await;
    assert_eq!(office.post("/logout", &[]).await.header("location"), "/login?done=out");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_browser_the_button_leads_to_the_provider_and_back_to_the_page_asked_for() {
    let (provider, app): (OidcProvider, App) = OidcProvider::with_portal(&[]).await;
    let browser = Browser::start(1280, 900).await;
    browser.open(&format!("{}/bols/{}", app.url, World::ACME_BOL)).await;
    browser.click("#sso a").await;
    browser.wait().for_element(Locator::Css("input[name=login]")).await.unwrap();
    assert!(browser.current_url().await.unwrap().as_str().starts_with(&provider.url));
    browser.type_into("input[name=login]", World::ACME).await;
    browser.type_into("input[name=password]", "any").await;
    browser.click("button[type=submit]").await;
    browser.wait().for_element(Locator::Css("input[name=prompt][value=consent]")).await.unwrap();
    browser.click("button[type=submit]").await;
    browser.wait().for_element(Locator::Css(".logout")).await.unwrap();
    let url = browser.current_url().await.unwrap();
    assert_eq!(url.as_str(), format!("{}/bols/{}", app.url, World::ACME_BOL));
    browser.close().await;
}
