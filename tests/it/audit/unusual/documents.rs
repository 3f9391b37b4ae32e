//! Many documents, more than usual, and documents at night.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Looker, at, hour, reasons};
use crate::support::{Action, Outcome, World};

impl Looker {
    /// Each document of a login in one event.
    async fn fetches(&self, user: &str, at: DateTime<Utc>, count: i64) {
        self.app.new_events(Action::BolDownloaded).by(user).at(at).count(count).record().await;
    }

    /// Hours in which a login fetched this many documents: one on each of the last days.
    async fn usual_hours(&self, user: &str, hours: i64, documents: i64) {
        for day in 1..=hours {
            self.fetches(user, hour() - TimeDelta::days(day), documents).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_documents_than_the_threshold_are_many() {
    let looker = Looker::new().await;
    looker.fetches(World::ACME, hour(), 200).await;
    looker.fetches(World::RIVAL, hour(), 201).await;
    let found = looker.look().await;
    let expected = json!([{"reason": "many_documents", "documents": 201, "threshold": 200}]);
    assert_eq!(reasons(&found), [(World::RIVAL.into(), expected)]);
    let event = &found[0];
    assert_eq!((event.email(), event.outcome.as_str(), event.user_id), ("portal", "success", None));
    assert_eq!(event.detail("hour"), "2031-06-11T15:00:00Z");
    assert!(event.detail.get("token").is_none() && event.detail.get("address").is_none());
}

/// A document counts once in an hour, however it was fetched. What failed, and the fetch of a link, don't count.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_counts_once() {
    let looker = Looker::new().await;
    looker.app.sql("UPDATE settings SET unusual_documents = 10").await;
    for action in Action::DOWNLOADS {
        looker.app.new_events(action).by(World::ACME).at(hour()).count(10).record().await;
    }
    let (late, many) = (hour() + TimeDelta::minutes(30), 20);
    for (action, outcome) in [
        (Action::BolDownloaded, Outcome::Failed),
        (Action::BolDownloaded, Outcome::Denied),
        (Action::LinkFetched, Outcome::Success),
        (Action::BolViewed, Outcome::Success),
    ] {
        let every = TimeDelta::minutes(1);
        let events = looker.app.new_events(action).by(World::ACME).outcome(outcome).at(late).every(every);
        events.count(if outcome == Outcome::Denied { 5 } else { many }).record().await;
    }
    assert_eq!(reasons(&looker.look().await), []);
    // One document more, the same for each way.
    looker.begin_with(hour()).await;
    looker.fetches(World::ACME, hour(), 11).await;
    let expected = json!([{"reason": "many_documents", "documents": 11, "threshold": 10}]);
    assert_eq!(reasons(&looker.look().await), [(World::ACME.into(), expected)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_usual_number_is_more_than_usual() {
    let looker = Looker::new().await;
    // Three documents an hour on average.
    looker.usual_hours(World::ACME, 5, 3).await;
    looker.fetches(World::ACME, hour(), 29).await;
    looker.usual_hours(World::RIVAL, 5, 3).await;
    looker.fetches(World::RIVAL, hour(), 30).await;
    // One document an hour: twenty are needed at least.
    looker.usual_hours(World::COLLEAGUE, 6, 1).await;
    looker.fetches(World::COLLEAGUE, hour(), 19).await;
    looker.usual_hours(World::BROKER, 6, 1).await;
    looker.fetches(World::BROKER, hour(), 20).await;
    // Too little history: four hours, or none within 28 days, or none at all.
    looker.usual_hours(World::OFFICE, 4, 1).await;
    looker.fetches(World::OFFICE, hour(), 100).await;
    let long_ago = hour() - TimeDelta::days(28) - TimeDelta::hours(1);
    let once_a_day = looker.app.new_events(Action::BolDownloaded).by(World::ADMIN).every(TimeDelta::days(-1));
    once_a_day.at(long_ago).count(9).record().await;
    looker.fetches(World::ADMIN, hour(), 100).await;
    looker.fetches(World::NEW, hour(), 100).await;
    let more = |documents: i64, usual: i64, hours: i64| json!([{"reason": "more_than_usual", "documents": documents, "usual": usual, "hours": hours, "times": 10}]);
    let expected = [(World::BROKER.to_owned(), more(20, 1, 6)), (World::RIVAL.to_owned(), more(30, 3, 5))];
    assert_eq!(reasons(&looker.look().await), expected);
    // Both reasons are in one event.
    looker.begin_with(hour()).await;
    looker.app.sql("UPDATE settings SET unusual_documents = 29, unusual_times = 1000").await;
    let many = json!([{"reason": "many_documents", "documents": 30, "threshold": 29}]);
    let found = reasons(&looker.look().await);
    assert_eq!(found.iter().find(|(login, _)| login == World::RIVAL).unwrap().1, many);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_at_night_are_those_of_people() {
    let looker = Looker::new().await;
    // From 22:00 in New York.
    let evening = at("2031-06-11T01:00:00Z");
    let night = evening + TimeDelta::hours(1);
    looker.fetches(World::RIVAL, night - TimeDelta::seconds(3), 3).await;
    looker.fetches(World::ACME, night - TimeDelta::seconds(2), 4).await;
    let program = looker.app.new_events(Action::BolDownloaded).by(World::OFFICE).with_token(1);
    program.at(night).record().await;
    looker.app.new_events(Action::BolViewed).by(World::BROKER).at(night).record().await;
    looker.begin_with(evening).await;
    let found = looker.look_until(night + TimeDelta::hours(1)).await;
    let expected = json!([{"reason": "at_night", "documents": 2, "from": 22, "until": 5, "zone": "America/New_York"}]);
    assert_eq!(reasons(&found), [(World::ACME.into(), expected)]);
    // Until five in the morning.
    let morning = at("2031-06-12T09:00:00Z");
    looker.fetches(World::ACME, morning - TimeDelta::seconds(1), 1).await;
    looker.fetches(World::RIVAL, morning, 1).await;
    looker.begin_with(morning - TimeDelta::hours(1)).await;
    let found = looker.look_until(morning + TimeDelta::hours(1)).await;
    assert_eq!(found.iter().map(|event| event.detail("login")).collect::<Vec<_>>(), [World::ACME]);
    // The same hour twice turns it off.
    looker.app.sql("UPDATE settings SET night_from = 4, night_until = 4").await;
    looker.begin_with(morning - TimeDelta::hours(1)).await;
    assert_eq!(looker.look_until(morning).await, []);
}

/// On November 2 the clocks show the hour after one twice, and on March 9 they skip the one after two.
#[tokio::test(flavor = "multi_thread")]
async fn a_night_follows_the_clocks_when_they_change() {
    let looker = Looker::new().await;
    for (night, first, minutes) in [
        ((1, 2), at("2031-11-02T04:59:00Z"), [false, true, true, false]),
        ((2, 3), at("2031-03-09T05:59:00Z"), [false, false, false, false]),
        // In that night, the clocks go from one directly to three.
        ((1, 4), at("2031-03-09T05:59:00Z"), [false, true, true, false]),
    ] {
        looker.app.sql(&format!("UPDATE settings SET night_from = {}, night_until = {}", night.0, night.1)).await;
        // A minute before an hour ends, and half an hour into each of the next three.
        let times = [0, 31, 91, 151].map(|minutes| first + TimeDelta::minutes(minutes));
        for time in times {
            looker.fetches(World::ACME, time, 1).await;
        }
        looker.begin_with(first - TimeDelta::minutes(59)).await;
        let found = looker.look_until(first + TimeDelta::minutes(181)).await;
        let hours: Vec<String> = found.iter().map(|event| event.detail("hour")).collect();
        let at_night = times.map(|time| hours.contains(&time.format("%Y-%m-%dT%H:00:00Z").to_string()));
        assert_eq!(at_night, minutes, "{night:?}: {hours:?}");
    }
}
