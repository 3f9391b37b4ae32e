//! Webhooks whose receivers fail: what is sent again, when, and for how long.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;

use super::webhooks::{ALL, add, admin_of_acme, events, issue, settled, start, tried};
use crate::support::{Action, Outcome, Program, Received, Receiver, Reply, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_for_an_hour_gets_everything_in_order() {
    let app = start().await;
    let office = app.office().await;
    let down = Receiver::start().await;
    let (url, address) = (down.url.clone(), down.address());
    drop(down);
    add(&office, "/office/webhooks", "", &url, &ALL).await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(issue(&app, &office, "ACME").await);
    }
    for number in &numbers {
        office.post(&format!("/office/bols/{number}/void"), &[("reason", "Wrong truck")]).await;
    }
    // Every attempt of the hour fails. Each pause is longer than the one before.
    let failures = "SELECT failures FROM webhooks";
    for minute in 0..90 {
        app.clock.advance(TimeDelta::minutes(1));
        tokio::time::sleep(Duration::from_millis(if minute % 10 == 0 { 700 } else { 20 })).await;
    }
    let failed: usize = app.rows(failures).await[0].parse().unwrap();
    assert!((2..20).contains(&failed), "{failed}");
    let receiver = Receiver::on(&address).await;
    receiver.reply([Reply::Status(500)]);
    for _ in 0..40 {
        app.clock.advance(TimeDelta::minutes(30));
        tokio::time::sleep(Duration::from_millis(400)).await;
        if app.rows("SELECT id FROM webhook_deliveries WHERE state = 'waiting'").await.is_empty() {
            break;
        }
    }
    settled(&app).await;
    let received = receiver.received();
    for number in &numbers {
        let about: Vec<&Received> = received.iter().filter(|message| message.number() == *number).collect();
        let mut order: Vec<String> = about.iter().map(|message| message.event()).collect();
        order.dedup();
        assert_eq!(order, ["bol.issued", "bol.voided"], "{number}");
    }
    // The message that was answered with 500 came again with the same id.
    let mut times: HashMap<&str, usize> = HashMap::new();
    received.iter().for_each(|message| *times.entry(&message.id).or_default() += 1);
    assert_eq!((times.len(), received.len()), (6, 7), "{times:?}");
    assert_eq!(app.rows("SELECT failures, stopped_at IS NULL FROM webhooks").await[0], "0|true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_message_holds_back_its_own_bol_alone() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued", "bol.voided"]).await;
    let first = issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    tried(&app, 1).await;
    app.sql("UPDATE webhook_deliveries SET state = 'waiting', ended_at = NULL, due_at = '2100-01-01'").await;
    office.post(&format!("/office/bols/{first}/void"), &[("reason", "Wrong truck")]).await;
    let second = issue(&app, &office, "ACME").await;
    let received = receiver.until(2).await;
    assert_eq!((received[1].number(), received[1].event()), (second, "bol.issued".into()));
    app.sql("UPDATE webhook_deliveries SET due_at = 'epoch' WHERE due_at = '2100-01-01'").await;
    let received = receiver.until(4).await;
    assert_eq!(events(&received[2..]), ["bol.issued", "bol.voided"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_410_turns_the_webhook_off() {
    let app = start().await;
    let (office, admin, receiver) = (app.office().await, admin_of_acme(&app).await, Receiver::start().await);
    let made = add(&admin, "/people/webhooks", "ACME", &receiver.url, &ALL).await;
    receiver.reply([Reply::Status(410)]);
    issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    app.mails_until(|mails| !mails.is_empty()).await;
    let mails = app.mails().await;
    assert_eq!((mails[0].to_address.as_str(), mails[0].purpose.as_str()), (World::COLLEAGUE, "webhook-off"));
    let stopped = app.events().await.single(Action::WebhookStopped);
    assert_eq!((stopped.email(), stopped.customer(), stopped.detail("reason")), ("portal", "ACME", "gone".into()));
    assert_eq!(stopped.outcome, Outcome::Failed.as_str());
    assert!(admin.get(&made.page).await.text().contains("wants no more messages (410)"));
    issue(&app, &office, "ACME").await;
    app.sealed().await;
    assert_eq!(admin.post(&format!("{}/test", made.page), &[]).await.status, 422);
    // Turned on again, it is sent what waited, and not what happened in the meantime.
    admin.expect_saved(&format!("{}/on", made.page), &[], &format!("{}?done=on", made.page)).await;
    settled(&app).await;
    let received = receiver.received();
    assert_eq!((received.len(), &received[0].id), (2, &received[1].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_failures_in_a_row_turn_the_webhook_off() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued"]).await;
    receiver.always(Some(Reply::Status(503)));
    let number = issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    for failures in 2..=20 {
        tried(&app, failures - 1).await;
        app.sql("UPDATE webhooks SET paused_until = 'epoch'; UPDATE webhook_deliveries SET due_at = 'epoch' WHERE state = 'waiting'").await;
        assert_eq!(receiver.until(failures).await.len(), failures);
    }
    app.mails_until(|mails| !mails.is_empty()).await;
    let mails = app.mails().await;
    assert_eq!((mails[0].to_address.as_str(), mails[0].purpose.as_str()), (World::OFFICE, "webhook-off"));
    assert_eq!(app.events().await.single(Action::WebhookStopped).detail("reason"), "failures");
    assert_eq!(app.rows("SELECT failures, stopped_for FROM webhooks").await[0], "20|failures");
    assert_eq!(
        app.rows("SELECT state, attempts, give_up_at - created_at FROM webhook_deliveries").await[0],
        "waiting|20|3 days"
    );
    // Turned on too late, it gives up what waited longer than three days.
    app.clock.advance(TimeDelta::days(4));
    let office = app.office().await;
    office.expect_saved("/office/webhooks/1/on", &[], "/office/webhooks/1?done=on").await;
    settled(&app).await;
    assert!(office.get("/office/webhooks/1").await.one("tbody tr").contains("Given up"), "{number}");
    assert_eq!(receiver.received().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_accepted_by_2xx_alone() {
    let app = start().await;
    let (office, receiver, target) = (app.office().await, Receiver::start().await, Receiver::start().await);
    let made = add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued"]).await;
    let metadata = "http://169.254.169.254/latest/meta-data".to_owned();
    let replies = [
        Reply::Redirect(target.url.clone()),
        Reply::Redirect(metadata),
        Reply::Status(500),
        Reply::Late(Duration::from_secs(12)),
        Reply::Status(202),
    ];
    receiver.reply(replies);
    issue(&app, &office, "ACME").await;
    for count in 1..=5 {
        receiver.until(count).await;
        tried(&app, count).await;
        app.sql("UPDATE webhooks SET paused_until = 'epoch'; UPDATE webhook_deliveries SET due_at = 'epoch' WHERE state = 'waiting'").await;
    }
    settled(&app).await;
    assert!(target.received().is_empty());
    let attempts = app
        .rows("SELECT coalesce(status, 0), error <> '', milliseconds >= 9900 FROM webhook_attempts ORDER BY id")
        .await;
    assert_eq!(attempts, ["307|false|false", "307|false|false", "500|false|false", "0|true|true", "202|false|false"]);
    let delivery = office.get(&made.page).await.attributes("tbody a", "href").remove(0);
    let page = office.get(&delivery).await;
    assert!(
        page.text().contains("took longer than 10 seconds") || page.text().contains("answer in time"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("HTTP 202") && page.text().contains("Accepted by the receiver"));
}

/// A crash between the answer and its record: the message comes again, with the same id.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_sends_the_message_again() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued"]).await;
    app.sql(
        "CREATE SEQUENCE failures; \
         CREATE FUNCTION pg_temp_fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
         BEGIN PERFORM nextval('failures'); RAISE EXCEPTION 'the disk is full'; END $$; \
         CREATE TRIGGER fail BEFORE INSERT ON webhook_attempts FOR EACH ROW EXECUTE FUNCTION pg_temp_fail()",
    )
    .await;
    issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    // A sequence isn't rolled back.
    for _ in 0..400 {
        if !app.rows("SELECT 1 FROM failures WHERE is_called").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.sql("DROP TRIGGER fail ON webhook_attempts; DROP FUNCTION pg_temp_fail").await;
    // The lease of the process that failed.
    app.sql("UPDATE webhooks SET leased_until = 'epoch'").await;
    settled(&app).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].id, received[1].id);
}

/// What a user asks for comes first, is tried once, and counts neither as a failure nor as a turn of its BOL.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_passes_what_waits_and_ends_the_pause() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    let made = add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued"]).await;
    receiver.always(Some(Reply::Status(500)));
    issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    app.sql("UPDATE webhooks SET paused_until = '2100-01-01', failures = 19").await;
    for tests in 1..=3 {
        let sent = office.post(&format!("{}/test", made.page), &[]).await;
        assert_eq!(receiver.until(1 + tests).await[tests].event(), "webhook.test");
        let page = office.get(sent.header("location")).await;
        assert!(page.text().contains("HTTP 500") && page.text().contains("Given up"), "{}", page.text());
    }
    assert_eq!(app.rows("SELECT failures, stopped_at IS NULL FROM webhooks").await[0], "19|true");
    receiver.always(None);
    office.post(&format!("{}/test", made.page), &[]).await;
    let received = receiver.until(6).await;
    assert_eq!((received[5].event(), &received[5].id), ("bol.issued".into(), &received[0].id));
    settled(&app).await;
    assert_eq!(app.rows("SELECT failures FROM webhooks").await[0], "0");
    let sent = app.events().await.only(Action::WebhookSent);
    assert_eq!((sent.len(), sent[0].email(), sent[0].detail("test")), (4, World::OFFICE, "true".into()));
    // Only so many in ten minutes.
    app.sql("INSERT INTO webhook_deliveries (webhook_id, message_id, event, body, created_at, due_at, give_up_at, asked_at, state, ended_at) \
             SELECT 1, n, 'webhook.test', '', now(), now(), now(), now(), 'failed', now() FROM generate_series(1, 20) AS n").await;
    let refused = office.post(&format!("{}/test", made.page), &[]).await;
    assert!(refused.status == 422 && refused.text().contains("last ten minutes"), "{}", refused.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_address_is_tried_at_once() {
    let app = start().await;
    let (office, wrong, right) = (app.office().await, Receiver::start().await, Receiver::start().await);
    let made = add(&office, "/office/webhooks", "", &wrong.url, &["bol.issued"]).await;
    wrong.always(Some(Reply::Status(404)));
    issue(&app, &office, "ACME").await;
    wrong.until(1).await;
    app.sql("UPDATE webhooks SET paused_until = '2100-01-01', failures = 15; UPDATE webhook_deliveries SET due_at = '2100-01-01'").await;
    let form = [("url", right.url.as_str()), ("events", "bol.issued")];
    office.expect_saved(&made.page, &form, &format!("{}?done=saved", made.page)).await;
    right.until(1).await;
    settled(&app).await;
    let changed = app.events().await.single(Action::WebhookChanged);
    assert_eq!(changed.detail("url_changed"), "true", "although the log doesn't name the path");
}

/// A process that was away for longer than its lease changes nothing about the webhook that another one has.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_belongs_to_one_process() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued"]).await;
    receiver.reply([Reply::Late(Duration::from_secs(3)), Reply::Status(204)]);
    issue(&app, &office, "ACME").await;
    receiver.until(1).await;
    // Another process takes over.
    app.sql("UPDATE webhooks SET leased_until = '2100-01-01'").await;
    settled(&app).await;
    issue(&app, &office, "ACME").await;
    app.sealed().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(app.rows("SELECT leased_until > now() FROM webhooks").await[0], "true");
    app.sql("UPDATE webhooks SET leased_until = 'epoch'").await;
    receiver.until(2).await;
}

/// Every message arrives although a sender was killed in the middle of one, and each BOL's in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sender_loses_nothing() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &ALL).await;
    app.sql("UPDATE webhooks SET paused_until = '2100-01-01'").await;
    for _ in 0..3 {
        let number = issue(&app, &office, "ACME").await;
        office.post(&format!("/office/bols/{number}/void"), &[("reason", "Wrong truck")]).await;
    }
    app.sealed().await;
    // For the server of the test, nothing is due yet.
    app.clock.advance(TimeDelta::hours(-2));
    receiver.reply([Reply::Late(Duration::from_secs(60))]);
    app.sql("UPDATE webhooks SET paused_until = now() - interval '1 hour'").await;
    let folder = tempfile::TempDir::new().unwrap();
    let mut first = Program::start(folder.path(), app.environment(), &["serve"]);
    first.address().await;
    receiver.until(3).await;
    first.signal(rustix::process::Signal::KILL);
    let mut second = Program::start(folder.path(), app.environment(), &["serve"]);
    second.address().await;
    // Instead of waiting a minute for the end of the lease.
    app.sql("UPDATE webhooks SET leased_until = 'epoch'").await;
    settled(&app).await;
    let received = receiver.received();
    let mut by_number: HashMap<String, Vec<String>> = HashMap::new();
    received.iter().for_each(|message| by_number.entry(message.number()).or_default().push(message.event()));
    assert_eq!(by_number.len(), 3);
    for events in by_number.values_mut() {
        events.dedup();
        assert_eq!(events, &["bol.issued", "bol.voided"]);
    }
    let ids: std::collections::HashSet<&str> = received.iter().map(|message| message.id.as_str()).collect();
    assert!(ids.len() == 6 && received.len() > 6, "the killed one had sent some: {}", received.len());
}
