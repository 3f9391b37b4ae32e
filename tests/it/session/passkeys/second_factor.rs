//! A passkey after the password, as a fresh proof, and as the first factor of a login that must have one.

use chrono::TimeDelta;

use super::{ADD, ADD_OPTIONS, add, ask, assert_refused, log_in, options, origin, portal, shown_codes};
use crate::support::soft_key::SoftKey;
use crate::support::{Action, Actor, Answer, App, PASSWORD, World};

const FACTOR: &str = "/login/factor";
const FACTOR_OPTIONS: &str = "/login/factor/passkey/options";
const CONFIRM_OPTIONS: &str = "/confirm/passkey/options";
const ENROLL: &str = "/login/enroll/passkey";
const ENROLL_OPTIONS: &str = "/login/enroll/passkey/options";

/// A session with the password alone.
async fn half(app: &App, email: &str) -> Actor {
    let actor = app.stranger();
    let answer = actor.post("/login", &[("email", email), ("password", PASSWORD), ("next", "/bols?q=1")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login/factor?next=%2Fbols%3Fq%3D1"));
    actor
}

async fn give(app: &App, actor: &Actor, key: &mut SoftKey) -> Answer {
    let answer = key.answer(&options(actor, FACTOR_OPTIONS).await, &origin(app));
    actor.post(FACTOR, &[("code", ""), ("passkey", &key.sign(&answer)), ("next", "/bols?q=1")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_alone_leads_to_the_passkey() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let actor = half(&app, World::ACME).await;
    let page = actor.get(FACTOR).await;
    assert_eq!(page.one("button[data-passkey]"), "Log in with a passkey");
    assert!(page.all("#code").is_empty() && page.text().contains("Passkeys need JavaScript"), "{}", page.text());
    assert_eq!(actor.get("/bols").await.status, 303, "nothing else works yet");
    assert_eq!(ask(&actor, ADD_OPTIONS).await.status, 401);
    assert_eq!(ask(&actor, CONFIRM_OPTIONS).await.status, 401);
    let begun = options(&actor, FACTOR_OPTIONS).await;
    assert_eq!(begun["publicKey"]["allowCredentials"][0]["id"], super::encoded(&key.id));
    let given = give(&app, &actor, &mut key).await;
    assert_eq!((given.status, given.header("location")), (303, "/bols?q=1"), "{}", given.text());
    assert_eq!(actor.get("/bols").await.status, 200);
    let login = app.events().await.only(Action::LoginSucceeded).last().unwrap().clone();
    assert_eq!((login.email(), login.detail("method")), (World::ACME, "pwd+passkey".to_owned()));
    // A security key need not name its user here.
    let actor = half(&app, World::ACME).await;
    let mut answer = key.answer(&options(&actor, FACTOR_OPTIONS).await, &origin(&app));
    answer.user_handle = None;
    assert_eq!(actor.post(FACTOR, &[("passkey", &key.sign(&answer))]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_passkey_of_another_login_is_no_second_factor() {
    let app = portal(&[]).await;
    let mut own = add(&app, &app.acme().await, "Phone").await;
    let mut theirs = add(&app, &app.rival().await, "Phone").await;
    let actor = half(&app, World::ACME).await;
    assert_refused(&give(&app, &actor, &mut theirs).await, "belongs to another login");
    let answer = theirs.answer(&options(&actor, FACTOR_OPTIONS).await, &origin(&app));
    let mut lying = answer.clone();
    lying.user_handle = Some(own.user_handle.clone());
    assert_refused(&actor.post(FACTOR, &[("passkey", &theirs.sign(&lying))]).await, "belongs to another login");
    own.flags &= !crate::support::soft_key::USER_VERIFIED;
    assert_refused(&give(&app, &actor, &mut own).await, "your device didn’t check who you are");
    let failed = app.events().await.only(Action::MfaFailed);
    assert!(failed.iter().all(|event| event.email() == World::ACME), "{failed:?}");
    assert_eq!(
        failed.list(|event| event.detail("reason")),
        ["unknown passkey", "unknown passkey", "user not verified"]
    );
    own.flags |= crate::support::soft_key::USER_VERIFIED;
    assert_eq!(give(&app, &actor, &mut own).await.status, 303);
    // The answer of a waiting session works in no other one.
    let (one, two) = (half(&app, World::ACME).await, half(&app, World::ACME).await);
    let answer = own.answer(&options(&one, FACTOR_OPTIONS).await, &origin(&app));
    assert_refused(&two.post(FACTOR, &[("passkey", &own.sign(&answer))]).await, "had expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_can_be_remembered_with_a_passkey() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let actor = half(&app, World::ACME).await;
    let answer = key.answer(&options(&actor, FACTOR_OPTIONS).await, &origin(&app));
    assert_eq!(actor.post(FACTOR, &[("passkey", &key.sign(&answer)), ("remember", "true")]).await.status, 303);
    actor.post("/logout", &[]).await;
    let again = actor.post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!((again.status, again.header("location")), (303, "/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_and_a_passkey_stand_side_by_side() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let (phone, _) = acme.set_up_app(&app.clock).await;
    let mut key = add(&app, &acme, "Phone").await;
    let (one, two) = (half(&app, World::ACME).await, half(&app, World::ACME).await);
    let page = one.get(FACTOR).await;
    assert_eq!((page.all("#code").len(), page.all("button[data-passkey]").len()), (1, 1), "{}", page.text());
    assert_eq!(give(&app, &one, &mut key).await.status, 303);
    assert_eq!(two.post(FACTOR, &[("code", &phone.next_code()), ("passkey", "")]).await.status, 303);
    let factors = async || acme.get("/account").await.all("dd")[3].clone();
    assert_eq!(factors().await, "Authenticator app, 1 passkey, 10 recovery codes left");
    assert!(
        acme.get("/account/factors/app/remove").await.text().contains("Your passkeys and your recovery codes stay")
    );
    assert_eq!(acme.post("/account/factors/app/remove", &[]).await.status, 303);
    assert_eq!(factors().await, "1 passkey, 10 recovery codes left");
    let remove = acme.get(ADD).await.attributes("td.get a", "href").remove(1);
    assert!(acme.get(&remove).await.text().contains("Your recovery codes stop working."));
    assert_eq!(acme.post(&remove, &[]).await.status, 303);
    assert_eq!(factors().await, "None");
    assert_eq!(app.rows("SELECT 1 FROM recovery_codes").await.len(), 0);
    let entered = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_a_fresh_proof() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let mut key = add(&app, &acme, "Phone").await;
    app.clock.advance(TimeDelta::minutes(11));
    let page = acme.get("/confirm?next=/account/passkeys/new").await;
    assert_eq!(page.one("button[data-passkey]"), "Confirm with a passkey");
    assert!(page.all("#password").is_empty(), "a login with a factor can't confirm with the password");
    let mut wrong = key.answer(&options(&acme, CONFIRM_OPTIONS).await, &origin(&app));
    wrong.client_data["origin"] = "https://evil.example".into();
    assert_refused(&acme.post("/confirm", &[("passkey", &key.sign(&wrong))]).await, "was not accepted");
    let answer = key.answer(&options(&acme, CONFIRM_OPTIONS).await, &origin(&app));
    let form = [("passkey", key.sign(&answer)), ("next", "/account/passkeys/new".into())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let confirmed = acme.post("/confirm", &form).await;
    assert_eq!((confirmed.status, confirmed.header("location")), (303, "/account/passkeys/new"));
    assert_eq!(acme.get("/account/passkeys/new").await.status, 200);
    assert_eq!(app.events().await.single(Action::StepUp).detail("factor"), "passkey");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_must_have_a_factor_sets_up_a_passkey_on_the_spot() {
    let app = portal(&[("MFA_GRACE_DAYS", "0")]).await;
    let clerk = app.stranger();
    let answer = clerk.post("/login", &[("email", World::OFFICE), ("password", PASSWORD)]).await;
    assert_eq!(answer.header("location"), "/login/enroll");
    let page = clerk.get("/login/enroll").await;
    assert_eq!(page.one("button[data-passkey]"), "Set up a passkey");
    let begun = options(&clerk, ENROLL_OPTIONS).await;
    assert_eq!(ask(&clerk, FACTOR_OPTIONS).await.status, 409, "there is none yet");
    let mut key = SoftKey::new(&begun);
    let mut wrong = key.registration(&begun, &origin(&app));
    wrong.flags &= !crate::support::soft_key::USER_VERIFIED;
    let refused = clerk.post(ENROLL, &[("passkey", &key.register(&wrong))]).await;
    assert_refused(&refused, "your device didn’t check who you are");
    let begun = options(&clerk, ENROLL_OPTIONS).await;
    let answer = key.register(&key.registration(&begun, &origin(&app)));
    let entered = clerk.post(ENROLL, &[("passkey", &answer), ("next", "/office")]).await;
    shown_codes(&entered, "/office");
    assert_eq!(clerk.get("/office").await.status, 200);
    assert_eq!(app.events().await.single(Action::LoginSucceeded).detail("method"), "pwd+passkey");
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    // Without the last factor, the next request asks for a new one.
    let remove = clerk.get(ADD).await.attributes("td.get a", "href").remove(1);
    assert!(clerk.get(&remove).await.text().contains("the next page asks you to set up a new one"));
    assert_eq!(clerk.post(&remove, &[]).await.status, 303);
    let answer = clerk.get("/office").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/login?next=%2Foffice"));
}
