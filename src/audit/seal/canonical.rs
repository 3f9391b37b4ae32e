//! The canonical bytes of an event: one line of JSON with every column of its row, in the table's order.
//! docs/audit-format.md specifies them for third parties. They never change, because every leaf hash depends on them.

use std::io::{self, Write};

use chrono::{DateTime, Datelike, Timelike, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use ipnet::IpNet;

use super::tree::{self, Hash};
use crate::audit::search::Entry;
use crate::db::schema::audit_events;

/// An event with everything that its row has.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(diesel::pg::Pg))]
pub struct Row {
    #[diesel(embed)]
    pub entry: Entry,
    /// `xid8`, whose eight bytes are read as they are.
    #[diesel(select_expression = sql::<BigInt>("xact_id"), select_expression_type = SqlLiteral<BigInt>)]
    pub transaction: i64,
    pub user_id: Option<i64>,
    pub customer_id: Option<i64>,
    pub bol_id: Option<i64>,
}

/// The columns of an event, wherever they were read from.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    pub id: i64,
    pub occurred_at: DateTime<Utc>,
    pub transaction: u64,
    pub action: &'a str,
    pub outcome: &'a str,
    pub user_id: Option<i64>,
    pub user_email: Option<&'a str>,
    pub user_role: Option<&'a str>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<&'a str>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<&'a str>,
    pub document_id: Option<i64>,
    pub document_kind: Option<&'a str>,
    pub file_name: Option<&'a str>,
    pub object_key: Option<&'a str>,
    pub sha256: Option<&'a [u8]>,
    pub ip: Option<IpNet>,
    pub user_agent: Option<&'a str>,
    pub request_id: Option<&'a str>,
    /// As Postgres writes it.
    pub detail: &'a str,
}

impl Row {
    pub fn fields(&self) -> Fields<'_> {
        let Self { entry, transaction, user_id, customer_id, bol_id } = self;
        Fields {
            id: entry.id,
            occurred_at: entry.occurred_at,
            transaction: transaction.cast_unsigned(),
            action: &entry.action,
            outcome: &entry.outcome,
            user_id: *user_id,
            user_email: entry.user_email.as_deref(),
            user_role: entry.user_role.as_deref(),
            customer_id: *customer_id,
            customer_code: entry.customer_code.as_deref(),
            bol_id: *bol_id,
            bol_number: entry.bol_number.as_deref(),
            document_id: entry.document_id,
            document_kind: entry.document_kind.as_deref(),
            file_name: entry.file_name.as_deref(),
            object_key: entry.object_key.as_deref(),
            sha256: entry.sha256.as_deref(),
            ip: entry.ip,
            user_agent: entry.user_agent.as_deref(),
            request_id: entry.request_id.as_deref(),
            detail: &entry.detail,
        }
    }
}

impl Fields<'_> {
    /// Of the event's leaf. `line` is overwritten with its canonical bytes.
    pub fn hash(&self, line: &mut Vec<u8>) -> Hash {
        line.clear();
        if self.write(line).is_err() {
            unreachable!("there is always room in memory");
        }
        tree::leaf(line)
    }

    /// Texts with the escapes of [RFC 8259] that are needed, short where there is a short one, in UTF-8; no spaces, no end
    /// of line.
    ///
    /// [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259#section-7
    pub fn write(&self, to: &mut Vec<u8>) -> io::Result<()> {
        write!(to, "{{\"id\":{}", self.id)?;
        moment(to, self.occurred_at)?;
        write!(to, ",\"xact_id\":{}", self.transaction)?;
        text(to, "action", Some(self.action))?;
        text(to, "outcome", Some(self.outcome))?;
        number(to, "user_id", self.user_id)?;
        text(to, "user_email", self.user_email)?;
        text(to, "user_role", self.user_role)?;
        number(to, "customer_id", self.customer_id)?;
        text(to, "customer_code", self.customer_code)?;
        number(to, "bol_id", self.bol_id)?;
        text(to, "bol_number", self.bol_number)?;
        number(to, "document_id", self.document_id)?;
        text(to, "document_kind", self.document_kind)?;
        text(to, "file_name", self.file_name)?;
        text(to, "object_key", self.object_key)?;
        match self.sha256 {
            Some(sum) => {
                name_of(to, "sha256");
                to.push(b'"');
                let from = to.len();
                to.resize(from + sum.len() * 2, 0);
                hex::encode_to_slice(sum, &mut to[from..]).map_err(io::Error::other)?;
                to.push(b'"');
            }
            None => text(to, "sha256", None)?,
        }
        // With its net, which addresses of events never have, unless somebody changed it.
        match self.ip {
            Some(ip) if ip.prefix_len() == ip.max_prefix_len() => write!(to, ",\"ip\":\"{}\"", ip.addr())?,
            Some(ip) => write!(to, ",\"ip\":\"{ip}\"")?,
            None => text(to, "ip", None)?,
        }
        text(to, "user_agent", self.user_agent)?;
        text(to, "request_id", self.request_id)?;
        text(to, "detail", Some(self.detail))?;
        to.push(b'}');
        Ok(())
    }
}

