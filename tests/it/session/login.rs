//! Logging in: the answers, their timing, and the recorded events.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::support::{Action, Actor, Answer, App, PASSWORD, World};

async fn try_password(actor: &Actor, email: &str, password: &str) -> (u16, String, Duration) {
    let started = Instant::now();
    let answer = actor.post("/login", &[("email", email), ("password", password)]).await;
    let text = answer.text().replace(email, "[address]");
    (answer.status, text, started.elapsed())
}

/// The queue of passwords to hash has a limit for each address in a process, which all tests share.
static GUESSES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_opens_a_session_and_is_recorded() {
    let app = App::start().await;
    let actor = app.stranger();
    let answer = actor
        .post("/login", &[("email", " Buyer@ACME.example "), ("password", PASSWORD), ("next", "/bols?q=sesame")])
        .await;
    assert_eq!((answer.status, answer.header("location")), (303, "/bols?q=sesame"));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("sessionid=")).unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Lax") && !session.contains("Secure"));
    assert_eq!(actor.get("/bols").await.status, 200);
    let events = app.events().await;
    assert_eq!(
        events.list(|event| (event.action.as_str(), event.outcome.as_str(), event.email(), event.role(), event.host())),
        [("LOGIN_SUCCEEDED", "success", World::ACME, "customer", "127.0.0.1".to_owned())]
    );
    assert_eq!(events[0].request_id.as_ref().unwrap().len(), 32);
    // Only a hash of the token is stored.
    let token: String = session.chars().skip("sessionid=".len()).take_while(|c| *c != ';').collect();
    let stored = app.sessions().await;
    assert_eq!(stored.len(), 1);
    assert!(!token.contains(&hex::encode(&stored[0].token_hash)));
}

#[tokio::test(flavor = "multi_thread")]
async fn next_never_leads_to_another_site() {
    let app = App::start().await;
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let answer =
            app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD), ("next", next)]).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{next}");
        let page = app.stranger().get(&format!("/login?next={next}")).await;
        assert_eq!(page.attributes("input[name=next]", "value"), ["/"], "{next}");
    }
}

