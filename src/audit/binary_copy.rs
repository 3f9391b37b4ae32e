//! The binary format of `COPY`: for each row a count of fields, and each field with its length before it.
//! <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>

use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The signature, four bytes of flags, and the length of the header extension, which is 0.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// Follows the last row instead of a count of fields.
const TRAILER: [u8; 2] = [0xff, 0xff];
/// 2000-01-01, from which Postgres counts microseconds.
const EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).expect("a date");

/// Returns the row in a chunk of the copy, or `None` for the trailer. The header and the first row share a chunk.
pub fn row(chunk: &[u8]) -> Option<&[u8]> {
    let row = if chunk.starts_with(SIGNATURE) { chunk.get(HEADER_BYTES..)? } else { chunk };
    (!row.is_empty() && row != TRAILER).then_some(row)
}

/// Reads the fields of a row, one after the other.
///
/// Methods return `None` if a field is truncated or malformed, and `Some(None)` for NULL.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Returns `None` if the row doesn't have this many fields.
    pub fn new(row: &'a [u8], count: usize) -> Option<Self> {
        let count = i16::try_from(count).ok()?;
        let rest = row.strip_prefix(&count.to_be_bytes())?;
        Some(Self(rest))
    }

    pub fn field(&mut self) -> Option<Option<&'a [u8]>> {
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

    pub fn text(&mut self) -> Option<Option<&'a str>> {
        match self.field()? {
            Some(field) => Some(Some(std::str::from_utf8(field).ok()?)),
            None => Some(None),
        }
    }

    pub fn number(&mut self) -> Option<Option<i64>> {
        match self.field()? {
            Some(field) => Some(Some(i64::from_be_bytes(field.try_into().ok()?))),
            None => Some(None),
        }
    }

    pub fn timestamp(&mut self) -> Option<DateTime<Utc>> {
        EPOCH.checked_add_signed(TimeDelta::microseconds(self.number()??))
    }

    pub fn address(&mut self) -> Option<Option<IpNet>> {
        let Some(field) = self.field()? else { return Some(None) };
        // The family (2 or 3), the length of the prefix, whether it is a `cidr`, and the number of bytes that follow.
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

    /// Reads a `jsonb` field: the version of its format, then its text.
    pub fn json(&mut self) -> Option<&'a str> {
        self.text()??.strip_prefix('\u{1}')
    }
}
