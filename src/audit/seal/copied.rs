//! Rows as `COPY … (FORMAT binary)` writes them: for each a count of fields, and each field with its length before it.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>

use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Fields, Hash};

/// As [`event`] reads them.
pub const EVENTS: &str = "SELECT id, occurred_at, xact_id, action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, \
    document_id, document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail FROM audit_events";
/// As [`leaf`] reads them.
pub const LEAVES: &str = "SELECT position, event_id, hash FROM audit_leaves";

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, flags, and the length of an extension that isn't there.
const HEADER: usize = SIGNATURE.len() + 8;
/// 2000-01-01, from which Postgres counts microseconds.
const EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).expect("a date");

/// What is a row of a piece of the copy. What begins the copy comes in one piece with the first row; what ends it, alone.
pub fn row(piece: &[u8]) -> Option<&[u8]> {
    let row = if piece.starts_with(SIGNATURE) { piece.get(HEADER..)? } else { piece };
    (!row.is_empty() && row != [0xff, 0xff]).then_some(row)
}

/// Its fields, one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(row: &'a [u8], count: i16) -> Option<Self> {
        let rest = row.strip_prefix(&count.to_be_bytes())?;
        Some(Self(rest))
    }

    /// `None`: it breaks off; `Some(None)`: NULL.
    fn field(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        if length < 0 {
            self.0 = rest;
            return Some(None);
        }
        let (field, rest) = rest.split_at_checked(length.cast_unsigned() as usize)?;
        self.0 = rest;
        Some(Some(field))
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        match self.field()? {
            Some(field) => Some(Some(std::str::from_utf8(field).ok()?)),
            None => Some(None),
        }
    }

    fn number(&mut self) -> Option<Option<i64>> {
        match self.field()? {
            Some(field) => Some(Some(i64::from_be_bytes(field.try_into().ok()?))),
            None => Some(None),
        }
    }

    fn moment(&mut self) -> Option<DateTime<Utc>> {
        EPOCH.checked_add_signed(TimeDelta::microseconds(self.number()??))
    }

    fn address(&mut self) -> Option<Option<IpNet>> {
        let Some(field) = self.field()? else { return Some(None) };
        // The family (2 or 3), the length of the prefix, whether it is a net (cidr), and how many bytes follow.
        let net = match field {
            [2, prefix, 0, 4, address @ ..] => {
                Ipv4Net::new(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?), *prefix).ok()?.into()
            }
            [3, prefix, 0, 16, address @ ..] => {
                Ipv6Net::new(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?), *prefix).ok()?.into()
            }
            _ => return None,
        };
        Some(Some(net))
    }

    /// Its version, and then its text.
    fn json(&mut self) -> Option<&'a str> {
        self.text()??.strip_prefix('\u{1}')
    }
}

/// `None`: it can't be read.
pub fn event(row: &[u8]) -> Option<Fields<'_>> {
    let mut read = Reader::new(row, 21)?;
    Some(Fields {
        id: read.number()??,
        occurred_at: read.moment()?,
        transaction: read.number()??.cast_unsigned(),
        action: read.text()??,
        outcome: read.text()??,
        user_id: read.number()?,
        user_email: read.text()?,
        user_role: read.text()?,
        customer_id: read.number()?,
        customer_code: read.text()?,
        bol_id: read.number()?,
        bol_number: read.text()?,
        document_id: read.number()?,
        document_kind: read.text()?,
        file_name: read.text()?,
        object_key: read.text()?,
        sha256: read.field()?,
        ip: read.address()?,
        user_agent: read.text()?,
        request_id: read.text()?,
        detail: read.json()?,
    })
}

/// The position, the event's id and the hash. `None`: it can't be read; of another length only if its constraint was
/// taken away.
pub fn leaf(row: &[u8]) -> Option<(i64, i64, Hash)> {
    let mut read = Reader::new(row, 3)?;
    Some((read.number()??, read.number()??, read.field()??.try_into().ok()?))
}
