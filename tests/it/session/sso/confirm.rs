//! Confirming who one is at the issuer, before a change that needs a fresh proof.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{assert_logged_in, claims, last_failure, portal};
use crate::support::{Action, Actor, Answer, App, Begun, Issuer, World};

const SETTINGS: [(&str, &str); 2] = [("unsigned_days", "5"), ("collect_days", "6")];

/// A user of the office, whose login by single sign-on was a while ago.
async fn office_of_long_ago() -> (App, Issuer, Actor) {
    let (app, issuer) = portal(&[("OIDC_REQUIRED_FOR", "office")]).await;
    issuer.person(claims(World::OFFICE));
    let actor = app.stranger();
    assert_logged_in(&issuer.log_in(&actor).await);
    app.clock.advance(TimeDelta::minutes(11));
    (app, issuer, actor)
}

/// Confirms at the issuer, which says when the person has logged in there.
async fn confirm(issuer: &Issuer, actor: &Actor, person: &str, logged_in_at: Value) -> Answer {
    let begun = Begun::by(actor, "/login/sso/confirm?next=/office/settings").await;
    assert_eq!((begun.parameters["prompt"].as_str(), begun.parameters["max_age"].as_str()), ("login", "0"));
    let mut claims = claims(person);
    claims["auth_time"] = logged_in_at;
    issuer.person(claims);
    let code = issuer.grant(&begun);
    actor.get(&format!("/login/sso/callback?code={code}&state={}", begun.state())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_until_the_user_has_logged_in_at_the_issuer_again() {
    let (app, issuer, actor) = office_of_long_ago().await;
    let asked = actor.send("/office/settings/days", &SETTINGS).await;
    assert_eq!((asked.status, asked.one("h1")), (403, "Confirm that it’s you".into()));
    assert!(asked.all("input[type=password]").is_empty(), "the role has no password");
    assert_eq!(asked.attributes("a[target=_blank]", "href"), ["/login/sso/confirm"]);
    let typed: Vec<(String, String)> =
        SETTINGS.iter().map(|(name, value)| (format!("typed.{name}"), (*value).to_owned())).collect();
    let mut form: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let user = asked.attributes("input[name=user]", "value").remove(0);
    form.extend([("draft", "/office/settings/days"), ("user", &user), ("by", "sso"), ("password", "any")]);
    let early = actor.send("/confirm", &form).await;
    assert_eq!(early.status, 422);
    assert!(early.one("#problem").contains("You have not confirmed with Mill ID yet."), "{}", early.text());
    let done = confirm(&issuer, &actor, World::OFFICE, json!(app.clock.now().timestamp())).await;
    assert_eq!((done.status, done.header("location")), (303, "/office/settings"));
    let step_up = app.events().await.single(Action::StepUp);
    assert_eq!((step_up.email(), step_up.detail("factor")), (World::OFFICE, "sso".into()));
    let sent = actor.send("/confirm", &form).await;
    assert_eq!((sent.status, sent.header("location")), (307, "/office/settings/days?confirmed"));
    assert_eq!(app.count("sessions").await, 1, "no second session");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_login_at_the_issuer_and_another_person_confirm_nothing() {
    let (app, issuer, actor) = office_of_long_ago().await;
    let now = app.clock.now().timestamp();
    for logged_in_at in [json!(now - 90), Value::Null, json!("now")] {
        let answer = confirm(&issuer, &actor, World::OFFICE, logged_in_at.clone()).await;
        assert_eq!(answer.status, 403, "{logged_in_at}");
        assert_eq!(last_failure(&app).await.detail("reason"), "id_token_auth_time");
    }
    let answer = confirm(&issuer, &actor, World::ACME, json!(now)).await;
    assert_eq!(answer.one("h1"), "You are another person at Mill ID than in the portal.");
    assert_eq!(last_failure(&app).await.detail("reason"), "another_user");
    assert_eq!(actor.get("/office").await.status, 200, "the session goes on");
    // Nor does an answer to a confirmation log anyone in.
    let begun = Begun::by(&actor, "/login/sso/confirm").await;
    actor.post("/logout", &[]).await;
    let mut person = claims(World::OFFICE);
    person["auth_time"] = json!(now);
    issuer.person(person);
    let code = issuer.grant(&begun);
    let answer = actor.get(&format!("/login/sso/callback?code={code}&state={}", begun.state())).await;
    assert_eq!((answer.status, actor.get("/office").await.status), (403, 303));
    assert!(app.events().await.only(Action::StepUp).is_empty());
    assert_eq!(app.stranger().get("/login/sso/confirm").await.status, 303, "needs a session");
}
