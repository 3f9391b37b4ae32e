//! Whom the issuer's word logs in: linked and verified people, and nobody else.

use serde_json::{Value, json};

use super::{assert_logged_in, claims, last_failure, portal, refused};
use crate::support::{Action, World, run};

const ROLES: [(&str, &str); 2] =
    [("OIDC_ROLE_CLAIM", "/roles"), ("OIDC_ROLE_MAP", "boss=admin,clerk=office,buyer=customer")];

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_issuer_has_not_verified_links_nothing() {
    let (app, issuer) = portal(&[]).await;
    for verified in [json!(false), json!("true"), json!(1), Value::Null] {
        let mut person = claims(World::ACME);
        person["email_verified"] = verified.clone();
        issuer.person(person);
        let actor = app.stranger();
        let answer = issuer.log_in(&actor).await;
        assert_eq!(refused(&actor, &answer, 403).await, "Mill ID doesn’t confirm your email address.", "{verified}");
        let event = last_failure(&app).await;
        assert_eq!((event.email(), event.detail("reason")), (World::ACME, "email_not_verified".into()));
        assert_eq!(event.detail("subject"), format!("sub-{}", World::ACME));
    }
    // What Microsoft Entra ID says instead, as a text.
    issuer.person(json!({"sub": "sub-1", "email": World::ACME, "xms_edov": "true"}));
    let actor = app.stranger();
    refused(&actor, &issuer.log_in(&actor).await, 403).await;
    for email in [json!(""), json!("no address"), json!(7), Value::Null] {
        issuer.person(json!({"sub": "sub-1", "email": email, "email_verified": true}));
        issuer.says(|says| says.userinfo = json!({"sub": "sub-1"}));
        let actor = app.stranger();
        refused(&actor, &issuer.log_in(&actor).await, 403).await;
    }
    assert_eq!(app.count("sso_identities").await, 0);
    // Once linked, the subject counts, whatever the address is.
    issuer.person(claims(World::ACME));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    issuer.person(json!({"sub": format!("sub-{}", World::ACME), "email": World::RIVAL, "email_verified": true}));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    let login = app.events().await.only(Action::LoginSucceeded);
    assert_eq!(login.list(|event| event.email()), [World::ACME, World::ACME]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_linked_login_is_of_no_use_to_another_subject_until_it_is_unlinked() {
    let (app, issuer) = portal(&[]).await;
    let linked = app.stranger();
    assert_logged_in(&issuer.log_in(&linked).await);
    let mut other = claims(World::ACME);
    other["sub"] = json!("sub of somebody else");
    issuer.person(other);
    let actor = app.stranger();
    let headline = refused(&actor, &issuer.log_in(&actor).await, 403).await;
    assert!(headline.contains("belongs to another person"), "{headline}");
    assert_eq!(last_failure(&app).await.detail("reason"), "linked_to_another");
    let environment = app.environment().to_vec();
    let (code, stdout, stderr) = run(&environment, &["user", "unlink-sso", World::ACME]).await;
    assert_eq!((code, stdout.contains("unlinked")), (0, true), "{stderr}");
    assert_eq!(linked.get("/bols").await.status, 303, "its sessions have ended");
    assert_eq!(app.events().await.single(Action::SsoUnlinked).detail("email"), World::ACME);
    assert_logged_in(&issuer.log_in(&actor).await);
    let (code, stdout, _) = run(&environment, &["user", "unlink-sso", World::OFFICE]).await;
    assert_eq!((code, stdout.trim()), (0, "clerk@terminal.example is not linked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_a_login_asks_for_its_second_factor() {
    let (app, issuer) = portal(&[]).await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    issuer.person(claims(World::ACME));
    let actor = app.stranger();
    let linked = issuer.log_in(&actor).await;
    assert_eq!((linked.status, linked.header("location")), (303, "/login/factor?next=%2Fbols"));
    assert_eq!(actor.get("/bols").await.status, 303, "the address alone opens nothing");
    assert_eq!(actor.post("/login/factor", &[("code", &phone.next_code())]).await.status, 303);
    assert_eq!(actor.get("/bols").await.status, 200);
    let login = app.events().await.iter().rev().find(|event| event.action == "LOGIN_SUCCEEDED").cloned().unwrap();
    assert_eq!(login.detail("method"), "sso+otp");
    // From then on, the issuer answers for its people.
    let again = app.stranger();
    assert_logged_in(&issuer.log_in(&again).await);
    // Without a fresh login at the issuer, nothing sensitive is done.
    assert_eq!(again.get("/account/factors/app").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_unknown_people_learn_what_to_do() {
    let (app, issuer) = portal(&[]).await;
    for (email, headline, reason) in [
        (World::DISABLED, "Your login is disabled.", "disabled"),
        ("nobody@nowhere.example", "The portal has no login with your address.", "no_login"),
    ] {
        issuer.person(claims(email));
        let actor = app.stranger();
        assert_eq!(refused(&actor, &issuer.log_in(&actor).await, 403).await, headline);
        assert_eq!(last_failure(&app).await.detail("reason"), reason);
    }
    // A linked login that is disabled later.
    issuer.person(claims(World::ACME));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    app.sql("UPDATE users SET active = false WHERE email = 'buyer@acme.example'").await;
    let actor = app.stranger();
    assert_eq!(refused(&actor, &issuer.log_in(&actor).await, 403).await, "Your login is disabled.");
    assert_eq!(app.count("sso_identities").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_created_only_with_a_role_of_the_map_and_never_for_a_customer() {
    let (app, issuer) = portal(&[ROLES.as_slice(), &[("OIDC_CREATE", "True")]].concat()).await;
    let person = |roles: Value| json!({"sub": "sub-7", "email": "Pat@Terminal.example", "email_verified": true, "name": "<b>", "roles": roles});
    for (roles, reason) in [
        (json!(["guest"]), "no_role"),
        (json!("Boss"), "no_role"),
        (json!({"boss": true}), "no_role"),
        (Value::Null, "no_role"),
        (json!("buyer"), "no_company"),
    ] {
        issuer.person(person(roles.clone()));
        issuer.says(|says| says.userinfo = json!({"sub": "sub-7"}));
        let actor = app.stranger();
        refused(&actor, &issuer.log_in(&actor).await, 403).await;
        assert_eq!(last_failure(&app).await.detail("reason"), reason, "{roles}");
    }
    assert_eq!(app.count("users WHERE email ILIKE 'pat@%'").await, 0);
    issuer.person(person(json!(["clerk", "guest"])));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    let created = app.rows("SELECT email, name, role FROM users WHERE email ILIKE 'pat@%'").await;
    assert_eq!(created, ["Pat@terminal.example|Pat|office"]);
    let events = app.events().await;
    assert_eq!(events.single(Action::UserInvited).detail("by"), "sso");
    assert_eq!(events.single(Action::SsoLinked).detail("created"), "true");
    // A token that says more later raises nobody.
    issuer.person(person(json!("boss")));
    let actor = app.stranger();
    assert_logged_in(&issuer.log_in(&actor).await);
    assert_eq!(actor.get("/office/storage").await.status, 403);
    let login = app.events().await.only(Action::LoginSucceeded);
    assert_eq!(login.list(|event| event.detail("claimed_role")), ["office", "admin"]);
}

/// The address of an administrator may have been given to another person.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_whom_the_issuer_knows_by_another_role_is_not_linked() {
    let (app, issuer) = portal(&ROLES).await;
    let mut person = claims(World::ADMIN);
    person["roles"] = json!("clerk");
    issuer.person(person.clone());
    let actor = app.stranger();
    let headline = refused(&actor, &issuer.log_in(&actor).await, 403).await;
    assert_eq!(headline, "Mill ID doesn’t know you as an administrator of the portal.");
    let event = last_failure(&app).await;
    assert_eq!((event.email(), event.detail("reason")), (World::ADMIN, "another_role".into()));
    assert_eq!(app.count("sso_identities").await, 0);
    person["roles"] = json!(["clerk", "boss"]);
    issuer.person(person);
    let linked = issuer.log_in(&actor).await;
    assert_eq!((linked.status, linked.header("location")), (303, "/bols"), "{}", linked.text());
    assert_eq!(app.count("sso_identities").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_a_role_at_the_issuer_is_refused_and_the_stored_role_counts() {
    let (app, issuer) = portal(&ROLES).await;
    let person = |role: &str| {
        let mut person = claims(World::OFFICE);
        person["roles"] = json!(role);
        person
    };
    issuer.person(person("guest"));
    let actor = app.stranger();
    let headline = refused(&actor, &issuer.log_in(&actor).await, 403).await;
    assert_eq!(headline, "Mill ID gives you no role in the portal.");
    issuer.person(person("boss"));
    assert_logged_in(&issuer.log_in(&actor).await);
    assert_eq!((actor.get("/office").await.status, actor.get("/office/storage").await.status), (200, 403));
    // Without OIDC_CREATE, nobody is created.
    let mut unknown = person("clerk");
    (unknown["sub"], unknown["email"]) = (json!("sub-8"), json!("pat@terminal.example"));
    issuer.person(unknown);
    let actor = app.stranger();
    refused(&actor, &issuer.log_in(&actor).await, 403).await;
    assert_eq!(last_failure(&app).await.detail("reason"), "no_login");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_first_logins_at_once_each_gets_a_session_and_one_link() {
    let (app, issuer) = portal(&[ROLES.as_slice(), &[("OIDC_CREATE", "True")]].concat()).await;
    let person = json!({"sub": "sub-9", "email": "pat@terminal.example", "email_verified": true, "roles": "clerk"});
    issuer.person(person);
    let actors: Vec<_> = (0..8).map(|_| app.stranger()).collect();
    let answers = futures_util::future::join_all(actors.iter().map(|actor| issuer.log_in(actor))).await;
    answers.iter().for_each(assert_logged_in);
    assert_eq!(app.count("users WHERE email = 'pat@terminal.example'").await, 1);
    assert_eq!(app.events().await.only(Action::SsoLinked).len(), 1);
}
