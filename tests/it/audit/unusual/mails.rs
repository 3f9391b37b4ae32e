//! The emails to administrators.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Looker, hour};
use crate::support::{Action, App, MailRow, Outcome, World};

impl Looker {
    /// Ten refusals of a login, some hours after [`hour`], and what the log then has of them.
    async fn refusals(&self, user: &str, hours: i64) -> i64 {
        let denied = self.app.new_events(Action::AccessDenied).by(user).outcome(Outcome::Denied);
        denied.at(hour() + TimeDelta::hours(hours)).count(10).record().await;
        self.look_until(hour() + TimeDelta::hours(hours + 1)).await.last().unwrap().id
    }

    /// The findings of each email, oldest first.
    async fn findings(&self, address: &str) -> Vec<Value> {
        let mails = self.app.mails().await;
        let theirs = mails.iter().filter(|mail| mail.to_address == address);
        theirs.map(|mail| mail.letter["findings"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_thing_is_mailed_once_a_day_and_stands_in_the_log_each_time() {
    let looker = Looker::new().await;
    let refused = |event: i64, who: &str, hour: &str| json!({"event": event, "who": who, "hour": hour, "reasons": "was refused 10 times in a row"});
    let first = looker.refusals(World::ACME, 0).await;
    looker.refusals(World::ACME, 2).await;
    let other = looker.refusals(World::RIVAL, 3).await;
    assert_eq!(looker.app.events().await.only(Action::UnusualActivity).len(), 3);
    let mut expected = vec![
        json!([refused(first, World::ACME, "Jun 11, 2031, 11:00 AM EDT")]),
        json!([refused(other, World::RIVAL, "Jun 11, 2031, 2:00 PM EDT")]),
    ];
    assert_eq!(looker.findings(World::ADMIN).await, expected);
    // Another reason of the same login is news, and is mailed without the one that is known.
    let fetches = looker.app.new_events(Action::BolDownloaded).by(World::ACME);
    fetches.at(hour() + TimeDelta::hours(4)).count(201).record().await;
    let both = looker.refusals(World::ACME, 4).await;
    let many = "fetched 201 documents in an hour, more than 200";
    expected.push(json!([{"event": both, "who": World::ACME, "hour": "Jun 11, 2031, 3:00 PM EDT", "reasons": many}]));
    assert_eq!(looker.findings(World::ADMIN).await, expected);
    // A day after the first email.
    looker.refusals(World::ACME, 23).await;
    assert_eq!(looker.findings(World::ADMIN).await.len(), 3);
    let next_day = looker.refusals(World::ACME, 24).await;
    expected.push(json!([refused(next_day, World::ACME, "Jun 12, 2031, 11:00 AM EDT")]));
    assert_eq!(looker.findings(World::ADMIN).await, expected);
    // What is older than a day is forgotten.
    assert_eq!(looker.app.count("unusual_mails").await, 3);
}

/// One email for each look, to every active administrator and to no one else.
#[tokio::test(flavor = "multi_thread")]
async fn every_administrator_gets_one_email_about_a_look() {
    let looker = Looker::new().await;
    let (second, gone) = ("second@terminal.example", "former@terminal.example");
    for address in [second, gone] {
        looker.app.new_user(address).role("admin").create().await;
    }
    looker.app.sql(&format!("UPDATE users SET active = false WHERE email = '{gone}'")).await;
    let denied = looker.app.new_events(Action::AccessDenied).by(World::RIVAL).outcome(Outcome::Denied);
    denied.at(hour()).count(10).record().await;
    looker.refusals(World::ACME, 1).await;
    let mails = looker.app.mails().await;
    let to: Vec<&str> = mails.iter().map(|mail| mail.to_address.as_str()).collect();
    assert_eq!(to, [World::ADMIN, second]);
    assert!(mails.iter().all(|mail| mail.purpose == "unusual-activity"), "{mails:?}");
    let who = |mail: &MailRow| {
        let findings = mail.letter["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["who"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(mails.iter().all(|mail| who(mail) == [World::RIVAL, World::ACME]), "{mails:?}");
    // An administrator who joins later has not read about it.
    let third = "third@terminal.example";
    looker.app.new_user(third).role("admin").create().await;
    looker.refusals(World::ACME, 2).await;
    assert_eq!(looker.app.mails().await.len(), 3);
    assert_eq!(looker.findings(third).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_email_leads_to_the_event_and_to_the_log() {
    let (app, mut smtp) = App::with_mail().await;
    let looker = Looker::of(app).await;
    let event = looker.refusals(World::ACME, 0).await;
    // The look is in the future, and so is its email.
    looker.app.sql("UPDATE mails SET due_at = now()").await;
    let mail = smtp.next().await;
    assert_eq!((mail.to.as_str(), mail.subject), (World::ADMIN, format!("Unusual activity: {}", World::ACME)));
    let href = format!("{}/audit/events/{event}", looker.app.url);
    let lines = format!("{}\n\n  Jun 11, 2031, 11:00 AM EDT  was refused 10 times in a row\n  {href}\n", World::ACME);
    assert!(mail.text.replace("\r\n", "\n").contains(&lines), "{}", mail.text);
    assert!(mail.html.contains(&format!("href=\"{href}\"")), "{}", mail.html);
    let log = format!("{}/audit?action=UNUSUAL_ACTIVITY", looker.app.url);
    assert!(mail.text.contains(&log) && mail.html.contains(&log));
    // Every administrator gets it, so there is nothing to unsubscribe from.
    assert!(!mail.raw.contains("List-Unsubscribe"), "{}", mail.raw);
    let path = href.strip_prefix(&looker.app.url).unwrap();
    assert_eq!(looker.app.user(World::ADMIN).await.get(path).await.one("h1"), "Unusual activity");
}
