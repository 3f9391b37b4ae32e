//! The outbox with a real SMTP server that is up, down, slow, or refuses one address.

use std::time::Duration;

use chrono::TimeDelta;
use primetrade::clock::Clock;

use crate::support::{App, Mail, MailRow, Smtp, World};

async fn ask_for_a_link(app: &App, email: &str) {
    let answer = app.stranger().post("/password-reset", &[("email", email)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/password-reset?done=sent"));
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
    assert!(!mail.raw.contains("List-Unsubscribe"), "a link for a password can't be unsubscribed");
    assert!(mail.text.lines().all(|line| line.len() < 998), "{}", mail.text);
    // Neither the outbox nor a backup of it contains a usable link.
    let stored = app.mail_to(World::ACME).await.letter.to_string();
    assert!(!stored.contains(link.rsplit('=').next().unwrap()), "{stored}");
    app.only_mail_until(|mail| mail.is_sent() && mail.attempts == 1).await;
    smtp.quiet(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_lost_while_the_server_is_down() {
    let (app, smtp) = App::with_mail().await;
    let port = smtp.port;
    drop(smtp);
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask_for_a_link(&app, World::ACME).await;
    app.only_mail_until(|mail| mail.attempts == 1 && mail.has_error() && !mail.is_sent()).await;
    let mut smtp = Smtp::on(port).await;
    smtp.quiet(3).await;
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(smtp.next().await.to, World::ACME);
    app.only_mail_until(|mail| mail.is_sent() && !mail.has_error()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_has_expired_is_given_up() {
    let (app, smtp) = App::with_mail().await;
    drop(smtp);
    ask_for_a_link(&app, World::ACME).await;
    app.only_mail_until(|mail| mail.attempts == 1 && mail.has_error()).await;
    app.clock.advance(TimeDelta::hours(2));
    let too_late = "it expired before a server accepted it";
    app.only_mail_until(|mail| mail.has_failed() && mail.last_error == too_late).await;
    let page = app.office().await.get("/office").await;
    assert!(page.text().contains("it expired before"), "{}", page.text());
}

/// What became of a mail at its first attempt.
#[derive(Clone, Copy, PartialEq)]
struct Expected<'a> {
    to: &'a str,
    is_sent: bool,
    has_failed: bool,
    /// The server refused it, for now or for good.
    is_refused: bool,
}

impl<'a> Expected<'a> {
    fn of(mail: &'a MailRow) -> Self {
        let is_refused = ["permanent", "transient"].iter().any(|word| mail.last_error.starts_with(word));
        Self { to: &mail.to_address, is_sent: mail.is_sent(), has_failed: mail.has_failed(), is_refused }
    }
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
    let expected = [
        Expected { to: "later@acme.example", is_sent: false, has_failed: false, is_refused: true },
        // An expired password of the portal is no fault of the address, so the mail waits.
        Expected { to: "locked@acme.example", is_sent: false, has_failed: false, is_refused: true },
        Expected { to: "quick@acme.example", is_sent: true, has_failed: false, is_refused: false },
        Expected { to: "refused@acme.example", is_sent: false, has_failed: true, is_refused: true },
        Expected { to: "slow@acme.example", is_sent: true, has_failed: false, is_refused: false },
    ];
    app.mails_until(|mails| {
        let mut mails: Vec<&MailRow> = mails.iter().collect();
        mails.sort_by(|one, other| one.to_address.cmp(&other.to_address));
        mails.iter().map(|mail| Expected::of(mail)).eq(expected) && mails.iter().all(|mail| mail.attempts == 1)
    })
    .await;
    let page = app.office().await.get("/office").await;
    let shown = page.one("section:has(#undelivered) tbody");
    assert!(shown.contains("refused@acme.example") && shown.contains("No such mailbox here"), "{shown}");
    // The delayed mail is tried less and less often.
    app.clock.advance(TimeDelta::minutes(1));
    app.mails_until(|mails| {
        let later = mails.iter().find(|mail| mail.to_address.starts_with("later")).unwrap();
        let waits = later.due_at - Clock::system().now();
        later.attempts == 2 && (300..=420).contains(&waits.num_seconds())
    })
    .await;
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
    let mails = app.mails().await;
    assert!(!mails.is_empty() && mails.iter().all(|mail| mail.attempts == 1), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mails_are_files_for_the_operator_alone() {
    use std::os::unix::fs::PermissionsExt;
    let app = App::start().await;
    ask_for_a_link(&app, World::ACME).await;
    app.only_mail_until(MailRow::is_sent).await;
    let path = app.media("mail/00000001-reset.eml");
    let raw = std::fs::read_to_string(&path).unwrap();
    let mail = Mail::read(&raw, World::ACME.into());
    assert!(mail.raw.contains("From: PrimeTrade <portal@localhost>"), "{raw}");
    let page = app.stranger().get(&mail.link("http")).await;
    assert_eq!((page.status, page.one("h1")), (200, "Choose a new password".into()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
