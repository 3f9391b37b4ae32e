//! Denied events in a row.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Looker, hour, reasons};
use crate::support::{Action, Outcome, World};

impl Looker {
    async fn denied(&self, action: Action, user: &str, at: DateTime<Utc>, count: i64) {
        self.app.new_events(action).by(user).outcome(Outcome::Denied).at(at).count(count).record().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_refusals_of_a_login_in_a_row_are_unusual() {
    let looker = Looker::new().await;
    let later = hour() + TimeDelta::minutes(10);
    looker.denied(Action::AccessDenied, World::ACME, hour(), 10).await;
    looker.denied(Action::AccessDenied, World::RIVAL, hour(), 9).await;
    // A success ends a row.
    looker.denied(Action::AccessDenied, World::COLLEAGUE, hour(), 9).await;
    looker.app.new_events(Action::BolViewed).by(World::COLLEAGUE).at(later).record().await;
    looker.denied(Action::AccessDenied, World::COLLEAGUE, later + TimeDelta::minutes(1), 9).await;
    // Wrong passwords count too. A failure is neither, and a link that someone follows says nothing about the login.
    looker.denied(Action::LoginFailed, World::BROKER, hour(), 5).await;
    looker.app.new_events(Action::BolDownloaded).by(World::BROKER).outcome(Outcome::Failed).at(later).record().await;
    looker.app.new_events(Action::LinkFetched).by(World::BROKER).at(later).record().await;
    looker.denied(Action::AccessDenied, World::BROKER, later + TimeDelta::minutes(1), 6).await;
    looker.denied(Action::LinkFetched, World::OFFICE, hour(), 20).await;
    // A row doesn't go on from one hour to the next.
    looker.denied(Action::AccessDenied, World::ADMIN, hour() - TimeDelta::seconds(5), 10).await;
    let row = |denied: i64| json!([{"reason": "denied_in_a_row", "denied": denied, "threshold": 10}]);
    let expected = [(World::BROKER.to_owned(), row(11)), (World::ACME.to_owned(), row(10))];
    assert_eq!(reasons(&looker.look().await), expected);
}

/// The log knows a visitor without a login by the address alone.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_visitors_are_counted_by_address() {
    let looker = Looker::new().await;
    for (address, count) in [("203.0.113.9", 10), ("203.0.113.10", 9), ("2001:db8::9", 9)] {
        let refused = looker.app.new_events(Action::LoginFailed).outcome(Outcome::Denied).from(address);
        refused.at(hour()).count(count).record().await;
    }
    let found = looker.look().await;
    let row = json!([{"reason": "denied_in_a_row", "denied": 10, "threshold": 10}]);
    let read: Vec<_> = found.iter().map(|event| (event.detail("address"), event.detail["reasons"].clone())).collect();
    assert_eq!(read, [("203.0.113.9".into(), row)]);
    assert!(found[0].detail.get("login").is_none());
}
