//! What a webhook is sent: small, without a link or a secret. It says what happened and where to ask.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::WebhookEvent;
use crate::accounts;
use crate::bols::DocumentKind;
use crate::db::schema::audit_events;

/// An event of the access log, as far as messages need it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(diesel::pg::Pg))]
pub(super) struct LoggedEvent {
    pub id: i64,
    pub occurred_at: DateTime<Utc>,
    pub action: String,
    pub user_role: Option<String>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<String>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<String>,
    pub document_id: Option<i64>,
    pub document_kind: Option<String>,
    pub detail: Value,
}

/// A message to be queued for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub id: String,
    pub event: &'static str,
    pub body: String,
    /// It says that the company no longer has the BOL.
    pub is_taken_away: bool,
}

impl LoggedEvent {
    /// Returns the event that it is for webhooks, unless they are never sent it.
    pub fn webhook_event(&self) -> Option<WebhookEvent> {
        let event = WebhookEvent::of_action(&self.action)?;
        self.bol_id?;
        let role = self.user_role.as_deref().unwrap_or_default();
        let is_customers = accounts::is_customer_role(role) && self.detail.get("seen_as").is_none();
        (event != WebhookEvent::DocumentFetched || is_customers).then_some(event)
    }

    /// Returns the message about it for a company's webhook, or for the terminal's if `company` is `None`. `None` if the
    /// webhook isn't sent it.
    ///
    /// The number of the event is for the terminal alone: it counts what all companies do.
    pub fn message(&self, id: &str, company: Option<i64>) -> Option<Message> {
        let event = self.webhook_event()?;
        if company.is_some() && company != self.customer_id {
            return None;
        }
        let code = self.customer_code.as_deref();
        let receiver = self.detail.get("to").and_then(Value::as_str);
        let is_assignment = event == WebhookEvent::Assigned;
        // An assignment is one event for the former customer and one for the new one. The terminal is sent one message.
        let is_taken_away = is_assignment && receiver != code;
        if company.is_none() && is_taken_away && receiver.is_some() {
            return None;
        }
        let mut data = Map::new();
        if company.is_none() {
            data.insert("event".into(), self.id.into());
        }
        data.insert("bol".into(), self.bol());
        data.insert("customer".into(), code.into());
        if is_assignment {
            data.insert("assigned".into(), (!is_taken_away).into());
        }
        if is_assignment && company.is_none() {
            let former = self.detail.get("from").cloned().unwrap_or_default();
            data.insert("former_customer".into(), former);
            data.insert("customer".into(), receiver.into());
        }
        if let (WebhookEvent::DocumentAdded | WebhookEvent::DocumentFetched, Some(id)) = (event, self.document_id) {
            data.insert("document".into(), self.document(id));
        }
        let body = body(event.as_str(), self.occurred_at, &data.into());
        Some(Message { id: id.to_owned(), event: event.as_str(), body, is_taken_away })
    }

    fn bol(&self) -> Value {
        let number = self.bol_number.as_deref().unwrap_or_default();
        json!({"id": self.bol_id, "number": number, "path": format!("/api/v1/bols/{number}")})
    }

    fn document(&self, id: i64) -> Value {
        let kind = self.document_kind.as_deref();
        let code = kind.and_then(|kind| kind.parse().ok()).map(DocumentKind::dsdc_code);
        json!({"id": id, "kind": kind, "dsdc_code": code, "path": format!("/api/v1/documents/{id}/link")})
    }
}

impl Message {
    /// The `type` of a test.
    pub const TEST: &str = "webhook.test";

    /// Returns a new `webhook-id`. One event has the same id at every webhook.
    pub fn new_id() -> String {
        format!("msg_{}", Uuid::now_v7().simple())
    }

    /// Returns a message that says nothing, to try an address.
    pub fn test(now: DateTime<Utc>) -> Self {
        Self { id: Self::new_id(), event: Self::TEST, body: body(Self::TEST, now, &json!({})), is_taken_away: false }
    }
}

