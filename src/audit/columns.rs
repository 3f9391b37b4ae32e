//! An event as every export and its own page show it: these columns, in this order.

use std::fmt;

use super::search::Entry;

pub const COLUMNS: [&str; 17] = [
    "id",
    "occurred_at",
    "action",
    "outcome",
    "user_email",
    "user_role",
    "customer_code",
    "bol_number",
    "document_id",
    "document_kind",
    "file_name",
    "object_key",
    "sha256",
    "ip",
    "user_agent",
    "request_id",
    "detail",
];

/// One of them.
pub enum Cell<'a> {
    Empty,
    Number(i64),
    Text(&'a str),
    /// Ours, in plain ASCII, so that it needs no care.
    Plain(String),
    Json(&'a str),
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Plain(text) => f.write_str(text),
        }
    }
}

impl Entry {
    /// In the order of [`COLUMNS`].
    pub fn cells(&self) -> [Cell<'_>; COLUMNS.len()] {
        fn text(value: &Option<String>) -> Cell<'_> {
            value.as_deref().map_or(Cell::Empty, Cell::Text)
        }
        [
            Cell::Number(self.id),
            Cell::Plain(self.occurred_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
            Cell::Text(&self.action),
            Cell::Text(&self.outcome),
            text(&self.user_email),
            text(&self.user_role),
            text(&self.customer_code),
            text(&self.bol_number),
            self.document_id.map_or(Cell::Empty, Cell::Number),
            text(&self.document_kind),
            text(&self.file_name),
            text(&self.object_key),
            self.sha256.as_ref().map_or(Cell::Empty, |sum| Cell::Plain(hex::encode(sum))),
            self.ip.map_or(Cell::Empty, |ip| Cell::Plain(ip.addr().to_string())),
            text(&self.user_agent),
            text(&self.request_id),
            Cell::Json(&self.detail),
        ]
    }
}
