//! One field of an answer altered at a time: each is refused.

use serde_json::{Value, json};

use super::{ADD, ADD_OPTIONS, LOGIN, LOGIN_OPTIONS, add, assert_refused, log_in, options, origin, portal};
use crate::support::soft_key::{BACKED_UP, BACKUP_ELIGIBLE, SoftAnswer, SoftKey, USER_PRESENT, USER_VERIFIED, flip};
use crate::support::{Action, Answer, App, World};

const INVALID: &str = "The passkey was not accepted. Try again";

type Alteration = (&'static str, fn(&mut SoftAnswer), &'static str);

fn client_data(answer: &mut SoftAnswer, member: &str, value: Value) {
    answer.client_data[member] = value;
}

/// Alterations of both kinds of answers.
const ALTERATIONS: &[Alteration] = &[
    ("another type", |answer| client_data(answer, "type", json!("payment.get")), INVALID),
    ("another challenge", |answer| client_data(answer, "challenge", json!("AAAAAAAAAAAAAAAAAAAAAA")), INVALID),
    ("no challenge", |answer| client_data(answer, "challenge", Value::Null), INVALID),
    ("another origin", |answer| client_data(answer, "origin", json!("http://evil.example")), INVALID),
    ("another port", |answer| client_data(answer, "origin", json!("http://localhost:1")), INVALID),
    ("another scheme", |answer| client_data(answer, "origin", json!("https://localhost")), INVALID),
    ("a subdomain", |answer| client_data(answer, "origin", json!("http://x.localhost")), INVALID),
    ("in a frame of another site", |answer| client_data(answer, "crossOrigin", json!(true)), INVALID),
    ("in a frame that is named", |answer| client_data(answer, "topOrigin", json!("http://evil.example")), INVALID),
    ("no client data", |answer| answer.client_data = json!(7), INVALID),
    ("another relying party", |answer| answer.rp_id = "evil.example".into(), INVALID),
    ("nobody present", |answer| answer.flags &= !USER_PRESENT, INVALID),
    ("user not verified", |answer| answer.flags &= !USER_VERIFIED, "your device didn’t check who you are"),
    ("synced, but can't be", |answer| answer.flags |= BACKED_UP, "has changed since you added it"),
    ("another id", |answer| answer.id = "AAAA".into(), INVALID),
    ("another type of credential", |answer| answer.kind = "password".into(), INVALID),
    ("another ceremony", |answer| answer.ceremony = "0".repeat(64), "had expired"),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_answer_logs_in() {
    let app = portal(&[]).await;
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let others: &[Alteration] = &[
        ("that of a registration", |answer| client_data(answer, "type", json!("webauthn.create")), INVALID),
        ("it may be synced now", |answer| answer.flags |= BACKUP_ELIGIBLE, "has changed since you added it"),
        ("no user", |answer| answer.user_handle = None, "belongs to another login"),
        ("another user", |answer| answer.user_handle = Some(vec![7; 16]), "belongs to another login"),
        ("another passkey", |answer| (answer.id, answer.raw_id) = ("AAAA".into(), vec![0; 3]), "it was removed"),
    ];
    for (what, alter, words) in ALTERATIONS.iter().chain(others) {
        println!("{what}");
        let stranger = app.stranger();
        let mut answer = key.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
        alter(&mut answer);
        assert_refused(&stranger.post(LOGIN, &[("passkey", &key.sign(&answer))]).await, words);
        assert_eq!(stranger.get("/bols").await.status, 303, "{what}");
        forgive(&app).await;
    }
    for member in ["signature", "authenticatorData", "clientDataJSON"] {
        let stranger = app.stranger();
        let answer = key.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
        let flipped = flip(&key.sign(&answer), member);
        assert_refused(&stranger.post(LOGIN, &[("passkey", &flipped)]).await, INVALID);
        forgive(&app).await;
    }
    assert_eq!(log_in(&app, &app.stranger(), &mut key).await.status, 303);
    let failed = app.events().await.only(Action::LoginFailed);
    let reasons = failed.list(|event| event.detail("reason"));
    for reason in
        ["invalid answer", "user not verified", "backup eligibility", "unknown passkey", "challenge expired or used"]
    {
        assert!(reasons.iter().any(|known| known == reason), "{reason} in {reasons:?}");
    }
    assert!(failed.iter().any(|event| event.email() == World::ACME) && failed.iter().any(|event| event.email() == "-"));
}

/// Resets the count of failures, which would refuse the next one unseen.
async fn forgive(app: &App) {
    app.sql("DELETE FROM login_throttles").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_answer_adds_a_passkey() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    let others: &[Alteration] = &[
        ("that of a log-in", |answer| client_data(answer, "type", json!("webauthn.get")), INVALID),
        ("another passkey", |answer| (answer.id, answer.raw_id) = ("AAAA".into(), vec![0; 3]), INVALID),
        ("ES384, which needs another curve", |answer| answer.algorithm = &[0x38, 0x22], INVALID),
        ("EdDSA with a key of another kind", |answer| answer.algorithm = &[0x27], INVALID),
        ("RS1, which is broken", |answer| answer.algorithm = &[0x39, 0xff, 0xfe], INVALID),
        ("no algorithm", |answer| answer.algorithm = &[0x00], INVALID),
    ];
    for (what, alter, words) in ALTERATIONS.iter().chain(others) {
        println!("{what}");
        let begun = options(&acme, ADD_OPTIONS).await;
        let key = SoftKey::new(&begun);
        let mut answer = key.registration(&begun, &origin(&app));
        alter(&mut answer);
        let refused = acme.post(ADD, &[("name", "Phone"), ("passkey", &key.register(&answer))]).await;
        let words = if words.contains("has changed") { INVALID } else { words };
        assert_refused(&refused, words);
        assert_eq!(refused.value("name"), "Phone", "what was typed is kept");
    }
    assert!(app.events().await.only(Action::PasskeyAdded).is_empty());
    assert!(acme.get(ADD).await.one(".empty").contains("no passkey"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_is_an_ordinary_refusal() {
    let app = portal(&[]).await;
    let acme = app.acme().await;
    add(&app, &acme, "Phone").await;
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let long = format!("{{\"ceremony\":\"{}\"}}", "x".repeat(60_000));
    for text in ["", "null", "{}", "\0", "{\"ceremony\":7}", "{\"ceremony\":\"x\",\"credential\":{}}", &deep, &long] {
        assert_refused(&app.stranger().post(LOGIN, &[("passkey", text)]).await, INVALID);
        assert_refused(&acme.post(ADD, &[("name", "x"), ("passkey", text)]).await, INVALID);
    }
    assert_refused(&app.stranger().post(LOGIN, &[]).await, INVALID);
    let begun = options(&acme, ADD_OPTIONS).await;
    let key = SoftKey::new(&begun);
    for name in ["", " ", &"x".repeat(101)] {
        let answer = key.register(&key.registration(&begun, &origin(&app)));
        let refused = acme.post(ADD, &[("name", name), ("passkey", &answer)]).await;
        assert_eq!(
            (refused.status, refused.one(".field .error")),
            (422, "Enter a name of 1 to 100 characters.".to_owned())
        );
    }
}

/// Another site can't make a browser answer, even with a cookie of the portal.
#[tokio::test(flavor = "multi_thread")]
async fn another_site_begins_nothing() {
    let app = portal(&[]).await;
    let stranger = app.stranger();
    let mut key = add(&app, &app.acme().await, "Phone").await;
    let answer = key.answer(&options(&stranger, LOGIN_OPTIONS).await, &origin(&app));
    for header in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        for path in [LOGIN_OPTIONS, LOGIN, ADD_OPTIONS] {
            let request = stranger.request(reqwest::Method::POST, path).header(header.0, header.1);
            assert_eq!(Answer::of(request.form(&[("passkey", key.sign(&answer))])).await.status, 403, "{path}");
        }
    }
}
