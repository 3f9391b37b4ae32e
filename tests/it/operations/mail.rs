//! The outbox with a real SMTP server that is up, down, slow, or refuses one address.

use std::time::Duration;

use chrono::TimeDelta;

use crate::support::{App, Mail, Smtp, World};

async fn ask_for_a_link(app: &App, email: &str) {
    let answer = app.stranger().post("/password-reset", &[("email", email)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/password-reset?done=sent"));
}

/// Waits until a query returns the expected rows.
pub async fn until(app: &App, select: &str, expected: &[&str]) {
    let mut found = Vec::new();
    for _ in 0..200 {
        found = app.rows(select).await;
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{select}: {found:?} instead of {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_whole_and_says_who_it_is_from() {
    let (app, mut smtp) = App::with_mail().await;
    ask_for_a_link(&app, World::ACME).await;
    let mail = smtp.next().await;
    assert_eq!(mail.to, World::ACME);
    assert_eq!(mail.subject, "Set a new password for the PrimeTrade BOL portal");
    for header in [
        "From: PrimeTrade <bol@terminal.example>",
        "To: Somebody <buyer@acme.example>",
        "Auto-Submitted: auto-generated",
        "Message-ID: <mail-1-",
        "MIME-Version: 1.0",
        "multipart/alternative",
    ] {
        assert!(mail.raw.contains(header), "{header} in {}", mail.raw);
    }
    let link = mail.link(&format!("{}/password?token=", app.url));
    assert!(mail.html.contains(&link), "{}", mail.html);
    assert!(mail.text.lines().all(|line| line.len() < 998), "{}", mail.text);
    // Neither the outbox nor a backup of it contains a usable link.
    let stored = app.rows("SELECT letter::text FROM mails").await.concat();
    assert!(!stored.contains(link.rsplit('=').next().unwrap()), "{stored}");
    until(&app, "SELECT sent_at IS NOT NULL, attempts FROM mails", &["true|1"]).await;
    smtp.quiet(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_lost_while_the_server_is_down() {
    let (app, smtp) = App::with_mail().await;
    let port = smtp.port;
    drop(smtp);
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask_for_a_link(&app, World::ACME).await;
    until(&app, "SELECT attempts, last_error <> '', sent_at IS NULL FROM mails", &["1|true|true"]).await;
    let mut smtp = Smtp::on(port).await;
    smtp.quiet(3).await;
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(smtp.next().await.to, World::ACME);
    until(&app, "SELECT sent_at IS NOT NULL, last_error FROM mails", &["true|"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_has_expired_is_given_up() {
    let (app, smtp) = App::with_mail().await;
    drop(smtp);
    ask_for_a_link(&app, World::ACME).await;
    // Attempts count from their start: only the error says that this one is over.
    until(&app, "SELECT attempts, last_error <> '' FROM mails", &["1|true"]).await;
    app.clock.advance(TimeDelta::hours(2));
    until(
        &app,
        "SELECT failed_at IS NOT NULL, last_error FROM mails",
        &["true|it expired before a server accepted it"],
    )
    .await;
    let page = app.office().await.get("/office").await;
    assert!(page.text().contains("it expired before"), "{}", page.text());
}

/// A refused address, a delayed one and a slow one don't delay other mails.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_delays_no_other_mail() {
    let (app, mut smtp) = App::with_mail().await;
    app.sql(
        "INSERT INTO users (email, name, role, password_hash) SELECT local || '@acme.example', local, 'customer', 'x' \
         FROM unnest(ARRAY['refused', 'locked', 'later', 'slow', 'quick']) local",
    )
    .await;
    for local in ["slow", "refused", "locked", "later", "quick"] {
        ask_for_a_link(&app, &format!("{local}@acme.example")).await;
    }
    let came = [smtp.next().await.to, smtp.next().await.to];
    assert_eq!(came, ["slow@acme.example", "quick@acme.example"]);
    let state = "SELECT to_address, attempts, sent_at IS NOT NULL, failed_at IS NOT NULL, last_error ~ '^(permanent|transient)' FROM mails ORDER BY 1";
    until(
        &app,
        state,
        &[
            "later@acme.example|1|false|false|true",
            // An expired password of the portal is no fault of the address, so the mail waits.
            "locked@acme.example|1|false|false|true",
            "quick@acme.example|1|true|false|false",
            "refused@acme.example|1|false|true|true",
            "slow@acme.example|1|true|false|false",
        ],
    )
    .await;
    let page = app.office().await.get("/office").await;
    let shown = page.one("section:has(#undelivered) tbody");
    assert!(shown.contains("refused@acme.example") && shown.contains("No such mailbox here"), "{shown}");
    // The delayed mail is tried less and less often.
    app.clock.advance(TimeDelta::minutes(1));
    until(&app, "SELECT attempts FROM mails WHERE to_address LIKE 'later%'", &["2"]).await;
    let due =
        "SELECT extract(epoch FROM due_at - now())::int BETWEEN 300 AND 420 FROM mails WHERE to_address LIKE 'later%'";
    until(&app, due, &["true"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_send_each_mail_once() {
    let (mut app, mut smtp) = App::with_mail().await;
    app.second().await;
    app.second().await;
    app.sql(
        "INSERT INTO mails (to_address, purpose, letter, created_at, due_at) SELECT 'n' || n || '@acme.example', 'password-changed', \
         '{\"letter\": \"password-changed\", \"name\": \"N\"}', now(), now() FROM generate_series(1, 40) n",
    )
    .await;
    let mut came = Vec::new();
    for _ in 0..40 {
        came.push(smtp.next().await.to);
    }
    came.sort();
    came.dedup();
    assert_eq!(came.len(), 40);
    smtp.quiet(3).await;
    assert_eq!(app.rows("SELECT DISTINCT attempts FROM mails").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mails_are_files_for_the_operator_alone() {
    use std::os::unix::fs::PermissionsExt;
    let app = App::start().await;
    ask_for_a_link(&app, World::ACME).await;
    until(&app, "SELECT sent_at IS NOT NULL FROM mails", &["true"]).await;
    let path = app.media("mail/00000001-reset.eml");
    let raw = std::fs::read_to_string(&path).unwrap();
    let mail = Mail::read(&raw, World::ACME.into());
    assert!(mail.raw.contains("From: PrimeTrade <portal@localhost>"), "{raw}");
    let page = app.stranger().get(&mail.link("http")).await;
    assert_eq!((page.status, page.one("h1")), (200, "Choose a new password".into()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
