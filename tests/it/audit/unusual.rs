//! Unusual activity: what the hourly look at the log finds, reports and mails.
//!
//! The hours are in the future, so that the look of the test's server never gets to them.

mod documents;
mod looks;
mod mails;
mod networks;
mod pages;
mod refusals;
mod thresholds;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use primetrade::db::Database;
use primetrade::unusual;
use serde_json::Value;

use crate::support::{Action, App, EventRow, as_server};

const ZONE: chrono_tz::Tz = chrono_tz::America::New_York;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The hour that most tests look at: 11:00 to noon in New York, a Wednesday.
fn hour() -> DateTime<Utc> {
    at("2031-06-11T15:00:00Z")
}

/// A server, and looks at the log like those of a server.
struct Looker {
    app: App,
    db: Database,
}

impl Looker {
    /// The next look begins with [`hour`].
    async fn new() -> Self {
        Self::of(App::start().await).await
    }

    async fn of(app: App) -> Self {
        let db = Database::new(&as_server(&app.database).await, 2);
        let looker = Self { app, db };
        looker.begin_with(hour()).await;
        looker
    }

    async fn begin_with(&self, hour: DateTime<Utc>) {
        let hour = hour.to_rfc3339();
        self.app
            .sql(&format!(
                "INSERT INTO unusual_looks (looked_until) VALUES ('{hour}') \
                 ON CONFLICT (only_one) DO UPDATE SET looked_until = excluded.looked_until"
            ))
            .await;
    }

    /// Looks at all hours until some time, and returns what was found. Looks again if the server's own look was under way,
    /// because only one at a time does anything.
    async fn look_until(&self, end: DateTime<Utc>) -> Vec<EventRow> {
        let mark = self.app.events().await.mark();
        let until = end.to_rfc3339();
        let looked =
            format!("SELECT 1 FROM unusual_looks WHERE looked_until >= date_trunc('hour', '{until}'::timestamptz)");
        let mut found = 0;
        for _ in 0..100 {
            found += unusual::look(&self.db, end + TimeDelta::minutes(5), ZONE).await.unwrap();
            if !self.app.rows(&looked).await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let events = self.app.events().await.since(mark).only(Action::UnusualActivity).to_vec();
        assert_eq!(events.len(), found);
        events
    }

    /// Looks at [`hour`].
    async fn look(&self) -> Vec<EventRow> {
        self.look_until(hour() + TimeDelta::hours(1)).await
    }
}

/// Logins with their reasons, in the order of their addresses.
fn reasons(events: &[EventRow]) -> Vec<(String, Value)> {
    let mut found: Vec<_> =
        events.iter().map(|event| (event.detail("login"), event.detail["reasons"].clone())).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}
