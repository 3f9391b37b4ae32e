//! Codes of an authenticator app.

use chrono::TimeDelta;
use reqwest::Method;

use crate::support::{Action, Answer, App, Phone, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_set_up_with_its_first_code_and_asked_for_at_the_next_login() {
    let app = App::start().await;
    let acme = app.acme().await;
    assert!(acme.get("/account").await.text().contains("Set up"));
    let page = acme.get("/account/factors/app").await;
    assert_eq!(page.all("svg.qr").len(), 1);
    assert!(page.attributes("a", "href").iter().any(|href| href.starts_with("otpauth://totp/PrimeTrade")));
    // A page that was loaded again shows the same key.
    assert_eq!(page.one("#secret"), acme.get("/account/factors/app").await.one("#secret"));
    let phone = Phone::scan(&page, &app.clock);
    let wrong = acme.send("/account/factors/app", &[("code", "000000")]).await;
    assert_eq!((wrong.status, wrong.all("#problem").len()), (422, 1));
    let failed = app.events().await.single(Action::MfaFailed);
    assert_eq!(
        (failed.email(), failed.detail("factor"), failed.detail("reason")),
        (World::ACME, "otp".into(), "first code".into())
    );
    assert_eq!(wrong.one("#secret"), page.one("#secret"), "the key stays until it is confirmed");
    let codes = acme.send("/account/factors/app", &[("code", &phone.code())]).await;
    assert_eq!((codes.status, codes.all(".codes code").len()), (200, 10));
    assert_eq!(acme.get("/bols").await.status, 200, "the session goes on");
    let mark = app.events().await.mark();

    let half = app.half(World::ACME).await;
    assert_eq!(half.get("/bols").await.header("location"), "/login?next=%2Fbols");
    assert_eq!(half.get("/login?next=%2Fbols").await.header("location"), "/login/factor?next=%2Fbols");
    assert!(app.events().await.since(mark).iter().all(|event| event.action != "LOGIN_SUCCEEDED"));
    let done = half.post("/login/factor", &[("code", &phone.next_code()), ("next", "/bols?q=sesame")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/bols?q=sesame"));
    assert_eq!(half.get("/bols").await.status, 200);
    let login = app.events().await.since(mark).single(Action::LoginSucceeded);
    assert_eq!((login.email(), login.detail("method")), (World::ACME, "pwd+otp".into()));
    let events = app.events().await;
    assert_eq!(events.iter().filter(|event| event.action == "MFA_ENROLLED").count(), 1);
    assert_eq!(app.rows("SELECT purpose FROM mails").await, ["security"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_accepted_as_people_type_them_and_letters_are_not() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let full_width =
        |code: &str| -> String { code.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect() };
    for spell in
        [|code: &str| format!(" {} {} ", &code[..3], &code[3..]), |code: &str| format!("{}-{}", &code[..2], &code[2..])]
    {
        let answer = app.half(World::ACME).await.post("/login/factor", &[("code", &spell(&phone.next_code()))]).await;
        assert_eq!(answer.status, 303);
    }
    let half = app.half(World::ACME).await;
    assert_eq!(half.post("/login/factor", &[("code", &full_width(&phone.next_code()))]).await.status, 303);
    let half = app.half(World::ACME).await;
    for typed in ["12345a", "l23456", "1234567", "", "١٢٣٤٥٦"] {
        let answer = half.post("/login/factor", &[("code", typed)]).await;
        assert_eq!(answer.status, 422, "{typed:?}");
        assert!(answer.one("#problem").contains("Enter the six digits"), "{typed:?}");
    }
    // None of these was an attempt.
    assert_eq!(half.post("/login/factor", &[("code", &phone.next_code())]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_in_its_step_and_the_next_and_not_for_another_user() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let used = phone.code();
    let half = app.half(World::ACME).await;
    assert_eq!(half.post("/login/factor", &[("code", &used)]).await.status, 422, "it has confirmed the app");
    let code = phone.next_code();
    assert_eq!(half.post("/login/factor", &[("code", &code)]).await.status, 303);
    let half = app.half(World::ACME).await;
    let again = half.post("/login/factor", &[("code", &code)]).await;
    assert!(again.one("#problem").contains("doesn’t fit, or was used before"));
    // One step late is accepted, two are not.
    let late = phone.next_code();
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(half.post("/login/factor", &[("code", &late)]).await.status, 422);
    let late = phone.next_code();
    app.clock.advance(TimeDelta::seconds(30));
    assert_eq!(half.post("/login/factor", &[("code", &late)]).await.status, 303);
    // The same secret in another row decrypts for its user only.
    let (_, rival) = (app.half(World::ACME).await, app.rival().await);
    rival.set_up_app(&app.clock).await;
    app.sql(&format!(
        "UPDATE totp_secrets SET last_step = 0, secret = (SELECT secret FROM totp_secrets t JOIN users u ON u.id = t.user_id \
         WHERE u.email = '{}') WHERE user_id = (SELECT id FROM users WHERE email = '{}')",
        World::ACME,
        World::RIVAL
    ))
    .await;
    let half = app.half(World::RIVAL).await;
    assert_eq!(half.post("/login/factor", &[("code", &phone.next_code())]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_another_one_and_a_removed_one_end_the_other_sessions() {
    let app = App::start().await;
    let (here, there) = (app.acme().await, app.acme().await);
    let (phone, _) = here.set_up_app(&app.clock).await;
    let both = (here.get("/bols").await.status, there.get("/bols").await.status);
    assert_eq!(both, (200, 303), "the password alone may have opened it for someone else");
    let (other, _) = here.set_up_app(&app.clock).await;
    let half = app.half(World::ACME).await;
    assert_eq!(half.post("/login/factor", &[("code", &phone.next_code())]).await.status, 422, "the former app");
    assert_eq!(half.post("/login/factor", &[("code", &other.next_code())]).await.status, 303);
    assert_eq!(here.send("/account/factors/app/remove", &[]).await.status, 303);
    assert_eq!((here.get("/bols").await.status, half.get("/bols").await.status), (200, 303));
    assert_eq!(app.stranger().give_password(World::ACME).await.header("location"), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_another_session_has_seen_is_not_used() {
    let app = App::start().await;
    let (thief, owner) = (app.acme().await, app.acme().await);
    let stolen = Phone::scan(&thief.get("/account/factors/app").await, &app.clock);
    let page = owner.get("/account/factors/app").await;
    let own = Phone::scan(&page, &app.clock);
    assert_ne!(stolen.code(), own.code());
    let codes = thief.send("/account/factors/app", &[("code", &own.code())]).await;
    assert_eq!((codes.status, codes.header("location")), (303, "/account/factors"), "it waits for another session");
    assert_eq!(owner.send("/account/factors/app", &[("code", &stolen.code())]).await.status, 422);
    assert_eq!(owner.get("/account/factors/app").await.one("#secret"), page.one("#secret"));
    // Half an hour later, the session gets another one too.
    app.clock.advance(TimeDelta::minutes(31));
    owner.send("/confirm", &[("password", crate::support::PASSWORD)]).await;
    assert_ne!(owner.get("/account/factors/app").await.one("#secret"), page.one("#secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_makes_guessing_no_cheaper() {
    let app = App::start().await;
    let owner = app.acme().await;
    owner.set_up_app(&app.clock).await;
    let half = app.half(World::ACME).await;
    for _ in 0..5 {
        assert_eq!(half.post("/login/factor", &[("code", "000000")]).await.status, 422);
    }
    assert_eq!(
        app.rows("SELECT purpose FROM mails WHERE purpose = 'wrong-codes'").await.len(),
        1,
        "before any refusal"
    );
    app.clock.advance(TimeDelta::hours(1));
    let half = app.half(World::ACME).await;
    assert_eq!(half.post("/login/factor", &[("code", "000000")]).await.status, 422);
    assert_eq!(half.post("/login/factor", &[("code", "000000")]).await.status, 429, "the count has not begun anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_code_one_succeeds() {
    let app = App::start().await;
    let (phone, _) = app.acme().await.set_up_app(&app.clock).await;
    let mark = app.events().await.mark();
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(app.half(World::ACME).await);
    }
    let code = phone.next_code();
    let sent = (0..100).map(|n| {
        let (actor, code) = (sessions[n % 4].clone(), code.clone());
        tokio::spawn(async move { actor.post("/login/factor", &[("code", &code)]).await.status })
    });
    for answer in sent.collect::<Vec<_>>() {
        let status = answer.await.unwrap();
        assert!([303, 422, 429].contains(&status), "{status}");
    }
    app.events().await.since(mark).single(Action::LoginSucceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_are_slowed_from_many_addresses_and_the_owner_is_told() {
    let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let owner = app.acme().await;
    let (phone, _) = owner.set_up_app(&app.clock).await;
    owner.post("/logout", &[]).await;
    let half = app.half(World::ACME).await;
    let guess = async |n: u8| {
        let request = half.request(Method::POST, "/login/factor").header("x-forwarded-for", format!("203.0.{n}.7"));
        Answer::of(request.form(&[("code", "000000")])).await.status
    };
    for n in 0..10 {
        assert_eq!(guess(n).await, 422, "{n}");
    }
    assert_eq!(guess(11).await, 429);
    let events = app.events().await;
    let refused = events.iter().filter(|event| event.detail("reason") == "too many attempts").count();
    assert_eq!(refused, 1);
    assert_eq!(app.rows("SELECT purpose FROM mails WHERE purpose = 'wrong-codes'").await.len(), 1);
    // The owner's own browser is known, and has a count of its own.
    let known = owner.give_password(World::ACME).await;
    assert_eq!(known.header("location"), "/login/factor");
    assert_eq!(owner.post("/login/factor", &[("code", &phone.next_code())]).await.status, 303);
}
