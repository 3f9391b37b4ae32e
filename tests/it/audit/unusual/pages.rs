//! What auditors read about unusual activity.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Action, Actor, App, Outcome, World};

const SHOWN: &str = "p#unusual";

fn detail(login: &str) -> Value {
    let reasons = json!([
        {"reason": "more_than_usual", "documents": 412, "usual": 12, "hours": 9, "times": 10},
        {"reason": "new_network", "networks": ["203.0.113.0/24"]},
    ]);
    json!({"login": login, "hour": "2026-11-30T15:00:00Z", "reasons": reasons})
}

impl App {
    async fn add_finding(&self, login: &str, days_ago: i64) {
        let at = self.clock.now() - TimeDelta::days(days_ago);
        self.new_events(Action::UnusualActivity).at(at).detail(detail(login)).record().await;
    }
}

/// The line about unusual activity, or nothing.
async fn line(actor: &Actor, path: &str) -> Vec<String> {
    actor.get(path).await.all(SHOWN)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_of_the_log_says_how_much_was_unusual() {
    let app = App::start().await;
    let auditor = app.auditor().await;
    assert!(line(&auditor, "/audit").await.is_empty());
    app.add_finding(World::ACME, 8).await;
    assert!(line(&auditor, "/audit").await.is_empty(), "older than seven days");
    app.add_finding(World::ACME, 5).await;
    assert_eq!(line(&auditor, "/audit").await, ["1 unusual activity in the last 7 days: show it"]);
    app.add_finding(World::RIVAL, 0).await;
    let page = auditor.get("/audit").await;
    assert_eq!(page.all(SHOWN), ["2 unusual activities in the last 7 days: show them"]);
    let href = page.attributes("p#unusual a", "href").remove(0);
    let shown = auditor.get(&href).await;
    assert_eq!(shown.all(".log tbody .code"), ["UNUSUAL_ACTIVITY"; 2]);
    for filtered in [href.as_str(), "/audit?view=downloads", "/audit?q=x", "/audit?number=PRT-2025-0001"] {
        assert!(line(&auditor, filtered).await.is_empty(), "{filtered}");
    }
    // Administrators read the log too. Other roles don’t.
    assert_eq!(line(&app.user(World::ADMIN).await, "/audit").await.len(), 1);
    assert_eq!(app.office().await.get("/audit").await.status, 403);
    assert_eq!(app.acme().await.get("/audit").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_of_a_login_leads_to_its_unusual_activity() {
    let app = App::start().await;
    app.add_finding(World::ACME, 20).await;
    app.add_finding(World::RIVAL, 1).await;
    let auditor = app.auditor().await;
    let page = auditor.get(&format!("/audit?user={}", World::ACME)).await;
    assert_eq!(page.all(SHOWN), ["1 unusual activity of this login in the last 31 days: show it"]);
    let shown = auditor.get(&page.attributes("p#unusual a", "href").remove(0)).await;
    let row = shown.all(".log tbody tr").remove(0);
    assert!(row.contains(World::ACME) && shown.all(".log tbody tr").len() == 1, "{row}");
    assert!(line(&auditor, &format!("/audit?user={}", World::COLLEAGUE)).await.is_empty());
    assert!(line(&auditor, &format!("/audit?user={}&view=downloads", World::ACME)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_says_its_reasons_in_words() {
    let app = App::start().await;
    app.add_finding(World::ACME, 0).await;
    // An event that the program can't read is shown all the same.
    app.new_events(Action::UnusualActivity)
        .detail(json!({"reasons": [{"reason": "of a later version"}]}))
        .record()
        .await;
    app.new_events(Action::AccessDenied).outcome(Outcome::Denied).detail(detail(World::RIVAL)).record().await;
    let auditor = app.auditor().await;
    let page = auditor.get("/audit?action=UNUSUAL_ACTIVITY").await;
    let words = format!(
        "{}: fetched 412 documents in an hour, usually 12; came from a network not used in 90 days: 203.0.113.0/24",
        World::ACME
    );
    let rows = page.all(".log tbody td:nth-child(2)");
    assert_eq!(
        rows,
        ["Unusual activity UNUSUAL_ACTIVITY".into(), format!("Unusual activity {words} UNUSUAL_ACTIVITY")]
    );
    assert_eq!(auditor.get("/audit?action=ACCESS_DENIED").await.all(".log tbody .reasons"), Vec::<String>::new());
    let event = auditor.get(&page.attributes(".log tbody .lead a", "href").remove(1)).await;
    assert!(event.one("main").contains(&words), "{}", event.one("main"));
    let timeline = format!("/audit?user={}", World::ACME.replace('@', "%40"));
    assert!(event.attributes(".lines a", "href").contains(&timeline));
}