/// RFC 3339 in UTC, with microseconds.
fn moment(to: &mut Vec<u8>, at: DateTime<Utc>) -> io::Result<()> {
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second, micros) = (at.hour(), at.minute(), at.second(), at.nanosecond() / 1000);
    write!(to, ",\"occurred_at\":\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"")
}

fn number(to: &mut Vec<u8>, name: &str, value: Option<i64>) -> io::Result<()> {
    name_of(to, name);
    match value {
        Some(value) => write!(to, "{value}"),
        None => to.write_all(b"null"),
    }
}

fn text(to: &mut Vec<u8>, name: &str, value: Option<&str>) -> io::Result<()> {
    name_of(to, name);
    serde_json::to_writer(to, &value).map_err(io::Error::other)
}

fn name_of(to: &mut Vec<u8>, name: &str) {
    to.extend_from_slice(b",\"");
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_bytes_never_change() {
        let entry = Entry {
            id: 42,
            occurred_at: "2026-11-26T08:00:00.5Z".parse().expect("a time"),
            action: "BOL_DOWNLOADED".into(),
            outcome: "success".into(),
            user_email: Some("jo@acme.example".into()),
            user_role: None,
            customer_code: Some("ACME".into()),
            bol_number: Some("PRT-2025-0001".into()),
            document_id: Some(7),
            document_kind: Some("bol".into()),
            file_name: Some("\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}\"\\/ Łódź \u{202e}🚚\u{2028}".into()),
            object_key: Some(String::new()),
            sha256: Some(vec![0, 255]),
            ip: Some("2001:db8::1/128".parse().expect("an address")),
            user_agent: Some("curl".into()),
            request_id: None,
            detail: "{\"a\": 1.50}".into(),
        };
        let row = Row { entry, transaction: -1, user_id: Some(1), customer_id: None, bol_id: Some(-3) };
        let mut line = Vec::new();
        let hash = row.fields().hash(&mut line);
        assert_eq!(
            String::from_utf8(line).expect("UTF-8"),
            "{\"id\":42,\"occurred_at\":\"2026-11-26T08:00:00.500000Z\",\"xact_id\":18446744073709551615,\
             \"action\":\"BOL_DOWNLOADED\",\"outcome\":\"success\",\"user_id\":1,\"user_email\":\"jo@acme.example\",\
             \"user_role\":null,\"customer_id\":null,\"customer_code\":\"ACME\",\"bol_id\":-3,\"bol_number\":\"PRT-2025-0001\",\
             \"document_id\":7,\"document_kind\":\"bol\",\
             \"file_name\":\"\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}\\\"\\\\/ Łódź \u{202e}🚚\u{2028}\",\"object_key\":\"\",\
             \"sha256\":\"00ff\",\"ip\":\"2001:db8::1\",\"user_agent\":\"curl\",\"request_id\":null,\"detail\":\"{\\\"a\\\": 1.50}\"}"
        );
        assert_eq!(hex::encode(hash).len(), 64);
    }
}