/// Returns the text of a message, with the members in the order of Standard Webhooks.
fn body(event: &str, at: DateTime<Utc>, data: &Value) -> String {
    let timestamp = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    format!(r#"{{"type":{},"timestamp":{},"data":{data}}}"#, json!(event), json!(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, detail: Value) -> LoggedEvent {
        LoggedEvent {
            id: 12,
            occurred_at: "2026-11-30T12:00:00.000001Z".parse().expect("a time"),
            action: action.into(),
            user_role: Some("office".into()),
            customer_id: Some(3),
            customer_code: Some("ACME".into()),
            bol_id: Some(7),
            bol_number: Some("PRT-2026-0007".into()),
            document_id: Some(55),
            document_kind: Some("scale-ticket".into()),
            detail,
        }
    }

    fn body(event: &LoggedEvent, company: Option<i64>) -> Option<Value> {
        event.message("msg_1", company).map(|message| serde_json::from_str(&message.body).expect("JSON"))
    }

    #[test]
    fn a_message_says_what_happened_and_where_to_ask() {
        let added = event("DOCUMENT_FILED", json!({}));
        let expected = json!({
            "type": "document.added",
            "timestamp": "2026-11-30T12:00:00.000001Z",
            "data": {
                "event": 12,
                "bol": {"id": 7, "number": "PRT-2026-0007", "path": "/api/v1/bols/PRT-2026-0007"},
                "customer": "ACME",
                "document": {"id": 55, "kind": "scale-ticket", "dsdc_code": "SCL", "path": "/api/v1/documents/55/link"},
            },
        });
        assert_eq!(body(&added, None), Some(expected.clone()));
        let mut to_company = expected;
        to_company["data"].as_object_mut().expect("an object").remove("event");
        assert_eq!(body(&added, Some(3)), Some(to_company));
        assert_eq!(body(&added, Some(4)), None, "another company");
        assert_eq!(body(&LoggedEvent { bol_id: None, ..added.clone() }, None), None, "in the inbox");
        assert_eq!(body(&LoggedEvent { action: "LOGOUT".into(), ..added }, None), None);
    }

    #[test]
    fn an_assignment_names_no_other_company_to_a_customer() {
        let assigned = |code: &str, detail: Value| LoggedEvent {
            customer_code: Some(code.into()),
            ..event("BOL_ASSIGNED", detail)
        };
        let data = |event: &LoggedEvent, company| body(event, company).map(|body| body["data"].clone());
        let detail = json!({"from": "RIVAL", "to": "ACME"});
        let (gained, lost) = (assigned("ACME", detail.clone()), assigned("RIVAL", detail));
        let to_acme = data(&gained, Some(3)).expect("a message");
        assert_eq!((&to_acme["assigned"], &to_acme["customer"]), (&json!(true), &json!("ACME")));
        assert!(!to_acme.to_string().contains("RIVAL"), "{to_acme}");
        let to_rival = data(&lost, Some(3)).expect("a message");
        assert_eq!((&to_rival["assigned"], &to_rival["customer"]), (&json!(false), &json!("RIVAL")));
        assert!(!to_rival.to_string().contains("ACME"), "{to_rival}");
        assert!(lost.message("msg_1", Some(3)).expect("a message").is_taken_away);
        // The terminal is sent one message about both.
        assert_eq!(data(&lost, None), None);
        let to_office = data(&gained, None).expect("a message");
        assert_eq!((&to_office["customer"], &to_office["former_customer"]), (&json!("ACME"), &json!("RIVAL")));
        // Taken back, so that no customer has it.
        let undone =
            data(&assigned("RIVAL", json!({"from": "RIVAL", "to": null, "undo": true})), None).expect("a message");
        assert_eq!((&undone["customer"], &undone["assigned"]), (&Value::Null, &json!(false)));
    }

    #[test]
    fn only_customers_fetch() {
        let by = |role: &str, detail| LoggedEvent { user_role: Some(role.into()), ..event("BOL_DOWNLOADED", detail) };
        assert!(by("customer", json!({})).message("msg_1", Some(3)).is_some());
        for (role, detail) in [("office", json!({})), ("auditor", json!({})), ("customer", json!({"seen_as": "ACME"}))]
        {
            assert_eq!(by(role, detail).message("msg_1", Some(3)), None, "{role}");
        }
    }
}
