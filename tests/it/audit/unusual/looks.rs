//! When a look happens, and that each hour is reported once.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use primetrade::db::Database;
use primetrade::unusual;

use super::{Looker, ZONE, hour};
use crate::support::{Action, App, World, as_server};

impl Looker {
    /// Ten refusals of ACME's buyer.
    async fn add_unusual_activity(&self, at: DateTime<Utc>) {
        let denied = self.app.new_events(Action::AccessDenied).by(World::ACME);
        denied.outcome(crate::support::Outcome::Denied).at(at).count(10).record().await;
    }

    async fn reported(&self) -> usize {
        self.app.events().await.only(Action::UnusualActivity).len()
    }

    async fn looked_until(&self) -> String {
        let utc = "SELECT to_char(looked_until AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM unusual_looks";
        self.app.rows(utc).await.remove(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_begins_with_its_current_hour_and_not_with_history() {
    let app = App::start().await;
    let before = app.clock.now().duration_trunc(TimeDelta::hours(1)).unwrap();
    let mut found = Vec::new();
    for _ in 0..200 {
        found = app.rows("SELECT extract(epoch FROM looked_until)::bigint FROM unusual_looks").await;
        if !found.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // The hour may have ended in between.
    let hours = [before, before - TimeDelta::hours(1)].map(|hour| hour.timestamp().to_string());
    assert!(found.len() == 1 && hours.contains(&found[0]), "{found:?} {hours:?}");

    let looker = Looker { db: Database::new(&as_server(&app.database).await, 2), app };
    looker.app.sql("DELETE FROM unusual_looks").await;
    looker.add_unusual_activity(hour() - TimeDelta::hours(1)).await;
    looker.add_unusual_activity(hour()).await;
    assert_eq!(unusual::look(&looker.db, hour() + TimeDelta::minutes(59), ZONE).await.unwrap(), 0);
    assert_eq!(looker.looked_until().await, "2031-06-11T15:00:00");
    assert_eq!(looker.look().await.len(), 1);
    assert_eq!(looker.looked_until().await, "2031-06-11T16:00:00");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_looked_at_five_minutes_after_its_end_and_once() {
    let looker = Looker::new().await;
    looker.add_unusual_activity(hour()).await;
    let settled = hour() + TimeDelta::minutes(65);
    for (now, found) in
        [(settled - TimeDelta::seconds(1), 0), (settled, 1), (settled, 0), (settled + TimeDelta::minutes(59), 0)]
    {
        assert_eq!(unusual::look(&looker.db, now, ZONE).await.unwrap(), found, "{now}");
    }
    // A clock that is set back changes nothing.
    assert_eq!(unusual::look(&looker.db, hour(), ZONE).await.unwrap(), 0);
    assert_eq!((looker.looked_until().await.as_str(), looker.reported().await), ("2031-06-11T16:00:00", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_away_looks_back_two_days() {
    let looker = Looker::new().await;
    let end = hour() + TimeDelta::days(4);
    looker.add_unusual_activity(end - TimeDelta::hours(49)).await;
    looker.add_unusual_activity(end - TimeDelta::hours(48)).await;
    looker.add_unusual_activity(end - TimeDelta::hours(30)).await;
    let found = looker.look_until(end).await;
    let hours: Vec<String> = found.iter().map(|event| event.detail("hour")).collect();
    assert_eq!(hours, ["2031-06-13T15:00:00Z", "2031-06-14T09:00:00Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_look_at_the_same_time_report_once() {
    let looker = Looker::new().await;
    looker.add_unusual_activity(hour()).await;
    let other = Database::new(&as_server(&looker.app.database).await, 2);
    let settled = hour() + TimeDelta::minutes(65);
    let look = |db| unusual::look(db, settled, ZONE);
    let found = tokio::join!(look(&looker.db), look(&other), look(&looker.db), look(&other));
    let found = [found.0, found.1, found.2, found.3].map(Result::unwrap);
    assert_eq!(found.into_iter().sum::<usize>(), 1);
    assert_eq!((looker.reported().await, looker.app.mails().await.len()), (1, 1));
}

/// The events, the emails and the end of the look are committed together, or none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_breaks_off_is_repeated_and_reports_once() {
    let looker = Looker::new().await;
    looker.add_unusual_activity(hour()).await;
    looker.app.sql("ALTER TABLE unusual_mails RENAME TO away").await;
    let settled = hour() + TimeDelta::minutes(65);
    unusual::look(&looker.db, settled, ZONE).await.unwrap_err();
    assert_eq!((looker.reported().await, looker.looked_until().await.as_str()), (0, "2031-06-11T15:00:00"));
    looker.app.sql("ALTER TABLE away RENAME TO unusual_mails").await;
    assert_eq!(unusual::look(&looker.db, settled, ZONE).await.unwrap(), 1);
    assert_eq!(unusual::look(&looker.db, settled, ZONE).await.unwrap(), 0);
    assert_eq!((looker.reported().await, looker.app.mails().await.len()), (1, 1));
}
