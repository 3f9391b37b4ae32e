//! Networks that a login has not used before, and tokens in two networks at once.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Looker, hour, reasons};
use crate::support::{Action, Outcome, World};

impl Looker {
    async fn visit(&self, user: &str, address: &str, at: DateTime<Utc>) {
        self.app.new_events(Action::BolViewed).by(user).from(address).at(at).record().await;
    }

    async fn use_token(&self, id: i64, address: &str, at: DateTime<Utc>) {
        let event = self.app.new_events(Action::BolViewed).by(World::ACME).with_token(id);
        event.from(address).at(at).record().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_new_if_the_login_has_used_another_one() {
    let looker = Looker::new().await;
    let recently = hour() - TimeDelta::days(89);
    for (user, before, now) in [
        (World::ACME, "203.0.113.5", "198.51.100.7"),
        (World::RIVAL, "203.0.113.5", "203.0.113.200"),
        (World::OFFICE, "2001:db8:7:1::1", "2001:db8:7:ffff::9"),
        (World::ADMIN, "2001:db8:7::1", "2001:db8:8::1"),
    ] {
        looker.visit(user, before, recently).await;
        looker.visit(user, now, hour()).await;
    }
    // Without a history, nothing is new.
    looker.visit(World::COLLEAGUE, "198.51.100.7", hour()).await;
    looker.visit(World::BROKER, "203.0.113.5", hour() - TimeDelta::days(91)).await;
    looker.visit(World::BROKER, "198.51.100.7", hour()).await;
    // Someone else may have been refused, or have typed the address.
    looker.visit(World::AUDITOR, "203.0.113.5", recently).await;
    let refused = looker.app.new_events(Action::LoginFailed).by(World::AUDITOR).outcome(Outcome::Denied);
    refused.from("198.51.100.7").at(hour()).record().await;
    let new = |network: &str| json!([{"reason": "new_network", "networks": [network]}]);
    let expected =
        [(World::ADMIN.to_owned(), new("2001:db8:8::/48")), (World::ACME.to_owned(), new("198.51.100.0/24"))];
    assert_eq!(reasons(&looker.look().await), expected);
    // From then on, they are known.
    for (user, address) in [(World::ACME, "198.51.100.8"), (World::ADMIN, "2001:db8:8:1::2")] {
        looker.visit(user, address, hour() + TimeDelta::hours(1)).await;
    }
    assert_eq!(looker.look_until(hour() + TimeDelta::hours(2)).await, []);
}

/// A network that was used more than 90 days ago is new again.
#[tokio::test(flavor = "multi_thread")]
async fn networks_are_forgotten_and_links_are_followed() {
    let looker = Looker::new().await;
    let days = |days: i64| hour() - TimeDelta::days(days);
    for user in [World::ACME, World::RIVAL, World::OFFICE] {
        looker.visit(user, "198.51.100.7", days(91)).await;
        looker.visit(user, "203.0.113.5", days(3)).await;
    }
    looker.visit(World::ACME, "198.51.100.7", hour()).await;
    // A person's link that was followed elsewhere, and that of a program, which may hand it on.
    let followed = looker.app.new_events(Action::LinkFetched).by(World::RIVAL).from("198.51.100.7");
    followed.at(hour()).record().await;
    let handed_on = looker.app.new_events(Action::LinkFetched).by(World::OFFICE).with_token(1);
    handed_on.from("198.51.100.7").at(hour()).record().await;
    let new = json!([{"reason": "new_network", "networks": ["198.51.100.0/24"]}]);
    let expected = [(World::ACME.to_owned(), new.clone()), (World::RIVAL.to_owned(), new)];
    assert_eq!(reasons(&looker.look().await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_two_networks_within_ten_minutes_is_reported_for_itself() {
    let looker = Looker::new().await;
    let after = |seconds: i64| hour() + TimeDelta::seconds(seconds);
    looker.use_token(1, "203.0.113.5", after(0)).await;
    looker.use_token(1, "198.51.100.7", after(600)).await;
    looker.use_token(2, "203.0.113.5", after(0)).await;
    looker.use_token(2, "198.51.100.7", after(601)).await;
    looker.use_token(3, "203.0.113.5", after(0)).await;
    looker.use_token(3, "203.0.113.99", after(5)).await;
    // The hours' border is none, and a refused use is one.
    looker.use_token(4, "203.0.113.5", after(-60)).await;
    let refused = looker.app.new_events(Action::TokenRefused).by(World::ACME).with_token(4).outcome(Outcome::Denied);
    refused.from("198.51.100.7").at(after(60)).record().await;
    // Both before the hour: the look at that hour reports it.
    looker.use_token(5, "203.0.113.5", after(-60)).await;
    looker.use_token(5, "198.51.100.7", after(-30)).await;
    // Users make tokens and revoke them, and browsers follow links of programs.
    for (id, action) in [(6, Action::TokenCreated), (7, Action::TokenRevoked), (8, Action::LinkFetched)] {
        looker.use_token(id, "203.0.113.5", after(0)).await;
        let event = looker.app.new_events(action).by(World::ACME).with_token(id);
        event.from("198.51.100.7").at(after(30)).record().await;
    }
    let found = looker.look().await;
    let mut tokens: Vec<_> = found.iter().filter(|event| !event.detail["token"].is_null()).collect();
    tokens.sort_by_key(|event| event.detail["token"]["id"].as_i64());
    let two = |seconds: i64| {
        let networks = ["203.0.113.0/24", "198.51.100.0/24"];
        json!([{"reason": "token_from_two_networks", "networks": networks, "seconds": seconds}])
    };
    let read: Vec<_> =
        tokens.iter().map(|event| (event.detail["token"].clone(), event.detail["reasons"].clone())).collect();
    let token = |id: i64| json!({"id": id, "name": format!("Token {id}")});
    assert_eq!(read, [(token(1), two(600)), (token(4), two(120))]);
    assert_eq!(tokens[0].detail("login"), World::ACME);
}
