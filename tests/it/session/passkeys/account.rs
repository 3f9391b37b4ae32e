//! The list of passkeys on the account page: adding, renaming, removing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;

use super::{
    ADD, ADD_OPTIONS, ADDED, add, ask, assert_refused, log_in, options, origin, portal, register, shown_codes,
};
use crate::support::soft_key::{BACKED_UP, BACKUP_ELIGIBLE, SoftKey};
use crate::support::{Action, App, Outcome, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_passkey_is_listed_recorded_and_told_by_email() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    assert!(acme.get(ADD).await.one(".empty").contains("no passkey"));
    let mut key = add(&app, &acme, "  Work\u{7}laptop ").await;
    let page = acme.get(ADD).await;
    assert_eq!(page.all("tbody td.lead"), ["Work laptop"]);
    assert!(page.one("tbody").contains("This device only") && page.one("tbody").contains("Never"), "{}", page.text());
    let event = app.events().await.single(Action::PasskeyAdded);
    assert_eq!((event.email(), event.detail("name")), (World::ACME, "Work laptop".to_owned()));
    let mail = app.mail_to(World::ACME).await;
    assert_eq!((mail.purpose.as_str(), mail.letter["notice"]["passkey"].as_str()), ("security", Some("Work laptop")));
    let stranger = app.stranger();
    let entered = log_in(&app, &stranger, &mut key).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/bols"), "{}", entered.text());
    assert!(!stranger.get(ADD).await.one("tbody").contains("Never"));
    let login = app.events().await.only(Action::LoginSucceeded).last().unwrap().clone();
    assert_eq!((login.email(), login.detail("method")), (World::ACME, "passkey".to_owned()));
}

