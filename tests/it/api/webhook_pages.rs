//! The pages about webhooks, and who may open them.

use std::process::Stdio;

use chrono::TimeDelta;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::webhooks::{LOOPBACK, add, admin_of_acme, keys};
use crate::support::{Action, App, Receiver, Reply, World, tool};

const HERE: &str = "/office/webhooks";

#[tokio::test(flavor = "multi_thread")]
async fn a_test_shows_what_was_sent_and_answered() {
    let app = App::start_with(&[LOOPBACK]).await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    let made = add(&office, HERE, "", &receiver.url, &["bol.issued"]).await;
    assert!(office.get(HERE).await.one("tbody tr").contains("All BOLs"));
    let page = office.get(&made.page).await;
    assert!(page.text().contains(&made.public) && !page.text().contains(&made.secret));
    assert!(page.text().contains("Nothing was sent yet"));
    receiver.reply([Reply::Status(500)]);
    let sent = office.post(&format!("{}/test", made.page), &[]).await;
    let delivery = sent.header("location").to_owned();
    let page = office.get(&delivery).await;
    assert!(page.text().contains("HTTP 500") && page.text().contains("noted"), "{}", page.text());
    let message = receiver.until(1).await.remove(0);
    assert_eq!((message.event().as_str(), message.json()["data"].to_string().as_str()), ("webhook.test", "{}"));
    assert!(page.text().contains(&message.id) && page.text().contains(message.signature.split(' ').next().unwrap()));
    // Sent again at once, with the same id.
    office.expect_saved(&format!("{delivery}/again"), &[], &format!("{delivery}?done=again")).await;
    assert_eq!(receiver.until(2).await[1].id, message.id);
    let page = office.get(&format!("{delivery}?done=again")).await;
    assert!(page.text().contains("Accepted by the receiver"), "{}", page.text());
    assert_eq!(page.all("section h3").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_mistakes_comes_back_with_what_was_typed() {
    let app = App::start().await;
    let office = app.office().await;
    let events = ("events", "bol.issued");
    for (url, message) in [
        ("erp.example.com", "Enter the whole address, such as https://erp.example.com/hook."),
        (
            "http://erp.example.com/hook",
            "Use an address that begins with https://, so that the messages are encrypted.",
        ),
        (
            "https://127.0.0.1/hook",
            "127.0.0.1 is not a public address. An operator can allow its network with WEBHOOK_ALLOW_PRIVATE.",
        ),
        (
            "https://[::ffff:10.1.2.3]/hook",
            "::ffff:10.1.2.3 is not a public address. An operator can allow its network with WEBHOOK_ALLOW_PRIVATE.",
        ),
        (
            "https://user:word@erp.example.com/",
            "Leave out the user name and password: they would be sent in every request.",
        ),
    ] {
        let form = [("form_key", "one"), ("customer", "RIVAL"), ("url", url), events];
        let page = office.expect_refused(HERE, &form, "url", message).await;
        assert_eq!(page.value("url"), url);
        assert_eq!(page.attributes("option[selected]", "value"), ["RIVAL"]);
        assert_eq!(page.attributes("input[name=events][checked]", "value"), ["bol.issued"]);
    }
    let url = ("url", "https://erp.example.com/hook");
    for events in [vec![], vec![("events", "bol.burned")], vec![("events", "bol.issued"), ("events", "x")]] {
        let form = [vec![("form_key", "one"), ("customer", ""), url], events].concat();
        office.expect_refused(HERE, &form, "events", "Tick at least one event.").await;
    }
    office
        .expect_refused(
            HERE,
            &[("form_key", "one"), ("customer", "NONE"), url, events],
            "customer",
            "Choose a customer from the list.",
        )
        .await;
    assert_eq!(app.count("webhooks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_once_and_changed() {
    let app = App::start().await;
    let office = app.office().await;
    let (url, events) = (("url", "https://erp.example.com/hook"), ("events", "bol.issued"));
    let form = [("form_key", "one"), ("customer", ""), url, events];
    office.expect_saved(HERE, &form, "/office/webhooks/1/secret?done=added").await;
    // The same form again makes no second one.
    office.expect_saved(HERE, &form, "/office/webhooks?done=before").await;
    assert_eq!(app.count("webhooks").await, 1);
    let refused = office.post("/office/webhooks/1", &[("url", "ftp://x"), events]).await;
    assert_eq!((refused.status, refused.value("url")), (422, "ftp://x".into()));
    office
        .expect_saved(
            "/office/webhooks/1",
            &[("url", "https://erp.example.com/new"), ("events", "bol.voided")],
            "/office/webhooks/1?done=saved",
        )
        .await;
    let changed = app.events().await.single(Action::WebhookChanged);
    assert_eq!(
        (changed.before("events"), changed.after("events")),
        (r#"["bol.issued"]"#.into(), r#"["bol.voided"]"#.into())
    );
    // The path may hold a secret of the receiver.
    assert!(!changed.detail.to_string().contains("/new") && changed.after("address") == "https://erp.example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_manages_its_own_webhooks_alone() {
    let app = App::start_with(&[LOOPBACK]).await;
    let (office, admin, receiver) = (app.office().await, admin_of_acme(&app).await, Receiver::start().await);
    let all = add(&office, HERE, "", &receiver.url, &["bol.issued"]).await.page;
    let rivals = add(&office, HERE, "RIVAL", &format!("{}?rival", receiver.url), &["bol.issued"]).await.page;
    let own = add(&admin, "/people/webhooks", "ACME", &receiver.url, &["bol.issued"]).await.page;
    admin.post(&format!("{own}/test"), &[]).await;
    let list = admin.get("/people/webhooks").await;
    assert_eq!(list.all("tbody tr").len(), 1);
    assert_eq!(office.get(HERE).await.all("tbody tr").len(), 3, "the office has charge of all");
    for customer in ["RIVAL", "", "NONE"] {
        let form = [("form_key", "x"), ("customer", customer), ("url", &receiver.url), ("events", "bol.issued")];
        assert_eq!(admin.post("/people/webhooks", &form).await.status, 422, "{customer}");
    }
    for theirs in [&all, &rivals] {
        let theirs = theirs.replace("/office/", "/people/");
        for path in ["", "/key", "/remove", "/secret", "/deliveries/1"] {
            assert_eq!(admin.get(&format!("{theirs}{path}")).await.status, 404, "{theirs}{path}");
        }
        for path in ["", "/test", "/off", "/on", "/key", "/remove", "/deliveries/1/again"] {
            let form = [("url", "https://evil.example/"), ("events", "bol.issued")];
            assert_eq!(admin.post(&format!("{theirs}{path}"), &form).await.status, 404, "{theirs}{path}");
        }
    }
    assert!(admin.get(&own).await.text().contains(&format!("by {}", World::COLLEAGUE)));
    // A delivery of another webhook is not found below one's own.
    assert_eq!(office.get(&format!("{all}/deliveries/1")).await.status, 404);
    app.sql("UPDATE memberships SET is_admin = customer_id = (SELECT id FROM customers WHERE code = 'RIVAL')").await;
    for (other, allowed) in [(app.rival().await, 404), (app.acme().await, 403), (app.auditor().await, 403)] {
        assert_eq!(other.get(&own).await.status, allowed);
        assert_eq!(other.post(&format!("{own}/remove"), &[]).await.status, allowed);
        assert_eq!(other.get(HERE).await.status, 403);
    }
    assert_eq!(app.count("webhooks").await, 3);
    assert_eq!(office.post(&format!("{}/remove", own.replace("/people/", "/office/")), &[]).await.status, 303);
    let removed = app.events().await.single(Action::WebhookRemoved);
    assert_eq!((removed.email(), removed.customer()), (World::OFFICE, "ACME"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_used_beside_the_former_one_for_a_day() {
    let app = App::start_with(&[LOOPBACK]).await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    let made = add(&office, HERE, "", &receiver.url, &["bol.issued"]).await;
    let form = [("key", made.public.as_str())];
    let (path, shown) = (format!("{}/key", made.page), format!("{}/secret", made.page));
    office.expect_saved(&path, &form, &format!("{shown}?done=key")).await;
    let second = keys(&office, &shown).await;
    assert!(second.public != made.public && second.secret != made.secret);
    // The same form again, such as by a reload, leaves the key that the receiver has.
    office.expect_saved(&path, &form, &format!("{shown}?done=key-before")).await;
    assert_eq!(keys(&office, &shown).await.public, second.public);
    // Others in charge never see the secret, and its maker for ten minutes.
    let admin = app.user(World::ADMIN).await;
    assert_eq!(admin.get(&shown).await.all("code.secret"), std::slice::from_ref(&second.public));
    app.clock.advance(TimeDelta::minutes(11));
    assert_eq!(office.get(&shown).await.all("code.secret"), [second.public]);
    office.post(&format!("{}/test", made.page), &[]).await;
    assert_eq!(receiver.until(1).await[0].signature.split(' ').count(), 4);
    app.clock.advance(TimeDelta::days(1));
    let office = app.office().await;
    office.post(&format!("{}/test", made.page), &[]).await;
    assert_eq!(receiver.until(2).await[1].signature.split(' ').count(), 2);
    // A key that another SECRET_KEY would make is not used.
    app.sql("UPDATE webhooks SET public_key = sha256('another')").await;
    let sent = office.post(&format!("{}/test", made.page), &[]).await;
    let page = office.get(sent.header("location")).await;
    assert!(page.text().contains("SECRET_KEY was changed"), "{}", page.text());
    assert_eq!(receiver.received().len(), 2);
}

/// The packages of PyPI and npm verify our signatures. Both know `v1`; for `v1a` the script uses Python's `cryptography`.
#[tokio::test(flavor = "multi_thread")]
async fn the_packages_of_standard_webhooks_verify_the_signatures() {
    let app = App::start_with(&[LOOPBACK]).await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    let made = add(&office, HERE, "", &receiver.url, &["bol.issued"]).await;
    office.post(&format!("{}/key", made.page), &[("key", &made.public)]).await;
    office.post(&format!("{}/test", made.page), &[]).await;
    let message = receiver.until(1).await.remove(0);
    let input = serde_json::json!({
        "secret": made.secret,
        "public": made.public,
        "headers": {
            "webhook-id": message.id, "webhook-timestamp": message.timestamp, "webhook-signature": message.signature,
        },
        "body": message.text,
    })
    .to_string();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support");
    if let Some(python) = tool("target/standardwebhooks/bin/python", "standardwebhooks") {
        verify(Command::new(python).arg(format!("{folder}/verify_webhook.py")), &input).await;
    }
    if let Some(package) = tool("target/standardwebhooks/node_modules/standardwebhooks", "standardwebhooks") {
        let script = format!("{folder}/verify_webhook.mjs");
        verify(Command::new("node").arg(script).arg(package), &input).await;
    }
}

/// Runs a script that reads a message, and expects it to verify it and to refuse altered ones.
async fn verify(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{command:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "verified");
}
