//! The canonical bytes of an event: one line of JSON with all columns of its row, in the order of the table.
//!
//! `docs/audit-format.md` specifies them for third parties. They must never change: otherwise no leaf would match its event.

use std::io::{self, Write};

use super::tree::{self, Hash};
use crate::audit::columns::{ColumnType, ColumnVisitor, EventRef};

/// Columns of the first version of the format. A column added later is left out where it is NULL, so that the leaves of
/// events from before still match.
const VERSION_1_COLUMNS: usize = 21;

impl EventRef<'_> {
    /// Computes the hash of the event's leaf. Replaces the contents of `line` with the canonical bytes.
    pub fn leaf_hash(&self, line: &mut Vec<u8>) -> Hash {
        line.clear();
        if self.write_canonical(line).is_err() {
            unreachable!("writing to memory doesn't fail");
        }
        tree::leaf_hash(line)
    }

    /// Appends the canonical bytes: UTF-8 without spaces and without an end of line.
    fn write_canonical(&self, to: &mut Vec<u8>) -> io::Result<()> {
        to.push(b'{');
        self.visit(&mut Members { to, count: 0 })?;
        to.push(b'}');
        Ok(())
    }
}

/// Writes each column as a member of a JSON object.
struct Members<'a> {
    to: &'a mut Vec<u8>,
    count: usize,
}

impl ColumnVisitor for Members<'_> {
    fn column<T: ColumnType>(&mut self, name: &'static str, value: T::Ref<'_>) -> io::Result<()> {
        let start = self.to.len();
        if self.count > 0 {
            self.to.push(b',');
        }
        self.to.push(b'"');
        self.to.extend_from_slice(name.as_bytes());
        self.to.write_all(b"\":")?;
        T::write_json(value, self.to)?;
        self.count += 1;
        if self.count > VERSION_1_COLUMNS && self.to.ends_with(b":null") {
            self.to.truncate(start);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::columns::{EventRow, Json, TransactionId};

    #[test]
    fn the_canonical_bytes_never_change() {
        let event = EventRow {
            id: 42,
            occurred_at: "2026-11-26T08:00:00.5Z".parse().expect("a time"),
            xact_id: TransactionId(u64::MAX),
            action: "BOL_DOWNLOADED".into(),
            outcome: "success".into(),
            user_id: Some(1),
            user_email: Some("jo@acme.example".into()),
            customer_code: Some("ACME".into()),
            bol_id: Some(-3),
            bol_number: Some("PRT-2025-0001".into()),
            document_id: Some(7),
            document_kind: Some("bol".into()),
            file_name: Some("\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}\"\\/ Łódź \u{202e}🚚\u{2028}".into()),
            object_key: Some(String::new()),
            sha256: Some(vec![0, 255]),
            ip: Some("2001:db8::1/128".parse().expect("an address")),
            user_agent: Some("curl".into()),
            detail: Json("{\"a\": 1.50}".into()),
            // Columns that are NULL here.
            ..EventRow::default()
        };
        let mut line = Vec::new();
        let hash = event.fields().leaf_hash(&mut line);
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