/// The device may be lost, like the phone with an app.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_factor_comes_with_recovery_codes_and_a_second_passkey_keeps_them() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let begun = options(&acme, ADD_OPTIONS).await;
    let key = SoftKey::new(&begun);
    let answer = key.register(&key.registration(&begun, &origin(&app)));
    let added = acme.post(ADD, &[("name", "Phone"), ("passkey", &answer)]).await;
    let codes = shown_codes(&added, ADDED);
    let listed = acme.get(ADDED).await;
    assert!(listed.one("[role=status]").starts_with("The passkey is added."), "{}", listed.text());
    let begun = options(&acme, ADD_OPTIONS).await;
    let second = SoftKey::new(&begun);
    let answer = second.register(&second.registration(&begun, &origin(&app)));
    let added = acme.post(ADD, &[("name", "Key"), ("passkey", &answer)]).await;
    assert_eq!((added.status, added.header("location")), (303, ADDED));
    let actor = app.half(World::ACME).await;
    let page = actor.get("/login/factor").await;
    assert_eq!(page.all("#recovery_code").len(), 1, "{}", page.text());
    assert_eq!(actor.post("/login/factor", &[("recovery_code", &codes[0])]).await.status, 303);
    assert_eq!(actor.get("/bols").await.status, 200);
    assert_eq!(app.events().await.single(Action::RecoveryCodeUsed).detail("left"), "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_ask_for_a_discoverable_passkey_that_knows_its_user() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let first = options(&acme, ADD_OPTIONS).await;
    let asked = &first["publicKey"];
    assert_eq!(asked["rp"]["id"], "localhost");
    assert_eq!(asked["attestation"], "none");
    let selection = &asked["authenticatorSelection"];
    assert_eq!((&selection["residentKey"], &selection["requireResidentKey"]), (&json!("required"), &json!(true)));
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(asked["user"]["name"], World::ACME);
    let handle = URL_SAFE_NO_PAD.decode(asked["user"]["id"].as_str().unwrap()).unwrap();
    assert_eq!(handle.len(), 16, "random, and not the email address");
    let key = SoftKey::new(&first);
    register(&app, &acme, "One", &first, &key).await;
    let second = options(&acme, ADD_OPTIONS).await;
    assert_eq!(second["publicKey"]["user"]["id"], first["publicKey"]["user"]["id"], "the same user");
    assert_ne!(second["publicKey"]["challenge"], first["publicKey"]["challenge"]);
    let excluded = &second["publicKey"]["excludeCredentials"];
    assert_eq!(
        *excluded,
        json!([{"type": "public-key", "id": URL_SAFE_NO_PAD.encode(&key.id), "transports": ["internal"]}])
    );
    let login = options(&app.stranger(), super::LOGIN_OPTIONS).await;
    assert_eq!(
        (&login["publicKey"]["rpId"], &login["publicKey"]["userVerification"]),
        (&json!("localhost"), &json!("required"))
    );
    assert_eq!(login["publicKey"]["allowCredentials"], json!([]), "names no login");
    let other = options(&app.rival().await, ADD_OPTIONS).await;
    assert_ne!(other["publicKey"]["user"]["id"], first["publicKey"]["user"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_renamed_and_removed_by_its_user_alone() {
    let app = portal(&[]).await;
    let (acme, other, rival) = (app.acme().await, app.acme().await, app.rival().await);
    let mut key = add(&app, &acme, "Phone").await;
    let rename = acme.get(ADD).await.attributes("td.get a", "href").remove(0);
    let remove = rename.replace("rename", "remove");
    for path in [&rename, &remove] {
        assert_eq!(
            (rival.get(path).await.status, rival.post(path, &[("name", "x")]).await.status),
            (404, 404),
            "{path}"
        );
        assert_eq!(app.stranger().post(path, &[("name", "x")]).await.status, 303, "{path}");
    }
    let refused = acme.post(&rename, &[("name", " \t")]).await;
    assert_eq!((refused.status, refused.one(".error")), (422, "Enter a name of 1 to 100 characters.".to_owned()));
    acme.expect_saved(&rename, &[("name", "<b>My phone</b>")], "/account/passkeys?done=renamed").await;
    assert_eq!(acme.get(ADD).await.all("tbody td.lead"), ["<b>My phone</b>"]);
    acme.expect_saved(&rename, &[("name", "<b>My phone</b>")], "/account/passkeys?done=renamed").await;
    assert!(acme.get(&remove).await.one("h1").contains("Remove the passkey “<b>My phone</b>”?"));
    acme.expect_saved(&remove, &[], "/account/passkeys?done=removed").await;
    assert_eq!((acme.get("/bols").await.status, other.get("/bols").await.status), (200, 303), "other sessions end");
    let events = app.events().await;
    assert_eq!(events.single(Action::PasskeyRemoved).detail("name"), "<b>My phone</b>");
    let renamed = events.single(Action::PasskeyRenamed);
    assert_eq!(
        (renamed.email(), renamed.detail("from"), renamed.detail("name")),
        (World::ACME, "Phone".to_owned(), "<b>My phone</b>".to_owned())
    );
    assert_eq!(app.mails().await.len(), 2, "one when it was added, and one now");
    assert_eq!(acme.post(&remove, &[]).await.status, 404, "once");
    assert_refused(&log_in(&app, &app.stranger(), &mut key).await, "it was removed, or belongs to another login");
    let failed = app.events().await.single(Action::LoginFailed);
    assert_eq!((failed.email(), failed.detail("reason")), ("-", "unknown passkey".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_and_removing_need_a_fresh_proof() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    add(&app, &acme, "Phone").await;
    let remove = acme.get(ADD).await.attributes("td.get a", "href").remove(1);
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(ask(&acme, ADD_OPTIONS).await.status, 403);
    assert_eq!(acme.post(ADD, &[("name", "x"), ("passkey", "{}")]).await.status, 403);
    assert_eq!(acme.post(&remove, &[]).await.status, 403);
    let page = acme.request(reqwest::Method::GET, "/account/passkeys/new").header("accept", "text/html");
    let page = crate::support::Answer::of(page).await;
    assert_eq!((page.status, page.header("location")), (303, "/confirm?next=%2Faccount%2Fpasskeys%2Fnew"));
    assert_eq!(acme.get(ADD).await.all("tbody td.lead"), ["Phone"], "the list needs none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_has_at_most_twenty_passkeys_and_each_belongs_to_one() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let key = add(&app, &acme, "First").await;
    let rival = app.rival().await;
    let theirs = options(&rival, ADD_OPTIONS).await;
    let stolen = key.register(&key.registration(&theirs, &origin(&app)));
    assert_refused(&rival.post(ADD, &[("name", "x"), ("passkey", &stolen)]).await, "belongs to another login");
    let last = options(&acme, ADD_OPTIONS).await;
    let id = app.user_id(World::ACME).await;
    app.sql(&format!(
        "INSERT INTO passkeys (user_id, credential_id, credential, name, created_at, sign_count, backup_eligible, backed_up)
         SELECT {id}, int4send(n), '{{}}', 'No. ' || n, now(), 0, false, false FROM generate_series(2, 20) n"
    ))
    .await;
    let refused = ask(&acme, ADD_OPTIONS).await;
    assert_eq!((refused.status, refused.header("content-type")), (409, "application/problem+json"));
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("You have 20 passkeys"), "{}", refused.text());
    let key = SoftKey::new(&last);
    let late = key.register(&key.registration(&last, &origin(&app)));
    assert_refused(&acme.post(ADD, &[("name", "x"), ("passkey", &late)]).await, "You have 20 passkeys");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_whether_a_passkey_is_synced() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let begun = options(&acme, ADD_OPTIONS).await;
    let mut key = SoftKey::new(&begun);
    key.flags |= BACKUP_ELIGIBLE;
    key.sign_count = 0;
    register(&app, &acme, "Phone", &begun, &key).await;
    let kept = async || acme.get(ADD).await.all("tbody td")[1].clone();
    assert_eq!(kept().await, "Not synced yet");
    key.flags |= BACKED_UP;
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    assert_eq!(kept().await, "Synced");
}

/// As after a password.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_form_is_sent_again_after_a_passkey() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.office().await, "Phone").await;
    let clerk = app.stranger();
    let answer = key.answer(&options(&clerk, super::LOGIN_OPTIONS).await, &origin(&app));
    let answer = key.sign(&answer);
    let form = [("passkey", answer.as_str()), ("draft", "/office/settings"), ("typed.company_name", "River Terminal")];
    let entered = clerk.post(super::LOGIN, &form).await;
    assert_eq!((entered.status, entered.header("location")), (307, "/office/settings?draft=session"));
    let kept = clerk.post("/office/settings?draft=session", &form).await;
    assert_eq!((kept.status, kept.value("company_name").as_str()), (200, "River Terminal"));
    // A page of another site is no page to lead on to.
    let stranger = app.stranger();
    let answer = key.answer(&options(&stranger, super::LOGIN_OPTIONS).await, &origin(&app));
    let entered = stranger.post(super::LOGIN, &[("passkey", &key.sign(&answer)), ("next", "//evil.example")]).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/"));
}

/// Browsers have no passkeys for an IP address.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_name_the_pages_say_so() {
    let app = App::start().await;
    let acme = app.acme().await;
    for path in [ADD, "/account/passkeys/new"] {
        let page = acme.get(path).await;
        assert!(page.one(".message").contains("need a portal with a host name and https"), "{}", page.text());
        assert!(page.all("[data-passkey]").is_empty() && page.all("a[href='/account/passkeys/new']").is_empty());
    }
    assert_eq!(ask(&acme, ADD_OPTIONS).await.status, 409);
    let login = app.stranger().get("/login").await;
    assert_eq!(login.attributes("#email", "autocomplete"), ["username"]);
    assert!(login.all("[data-passkey]").is_empty() && !login.text().contains("passkeys."), "{}", login.text());
    assert_eq!(ask(&app.stranger(), super::LOGIN_OPTIONS).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_removes_all_of_them_with_the_other_factors() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let mut key = add(&app, &acme, "Phone").await;
    let environment = app.environment().to_vec();
    let (code, _, error) = crate::support::run(&environment, &["user", "reset-mfa", World::ACME]).await;
    assert_eq!(code, 0, "{error}");
    assert_refused(&log_in(&app, &app.stranger(), &mut key).await, "it was removed");
    assert_eq!(app.events().await.only(Action::MfaRemoved).with(Outcome::Success).len(), 1);
}
