//! The access log as tests read it: events with named fields, and filters.

use std::ops::Deref;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use primetrade::audit::{Action, Outcome};
use primetrade::db::schema::audit_events;
use serde_json::Value;

use super::App;

/// One event of the access log.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct EventRow {
    pub id: i64,
    pub occurred_at: DateTime<Utc>,
    pub action: String,
    pub outcome: String,
    pub user_id: Option<i64>,
    pub user_email: Option<String>,
    pub user_role: Option<String>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<String>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<String>,
    pub document_id: Option<i64>,
    pub document_kind: Option<String>,
    pub file_name: Option<String>,
    pub object_key: Option<String>,
    pub sha256: Option<Vec<u8>>,
    pub ip: Option<IpNet>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub detail: Value,
}

/// Each of these returns `-` for NULL.
impl EventRow {
    pub fn email(&self) -> &str {
        text(&self.user_email)
    }

    pub fn role(&self) -> &str {
        text(&self.user_role)
    }

    pub fn customer(&self) -> &str {
        text(&self.customer_code)
    }

    pub fn bol(&self) -> &str {
        text(&self.bol_number)
    }

    pub fn kind(&self) -> &str {
        text(&self.document_kind)
    }

    pub fn file(&self) -> &str {
        text(&self.file_name)
    }

    pub fn key(&self) -> &str {
        text(&self.object_key)
    }

    /// The address without its prefix length, such as `127.0.0.1`.
    pub fn host(&self) -> String {
        self.ip.map_or_else(|| "-".into(), |ip| ip.addr().to_string())
    }

    /// A field of the detail as text.
    pub fn detail(&self, name: &str) -> String {
        json_text(&self.detail[name])
    }

    /// A field of the state before a change.
    pub fn before(&self, name: &str) -> String {
        json_text(&self.detail["before"][name])
    }

    /// A field of the state after a change.
    pub fn after(&self, name: &str) -> String {
        json_text(&self.detail["after"][name])
    }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("-")
}

fn json_text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Events in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Events(Vec<EventRow>);

impl Deref for Events {
    type Target = [EventRow];

    fn deref(&self) -> &[EventRow] {
        &self.0
    }
}

impl Events {
    pub async fn load(connection: &mut AsyncPgConnection) -> Self {
        let events = audit_events::table.order(audit_events::id).select(EventRow::as_select());
        Self(events.load(connection).await.unwrap())
    }

    /// The id of the newest event, for [`Events::since`].
    pub fn mark(&self) -> i64 {
        self.last().map_or(0, |event| event.id)
    }

    pub fn since(&self, mark: i64) -> Self {
        self.filter(|event| event.id > mark)
    }

    pub fn only(&self, action: Action) -> Self {
        self.filter(|event| event.action == action.as_str())
    }

    pub fn any_of(&self, actions: &[Action]) -> Self {
        self.filter(|event| actions.iter().any(|action| event.action == action.as_str()))
    }

    pub fn with(&self, outcome: Outcome) -> Self {
        self.filter(|event| event.outcome == outcome.as_str())
    }

    pub fn filter(&self, keep: impl Fn(&EventRow) -> bool) -> Self {
        Self(self.iter().filter(|event| keep(event)).cloned().collect())
    }

    /// The one event with an action. Panics if there is none or more than one.
    pub fn single(&self, action: Action) -> EventRow {
        let mut found = self.only(action).0;
        assert_eq!(found.len(), 1, "{action:?} among {:?}", self.actions());
        found.remove(0)
    }

    pub fn actions(&self) -> Vec<&str> {
        self.list(|event| event.action.as_str())
    }

    /// Reads the fields that a test compares.
    pub fn list<'a, T>(&'a self, read: impl Fn(&'a EventRow) -> T) -> Vec<T> {
        self.iter().map(read).collect()
    }
}

/// Events whose texts break spreadsheets, parsers and terminals.
const HOSTILE: &str = r#"INSERT INTO audit_events (occurred_at, action, outcome, user_email, user_agent, file_name, object_key, ip, sha256, document_id, detail)
    SELECT '2026-03-01 12:00Z'::timestamptz + n * interval '1 second', 'BOL_DOWNLOADED', 'success', 'x@y.example', text, text, 'a/b.pdf',
           '2001:db8::1', '\x00ff', 7, jsonb_build_object('said', text, 'large', 12345678901234567890123.50)
    FROM unnest(ARRAY['=1+1', '+1', '-1', '@SUM(A1)', E'\t=1', E'\r=1', E'\n=1', '''quoted', 'a,b;c"d', E'two\nlines', E'cr\r\nlf', ' kept ',
                      '', E'\u202Eright to left', '_x0041_', E'\x01\x1f', '<b>&amp;', '＝1', '0012', '1e5', 'Łódź 🚚', repeat('é', 300)])
         WITH ORDINALITY AS hostile (text, n)"#;

impl App {
    /// Waits until the events with an action are as expected.
    pub async fn events_until(&self, action: Action, expected: impl Fn(&[EventRow]) -> bool) {
        let mut connection = self.connection().await;
        let mut events = Vec::new();
        for _ in 0..200 {
            let query = audit_events::table.filter(audit_events::action.eq(action.as_str())).order(audit_events::id);
            events = query.select(EventRow::as_select()).load(&mut *connection).await.unwrap();
            if expected(&events) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the log never became as expected: {events:#?}");
    }

    /// Inserts 22 events whose texts break spreadsheets, parsers and terminals.
    pub async fn add_hostile_events(&self) {
        self.sql(HOSTILE).await;
    }
}