/// Hashes with cheaper or more expensive parameters must not change the timing either.
#[tokio::test(flavor = "multi_thread")]
async fn every_failure_looks_the_same_and_takes_the_same_time() {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
    let app = App::start().await;
    for (email, memory, passes) in [("cheap@acme.example", 8, 1), ("dear@acme.example", 65_536, 4)] {
        let params = Params::new(memory, passes, 1, None).unwrap();
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password(PASSWORD.as_bytes()).unwrap();
        app.sql(&format!(
            "INSERT INTO users (email, name, role, password_hash) VALUES ('{email}', 'X', 'office', '{hash}')"
        ))
        .await;
    }
    let mut answers = Vec::new();
    for email in
        [World::ACME, World::NEW, World::DISABLED, "nobody@nowhere.example", "cheap@acme.example", "dear@acme.example"]
    {
        let wrong = if email == World::DISABLED { PASSWORD } else { "not the password at all" };
        let (status, text, took) = try_password(&app.stranger(), email, wrong).await;
        assert_eq!(status, 422, "{email}");
        assert!(!text.contains(wrong), "the password comes back");
        answers.push((email, text, took));
    }
    for (email, text, took) in &answers {
        assert_eq!(text, &answers[0].1, "{email}");
        let apart = took.abs_diff(answers[0].2);
        assert!(apart < Duration::from_millis(250), "{email}: {answers:?}");
    }
    let events = app.events().await;
    let failed = events.list(|event| (event.action.as_str(), event.email(), event.role()));
    assert_eq!(failed[0], ("LOGIN_FAILED", World::ACME, "customer"));
    assert_eq!(failed[3], ("LOGIN_FAILED", "nobody@nowhere.example", "-"));
    // Both users can log in, and their hashes then have the current parameters.
    app.user("cheap@acme.example").await;
    app.user("dear@acme.example").await;
    let hashes: Vec<String> = app.users().await.into_iter().filter_map(|user| user.password_hash).collect();
    assert!(!hashes.is_empty());
    for hash in hashes {
        assert_eq!(hash.split('$').nth(3), Some("m=19456,t=2,p=1"), "{hash}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_the_owner_is_not_locked_out() {
    let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let _turn = GUESSES.lock().await;
    let owner = app.acme().await;
    owner.post("/logout", &[]).await;
    let from = |address: &'static str| {
        let app = &app;
        async move |email: &str, password: &str| {
            let request = app.stranger().request(reqwest::Method::POST, "/login");
            let request = request.header("x-forwarded-for", address).form(&[("email", email), ("password", password)]);
            crate::support::Answer::of(request).await
        }
    };
    let stranger = from("198.51.100.7");
    for _ in 0..5 {
        assert_eq!(stranger(World::ACME, "a guess of fifteen").await.status, 422);
    }
    let blocked = stranger(World::ACME, PASSWORD).await;
    assert_eq!(blocked.status, 429);
    assert!(["1", "2"].contains(&blocked.header("retry-after")), "{}", blocked.header("retry-after"));
    assert!(blocked.one("[role=alert]").contains("Try again in"));
    assert_eq!(blocked.attributes("#email", "value"), [World::ACME], "what was typed is kept");
    // A missing account is slowed down in the same way.
    for _ in 0..5 {
        assert_eq!(stranger("nobody@nowhere.example", "a guess of fifteen").await.status, 422);
    }
    assert_eq!(stranger("nobody@nowhere.example", "a guess of fifteen").await.status, 429);
    // The owner can log in from another address, and from the same address with a known browser.
    assert_eq!(from("203.0.113.4")(World::ACME, PASSWORD).await.status, 303);
    let request = owner.request(reqwest::Method::POST, "/login").header("x-forwarded-for", "198.51.100.7");
    let known = crate::support::Answer::of(request.form(&[("email", World::ACME), ("password", PASSWORD)])).await;
    assert_eq!(known.status, 303);
    // The wait never exceeds half a minute.
    for _ in 0..12 {
        app.clock.advance(TimeDelta::seconds(30));
        assert_eq!(stranger(World::ACME, "a guess of fifteen").await.status, 422);
    }
    app.clock.advance(TimeDelta::seconds(30));
    assert_eq!(stranger(World::ACME, PASSWORD).await.status, 303);
    assert_eq!(app.events().await.only(Action::LoginBlocked).len(), 2);
}

/// Attempts are counted for the user, whatever the spelling of the address.
#[tokio::test(flavor = "multi_thread")]
async fn other_spellings_of_the_address_are_the_same_account() {
    let app = App::start().await;
    let _turn = GUESSES.lock().await;
    for email in [
        "buyer@acme.example",
        " BUYER@acme.example",
        "buyer\u{1}@acme.example",
        "\0buyer@acme.example",
        "Buyer@ACME.example\t",
    ] {
        assert_eq!(try_password(&app.stranger(), email, "a guess of fifteen").await.0, 422, "{email:?}");
    }
    for email in ["buyer@acme.example", "\u{2}buyer@acme.example", "buyer@acme.exampl\u{7f}e"] {
        assert_eq!(try_password(&app.stranger(), email, PASSWORD).await.0, 429, "{email:?}");
    }
    assert_eq!(try_password(&app.stranger(), "buyer@acme.examplİe", PASSWORD).await.0, 422, "another address");
    // Only one refusal is recorded, however many requests follow.
    let blocked = app.events().await.single(Action::LoginBlocked);
    assert_eq!((blocked.email(), blocked.role()), (World::ACME, "customer"));
}

/// A new password invalidates the cookies of all known devices.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_forgets_known_devices() {
    let app = App::start().await;
    let _turn = GUESSES.lock().await;
    let known = app.acme().await;
    for _ in 0..5 {
        assert_eq!(try_password(&app.stranger(), World::ACME, "a guess of fifteen").await.0, 422);
    }
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(try_password(&app.stranger(), World::ACME, "a guess of fifteen").await.0, 422);
    assert_eq!(try_password(&known, World::ACME, "a guess of fifteen").await.0, 422, "counted by itself");
    let other = primetrade::accounts::passwords::hash("another fine long password").await.unwrap();
    app.sql(&format!("UPDATE users SET password_hash = '{other}' WHERE email = '{}'", World::ACME)).await;
    assert_eq!(try_password(&known, World::ACME, "a guess of fifteen").await.0, 429, "counted with everybody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guesses_at_once_are_counted_as_a_hundred() {
    let app = App::start().await;
    let _turn = GUESSES.lock().await;
    let guesses = (0..40).map(|_| {
        let actor = app.stranger();
        async move { try_password(&actor, World::ACME, "a guess of fifteen").await.0 }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|status| **status == 422).count();
    assert!(looked_at <= 6, "{looked_at} of 40 passwords were looked at");
    assert!(answers.iter().all(|status| [422, 429].contains(status)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_is_an_ordinary_failure() {
    let app = App::start().await;
    for email in ["", "\0", "a\r\nb", "' OR 1=1 --", &"x".repeat(5000), "ünïcode@exämple.example"] {
        let (status, ..) = try_password(&app.stranger(), email, &"p".repeat(2000)).await;
        assert_eq!(status, 422, "{email:?}");
    }
    assert_eq!(app.stranger().post("/login", &[("email", &*"x".repeat(140_000))]).await.status, 413);
    assert_eq!(app.stranger().post("/login", &[]).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_https_cookies_are_for_this_host_alone() {
    let app = App::start_with(&[("PUBLIC_URL", "https://portal.example.com")]).await;
    let answer = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for name in ["__Host-sessionid=", "__Host-device="] {
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap();
        assert!(cookie.contains("Secure") && cookie.contains("Path=/") && !cookie.contains("Domain"), "{cookie}");
    }
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000; includeSubDomains");
}

/// Guesses from as many networks as attempts, so that no limit of an address applies.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_guesses_at_once_keep_no_other_login_waiting() {
    let _turn = GUESSES.lock().await;
    for is_spread in [false, true] {
        let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1"), ("DATABASE_POOL_SIZE", "16")]).await;
        let (known, stranger) = (app.rival().await, app.stranger());
        let guess = async |n: usize| {
            let email = if is_spread { format!("buyer{n}@acme.example") } else { World::ACME.into() };
            let form = [("email", email.as_str()), ("password", "not the right password")];
            let request = stranger.request(reqwest::Method::POST, "/login").form(&form);
            Answer::of(request.header("x-forwarded-for", format!("203.{n}.113.7"))).await
        };
        let guesses = futures_util::future::join_all((0..200).map(guess));
        let other = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let begun = Instant::now();
            // In a flood of many accounts only a browser that the portal knows is sure of its place.
            let actor = if is_spread { known.clone() } else { app.stranger() };
            let request = actor.request(reqwest::Method::POST, "/login");
            let answer = Answer::of(request.form(&[("email", World::RIVAL), ("password", PASSWORD)])).await;
            (answer.status, begun.elapsed())
        };
        let (guesses, (status, took)) = tokio::join!(guesses, other);
        let count = |status: u16| guesses.iter().filter(|answer| answer.status == status).count();
        println!("spread: {is_spread}: {} refused, {} verified, other login {took:?}", count(429), count(422));
        assert_eq!((status, count(429) + count(422)), (303, 200));
        assert!(count(429) > 100 && took < Duration::from_secs(4), "{} {took:?}", count(429));
        let shed = guesses.iter().find(|answer| answer.text().contains("Many passwords are being checked"));
        assert!(shed.is_none_or(|answer| answer.header("retry-after") == "5"));
    }
}
