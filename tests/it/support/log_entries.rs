//! A builder of events that a test starts from: `app.new_events(Action::BolDownloaded).by(World::ACME).record()`.
//!
//! Their dates are not the present, so no test that verifies the log may use them.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use primetrade::audit::{Action, Outcome};
use primetrade::db::schema::audit_events;
use serde_json::{Value, json};

use super::App;

impl App {
    /// One success without a user at the present.
    pub fn new_events(&self, action: Action) -> EventsBuilder<'_> {
        EventsBuilder {
            app: self,
            action,
            outcome: Outcome::Success,
            user: None,
            address: None,
            at: self.clock.now(),
            every: TimeDelta::seconds(1),
            count: 1,
            detail: json!({}),
        }
    }
}

/// Events of one kind. The first names document 1, the second document 2, and so on.
#[must_use]
pub struct EventsBuilder<'a> {
    app: &'a App,
    action: Action,
    outcome: Outcome,
    user: Option<&'a str>,
    address: Option<IpAddr>,
    at: DateTime<Utc>,
    every: TimeDelta,
    count: i64,
    detail: Value,
}

impl<'a> EventsBuilder<'a> {
    pub fn by(self, user: &'a str) -> Self {
        Self { user: Some(user), ..self }
    }

    /// By a program of the user, with a token of this id.
    pub fn with_token(self, id: i64) -> Self {
        Self { detail: json!({"token": {"id": id, "name": format!("Token {id}")}}), ..self }
    }

    pub fn outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    pub fn from(self, address: &str) -> Self {
        Self { address: Some(address.parse().unwrap()), ..self }
    }

    pub fn at(self, at: DateTime<Utc>) -> Self {
        Self { at, ..self }
    }

    /// The time between two events.
    pub fn every(self, every: TimeDelta) -> Self {
        Self { every, ..self }
    }

    pub fn count(self, count: i64) -> Self {
        Self { count, ..self }
    }

    pub fn detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    pub async fn record(self) {
        let user_id = match self.user {
            Some(user) => Some(self.app.user_id(user).await),
            None => None,
        };
        let row = |n: i64| {
            (
                audit_events::occurred_at.eq(self.at + self.every * i32::try_from(n).unwrap()),
                audit_events::action.eq(self.action.as_str()),
                audit_events::outcome.eq(self.outcome.as_str()),
                audit_events::user_id.eq(user_id),
                audit_events::user_email.eq(self.user.unwrap_or("-")),
                audit_events::document_id.eq(n + 1),
                audit_events::ip.eq(self.address.map(IpNet::from)),
                audit_events::detail.eq(self.detail.clone()),
            )
        };
        let rows: Vec<_> = (0..self.count).map(row).collect();
        let mut connection = self.app.connection().await;
        let inserted = diesel::insert_into(audit_events::table).values(rows).execute(&mut *connection).await;
        assert_eq!(inserted.unwrap(), usize::try_from(self.count).unwrap());
    }
}
