//! Logins from new devices, and the history of one's own logins.

use reqwest::Method;

use crate::support::{Action, Actor, App, PASSWORD, World, patiently};

/// Logs in with a browser of this name, from this address.
async fn log_in(app: &App, agent: &str, address: &str) -> Actor {
    let actor = app.stranger();
    let form = [("email", World::ACME), ("password", PASSWORD)];
    let request =
        || actor.request(Method::POST, "/login").header("user-agent", agent).header("x-forwarded-for", address);
    let answer = patiently(|| request().form(&form)).await;
    assert_eq!(answer.status, 303);
    actor
}

async fn notices(app: &App) -> Vec<String> {
    app.rows("SELECT letter->'notice'->>'device' || ' ' || (letter->'notice'->>'ip') FROM mails WHERE purpose = 'new-device' ORDER BY id")
        .await
        .to_vec()
}

/// The link of the newest email, as the mailer renders it.
async fn link(app: &App) -> String {
    let seed = app
        .rows("SELECT letter->'notice'->>'seed' FROM mails WHERE purpose = 'new-device' ORDER BY id DESC LIMIT 1")
        .await;
    let key = primetrade::mail::LinkKey::new(app.config().secret_key.as_ref().unwrap());
    format!("{}.{}", seed[0], key.secret(&seed[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_from_a_new_device_is_told_to_its_user() {
    let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0";
    log_in(&app, firefox, "203.0.113.4").await;
    assert!(notices(&app).await.is_empty(), "the first login of all");
    log_in(&app, firefox, "203.0.113.99").await;
    assert!(notices(&app).await.is_empty(), "the same browser in the same network");
    log_in(&app, firefox, "198.51.100.7").await;
    log_in(&app, "curl/8.5", "203.0.113.4").await;
    log_in(&app, "curl/8.5", "203.0.113.5").await;
    assert_eq!(notices(&app).await, ["Firefox on Windows 198.51.100.7", "curl 203.0.113.4"]);
    // Another user's devices don't count.
    let rival = app.rival().await;
    rival.post("/logout", &[]).await;
    assert_eq!(notices(&app).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_ends_every_session_once() {
    let app = App::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let first = log_in(&app, "curl/8.5", "203.0.113.4").await;
    let second = log_in(&app, "curl/8.5", "198.51.100.7").await;
    let token = link(&app).await;
    let program = app.program(World::ACME).await;
    assert_eq!(program.get("/api/bols").await.status, 200);
    let stranger = app.stranger();
    let page = stranger.get(&format!("/sessions/end?token={token}")).await;
    assert_eq!((page.status, page.one("h1")), (200, "End all sessions?".into()));
    assert!(page.text().contains(World::ACME));
    assert_eq!(first.get("/bols").await.status, 200, "opening the link changes nothing");
    for wrong in ["", "x", &token[1..], &token[..token.len() - 1], token.split_once('.').unwrap().0] {
        assert_eq!(stranger.get(&format!("/sessions/end?token={wrong}")).await.status, 410, "{wrong}");
        assert_eq!(stranger.post("/sessions/end", &[("token", wrong)]).await.status, 410, "{wrong}");
    }
    let mark = app.events().await.mark();
    let done = stranger.post("/sessions/end", &[("token", &token)]).await;
    assert_eq!((done.status, done.one("h1")), (200, "All sessions have ended".into()));
    let revoked = app.events().await.since(mark).single(Action::SessionRevoked);
    assert_eq!(
        (revoked.email(), revoked.detail("sessions"), revoked.detail("by")),
        (World::ACME, "2".into(), "email link".into())
    );
    for actor in [&first, &second] {
        assert_eq!(actor.get("/bols").await.status, 303);
    }
    assert_eq!((program.get("/api/bols").await.status, revoked.detail("tokens")), (401, "1".into()));
    assert_eq!(stranger.post("/sessions/end", &[("token", &token)]).await.status, 410);
    app.clock.advance(chrono::TimeDelta::days(7));
    log_in(&app, "another/1", "203.0.113.4").await;
    let token = link(&app).await;
    app.clock.advance(chrono::TimeDelta::days(7));
    assert_eq!(stranger.post("/sessions/end", &[("token", &token)]).await.status, 410, "after a week");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_lists_ones_own_logins() {
    let app = App::start().await;
    app.stranger().post("/login", &[("email", World::ACME), ("password", "a guess of fifteen")]).await;
    app.stranger().post("/login", &[("email", World::RIVAL), ("password", "a guess of fifteen")]).await;
    let acme = app.acme().await;
    let (phone, _) = acme.set_up_app(&app.clock).await;
    let half = app.half(World::ACME).await;
    half.post("/login/factor", &[("code", "000000")]).await;
    half.post("/login/factor", &[("code", &phone.next_code())]).await;
    let page = half.get("/account").await;
    assert_eq!(
        page.all(".logins .login-what"),
        [
            "Logged in with password and app",
            "Refused: wrong code Failed",
            "Password right, second factor missing",
            "Logged in with password",
            "Refused: wrong password Failed"
        ]
    );
    assert_eq!(page.all("#sessions + table tbody tr").len(), 2);
    assert!(page.one("#sessions + table").contains("password and app"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breached_password_is_refused_and_a_list_that_is_away_accepts_none() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    // SHA-1 of "pig-iron-by-the-river-99"; a real hash, so that the search has something to find.
    let breached = "pig-iron-by-the-river-99";
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, breached.as_bytes());
    std::fs::write(&list, format!("{}:3\r\n", hex::encode_upper(hash))).unwrap();
    let app = App::start_with(&[("BREACHED_PASSWORDS_FILE", list.to_str().unwrap())]).await;
    let acme = app.acme().await;
    let change = async |new: &str| {
        acme.post(
            "/account/password",
            &[("current_password", PASSWORD), ("new_password", new), ("repeat_password", new)],
        )
        .await
    };
    let refused = change(breached).await;
    assert_eq!(refused.status, 422);
    assert!(refused.one("#problem").contains("lists of common and breached passwords"), "{}", refused.text());
    std::fs::remove_file(&list).unwrap();
    let unchecked = change("another-password-of-the-river-5").await;
    assert_eq!(unchecked.status, 422);
    assert!(unchecked.one("#problem").contains("can’t be compared with the list"), "{}", unchecked.text());
    std::fs::write(&list, "00000A4A0F8D8F5E7C1B2D3E4F5061728394A5B6:1\n").unwrap();
    assert_eq!(change("another-password-of-the-river-5").await.status, 303);
}
