//! Forgotten passwords: links that are used twice, late, altered, superseded, opened by mail scanners, or requested with
//! forged headers. No answer reveals whether a login exists.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use crate::support::{Action, Answer, App, PASSWORD, Smtp, World};

const CHOSEN: &str = "four barges upstream 1851";

async fn ask(app: &App, email: &str) -> Answer {
    app.stranger().post("/password-reset", &[("email", email)]).await
}

async fn link(app: &App, smtp: &mut Smtp, email: &str) -> String {
    assert_eq!(ask(app, email).await.status, 303);
    smtp.next().await.link(&format!("{}/password?token=", app.url))
}

fn form(link: &str) -> [(&'static str, &str); 3] {
    [("token", link.rsplit('=').next().unwrap()), ("new_password", CHOSEN), ("repeat_password", CHOSEN)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_and_ends_sessions_and_other_links() {
    let (app, mut smtp) = App::with_mail().await;
    let before = app.acme().await;
    let link = link(&app, &mut smtp, "  BUYER@acme.example ").await;
    // An unused invitation ends too.
    app.sql("INSERT INTO tokens SELECT sha256('x'), 'invitation', id, now(), now() + '7 days' FROM users WHERE email = 'buyer@acme.example'").await;
    let scanner = app.stranger();
    for _ in 0..3 {
        for method in [Method::GET, Method::HEAD] {
            let page = Answer::of(scanner.request(method, &link)).await;
            assert_eq!((page.status, page.header("referrer-policy")), (200, "no-referrer"));
        }
    }
    let actor = app.stranger();
    let done = actor.post("/password", &form(&link)).await;
    assert_eq!((done.status, done.header("location")), (303, "/?done=welcome"));
    assert_eq!(actor.get("/bols").await.status, 200, "logged in");
    assert_eq!(before.get("/bols").await.status, 303, "former sessions are over");
    assert_eq!(actor.post("/password", &form(&link)).await.status, 410, "used twice");
    assert_eq!(app.count("tokens").await, 0);
    let told = smtp.next().await;
    assert_eq!((told.to.as_str(), told.subject.contains("was changed")), (World::ACME, true));
    app.stranger().log_in(World::ACME, CHOSEN).await;
    let old = app.stranger().post("/login", &[("email", World::ACME), ("password", PASSWORD)]).await;
    assert_eq!(old.status, 422);
    let events = app.events().await;
    let requested = events.only(Action::PasswordResetRequested);
    let requested = requested.list(|event| {
        let mut detail = event.detail.clone();
        detail.as_object_mut().unwrap().remove("mailed_to");
        (event.email(), event.role(), detail)
    });
    assert!(requested.contains(&(World::ACME, "-", json!({}))), "{events:?}");
    let changed = events.single(Action::PasswordChanged);
    assert_eq!(
        (changed.email(), changed.role(), changed.detail.clone()),
        (World::ACME, "customer", json!({"by": "reset"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn late_altered_and_superseded_links_are_gone() {
    let (app, mut smtp) = App::with_mail().await;
    let first = link(&app, &mut smtp, World::ACME).await;
    // A second request at once sends no mail, and the first link stays valid.
    assert_eq!(ask(&app, World::ACME).await.status, 303);
    smtp.quiet(3).await;
    assert_eq!(app.stranger().get(&first).await.status, 200);
    app.clock.advance(TimeDelta::minutes(5));
    let second = link(&app, &mut smtp, World::ACME).await;
    assert_eq!(app.stranger().get(&first).await.status, 410, "superseded");
    assert_eq!(app.stranger().post("/password", &form(&first)).await.status, 410);
    let last = if second.ends_with('0') { '1' } else { '0' };
    let altered = format!("{}{last}", &second[..second.len() - 1]);
    for bad in [altered.as_str(), "/password", "/password?token=", "/password?token=%00", "/password?token[]=x"] {
        let status = app.stranger().get(bad).await.status;
        assert!(status == 410, "{bad}: {status}");
    }
    app.clock.advance(TimeDelta::minutes(60));
    assert_eq!(app.stranger().get(&second).await.status, 410, "late");
    assert_eq!(app.stranger().post("/password", &form(&second)).await.status, 410);
    app.acme().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_request_gets_into_a_link() {
    let (app, mut smtp) = App::with_mail().await;
    let request = app
        .stranger()
        .request(Method::POST, "/password-reset")
        .form(&[("email", World::ACME)])
        .header("Host", "evil.example")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "https")
        .header("Forwarded", "host=evil.example");
    assert_eq!(Answer::of(request).await.status, 303);
    let mail = smtp.next().await;
    assert!(!mail.raw.contains("evil"), "{}", mail.raw);
    assert!(mail.text.contains(&format!("{}/password?token=", app.url)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_never_tells_whether_there_is_such_a_login() {
    let (app, mut smtp) = App::with_mail().await;
    let mut answers = Vec::new();
    for email in [World::ACME, "nobody@nowhere.example", World::DISABLED, World::NEW, "ACME%@acme.example"] {
        let started = Instant::now();
        let answer = ask(&app, email).await;
        // The answer waits for the next tick, however fast it was computed.
        assert!(started.elapsed() >= Duration::from_secs(1), "{email}: {:?}", started.elapsed());
        answers.push((answer.status, answer.header("location").to_owned(), answer.text()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let page = app.stranger().get("/password-reset?done=sent").await;
    assert!(page.text().contains("If that address has a login"));
    // A user without a password gets a link too, because the mailbox proves who they are.
    let mut to = vec![smtp.next().await.to, smtp.next().await.to];
    to.sort();
    assert_eq!(to, [World::ACME, World::NEW]);
    smtp.quiet(2).await;
    for bad in ["", "jane", "jane@", "a b@c.example"] {
        let answer = ask(&app, bad).await;
        assert_eq!((answer.status, answer.attributes("#email", "value")), (422, vec![bad.to_owned()]), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_have_to_wait() {
    let app = App::start().await;
    let asked = (0..10).map(|n| {
        let actor = app.stranger();
        async move { actor.post("/password-reset", &[("email", &format!("n{n}@nowhere.example"))]).await.status }
    });
    let statuses = futures_util::future::join_all(asked).await;
    assert!(statuses.iter().all(|status| *status == 303 || *status == 429), "{statuses:?}");
    assert!(statuses.contains(&303), "{statuses:?}");
    let mut answer = ask(&app, World::ACME).await;
    for _ in 0..3 {
        if answer.status != 429 {
            answer = ask(&app, World::ACME).await;
        }
    }
    assert_eq!((answer.status, answer.attributes("#email", "value")), (429, vec![World::ACME.to_owned()]));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 30);
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(ask(&app, World::ACME).await.status, 303);
}
