//! Webhooks: what is sent, to whom, and in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::support::{Action, Actor, App, Load, Received, Receiver, World};

/// Networks that the tests' servers may reach.
pub const LOOPBACK: (&str, &str) = ("WEBHOOK_ALLOW_PRIVATE", "127.0.0.0/8");
pub const ALL: [&str; 6] =
    ["bol.issued", "bol.assigned", "bol.voided", "bol.weighed", "document.added", "document.fetched"];

/// A webhook with its secret and its public key.
pub struct Made {
    pub page: String,
    pub secret: String,
    pub public: String,
}

/// Adds a webhook about the BOLs of a customer, or about all.
pub async fn add(actor: &Actor, base: &str, customer: &str, url: &str, events: &[&str]) -> Made {
    let mut form = vec![("form_key", url), ("customer", customer), ("url", url)];
    form.extend(events.iter().map(|event| ("events", *event)));
    let added = actor.post(base, &form).await;
    assert_eq!(added.status, 303, "{}", added.text());
    keys(actor, added.header("location")).await
}

/// Reads the page with the keys.
pub async fn keys(actor: &Actor, address: &str) -> Made {
    let shown = actor.get(address).await;
    let keys = shown.all("code.secret");
    let page = shown.attributes("a.button.primary", "href").pop().unwrap();
    Made { page, public: keys[0].clone(), secret: keys[1].clone() }
}

/// Makes COLLEAGUE the administrator of ACME.
pub async fn admin_of_acme(app: &App) -> Actor {
    app.sql(
        "UPDATE memberships SET is_admin = true WHERE user_id = (SELECT id FROM users WHERE email = 'dock@acme.example')",
    )
    .await;
    app.user(World::COLLEAGUE).await
}

/// A server that can issue BOLs and reach the tests' receivers.
pub async fn start() -> App {
    let app = App::start_with(&[LOOPBACK]).await;
    app.save_terminal_address().await;
    app
}

pub async fn issue(app: &App, office: &Actor, customer: &str) -> String {
    let load = Load::today(app).await.with("customer", customer);
    load.with("ship_to", &format!("{customer} Foundry\n14 Mill Road\nDayton, OH 45404")).issue(office).await
}

/// Waits until nothing waits to be sent.
pub async fn settled(app: &App) {
    app.sealed().await;
    for _ in 0..400 {
        let behind = "SELECT 1 FROM webhook_cursor WHERE position < (SELECT max(position) FROM audit_leaves)";
        let waiting = "SELECT id FROM webhook_deliveries WHERE state = 'waiting'";
        if app.rows(behind).await.is_empty() && app.rows(waiting).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still waiting: {:?}", app.rows("SELECT id, state, attempts FROM webhook_deliveries").await);
}

/// Waits until this many attempts are recorded. The receiver has each message a little earlier.
pub async fn tried(app: &App, count: usize) {
    for _ in 0..400 {
        if app.count("webhook_attempts").await >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{count} attempts expected: {:?}", app.rows("SELECT at, status, error FROM webhook_attempts").await);
}

pub fn events(received: &[Received]) -> Vec<String> {
    received.iter().map(Received::event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_is_sent_what_happens_to_a_bol_in_order() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &ALL).await;
    let number = issue(&app, &office, "ACME").await;
    let ticket = crate::support::scan::paper("ticket");
    let uploaded = office.upload(&[("kind", "scale-ticket")], &format!("{number}.pdf"), &ticket).await;
    assert_eq!(uploaded.outcomes(), [format!("stored {number}")]);
    app.acme().await.download(&format!("/bols/{number}/download")).await;
    office.post(&format!("/office/bols/{number}/void"), &[("reason", "Wrong truck")]).await;
    settled(&app).await;
    let received = receiver.received();
    assert_eq!(events(&received), ["bol.issued", "document.added", "document.fetched", "bol.voided"]);
    assert!(received.iter().all(|message| message.number() == number && message.path == "/hook"));
    let issued = received[0].json();
    let id = issued["data"]["bol"]["id"].as_i64().unwrap();
    let event = app.events().await.single(Action::BolCreated);
    assert_eq!(
        issued["data"],
        json!({"event": event.id, "bol": {"id": id, "number": number, "path": format!("/api/v1/bols/{number}")}, "customer": "ACME"})
    );
    let ids: BTreeSet<&str> = received.iter().map(|message| message.id.as_str()).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| id.starts_with("msg_")), "{ids:?}");
    assert_eq!(received[0].content_type, "application/json");
    assert_eq!(received[1].json()["data"]["document"]["dsdc_code"], "SCL");
    for message in &received {
        assert!(!message.text.contains("http") && message.text.len() < 600, "{}", message.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_company_is_sent_its_own_bols_alone() {
    let app = start().await;
    let (office, admin) = (app.office().await, admin_of_acme(&app).await);
    let (own, others) = (Receiver::start().await, Receiver::start().await);
    add(&admin, "/people/webhooks", "ACME", &own.url, &ALL).await;
    add(&office, "/office/webhooks", "RIVAL", &others.url, &ALL).await;
    let (mine, theirs) = (issue(&app, &office, "ACME").await, issue(&app, &office, "RIVAL").await);
    // Office staff who fetch, also in a customer's place, are not the customer.
    office.download(&format!("/bols/{mine}/download")).await;
    settled(&app).await;
    let form = [("number", mine.as_str()), ("customer", "RIVAL")];
    office.post("/office/bols/assign", &form).await;
    settled(&app).await;
    let (own, others) = (own.received(), others.received());
    assert_eq!(events(&own), ["bol.issued", "bol.assigned"]);
    assert_eq!(events(&others), ["bol.issued", "bol.assigned"]);
    assert_eq!((own[0].number(), others[0].number()), (mine.clone(), theirs));
    let (lost, gained) = (own[1].json(), others[1].json());
    assert_eq!((&lost["data"]["assigned"], &gained["data"]["assigned"]), (&json!(false), &json!(true)));
    // The number of the event would count what all companies do.
    assert!(!own.iter().any(|message| message.text.contains("RIVAL") || message.text.contains("\"event\"")));
    assert!(!others.iter().any(|message| message.text.contains("ACME")));
}

/// A message that waits is about a BOL that the company had when it was queued.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_about_a_bol_that_was_taken_away_in_the_meantime() {
    let app = start().await;
    let (office, admin, receiver) = (app.office().await, admin_of_acme(&app).await, Receiver::start().await);
    let made = add(&admin, "/people/webhooks", "ACME", &receiver.url, &["bol.issued", "bol.voided"]).await;
    app.sql("UPDATE webhooks SET paused_until = '2100-01-01'").await;
    let kept = issue(&app, &office, "ACME").await;
    let taken = issue(&app, &office, "ACME").await;
    office.post("/office/bols/assign", &[("number", &taken), ("customer", "RIVAL")]).await;
    app.sealed().await;
    app.sql("UPDATE webhooks SET paused_until = 'epoch'").await;
    settled(&app).await;
    let received = receiver.received();
    assert_eq!(received.iter().map(Received::number).collect::<Vec<_>>(), [kept]);
    let list = admin.get(&made.page).await.all("tbody tr");
    assert!(list.iter().any(|row| row.contains("Not sent")), "{list:?}");
    assert!(!list.iter().any(|row| row.contains(&taken)), "nor shown: {list:?}");
    // Nor anything while the company is inactive.
    app.sql("UPDATE webhooks SET paused_until = '2100-01-01'").await;
    issue(&app, &office, "ACME").await;
    app.sealed().await;
    app.sql("UPDATE customers SET active = false WHERE code = 'ACME'; UPDATE webhooks SET paused_until = 'epoch'")
        .await;
    settled(&app).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_send_each_message_once() {
    let mut app = start().await;
    app.second().await;
    app.second().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &["bol.issued", "bol.voided"]).await;
    let mut numbers = Vec::new();
    for _ in 0..6 {
        numbers.push(issue(&app, &office, "ACME").await);
        let number = numbers.last().unwrap();
        office.post(&format!("/office/bols/{number}/void"), &[("reason", "Wrong truck")]).await;
    }
    settled(&app).await;
    let received = receiver.received();
    let mut by_number: BTreeMap<String, Vec<String>> = BTreeMap::new();
    received.iter().for_each(|message| by_number.entry(message.number()).or_default().push(message.event()));
    assert_eq!(by_number.len(), 6);
    assert!(by_number.values().all(|events| events == &["bol.issued", "bol.voided"]), "{by_number:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_is_never_sent() {
    let app = start().await;
    let (office, receiver) = (app.office().await, Receiver::start().await);
    add(&office, "/office/webhooks", "", &receiver.url, &ALL).await;
    let before = issue(&app, &office, "ACME").await;
    app.sql("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
             CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON bols DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()").await;
    let refused = Load::today(&app).await.post(&office, "/office/bols").await;
    assert!(refused.status >= 400, "{}", refused.status);
    app.sql("DROP TRIGGER fail ON bols").await;
    let after = issue(&app, &office, "ACME").await;
    settled(&app).await;
    // Messages of different BOLs may overtake each other.
    let numbers: BTreeSet<String> = receiver.received().iter().map(Received::number).collect();
    assert_eq!(numbers, BTreeSet::from([before, after]));
}
