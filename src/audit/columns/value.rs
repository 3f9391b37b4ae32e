//! The types of columns: how a value is read, inserted, exported, and written into the canonical bytes.

use std::fmt;
use std::io::{self, Write};

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use ipnet::IpNet;

use crate::audit::binary_copy::Reader;

pub type Number = i64;
pub type OptionalNumber = Option<i64>;
pub type Timestamp = DateTime<Utc>;
pub type Text = String;
pub type OptionalText = Option<String>;
pub type OptionalBytes = Option<Vec<u8>>;
pub type OptionalAddress = Option<IpNet>;

/// The type of a column of the access log.
pub trait ColumnType {
    /// The value, borrowed.
    type Ref<'a>: Copy;

    fn to_ref(&self) -> Self::Ref<'_>;

    /// Reads the next field of a row in the binary format of `COPY`. Returns `None` if it is malformed.
    fn read<'a>(reader: &mut Reader<'a>) -> Option<Self::Ref<'a>>;

    /// Appends the value as JSON, as the canonical bytes have it: `null` for NULL, no spaces, and only those escapes that
    /// [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7) requires, in their short form where there is one.
    fn write_json(value: Self::Ref<'_>, to: &mut Vec<u8>) -> io::Result<()>;

    /// The value in an export.
    fn cell(value: Self::Ref<'_>) -> Cell<'_>;
}

/// A value in an export.
pub enum Cell<'a> {
    Empty,
    Number(i64),
    /// May hold anything that a client sent.
    Text(&'a str),
    /// Written by the portal in plain ASCII: needs no escapes in JSON, XML or CSV.
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

/// The transaction that wrote an event: a Postgres `xid8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

impl From<i64> for TransactionId {
    fn from(bits: i64) -> Self {
        Self(bits.cast_unsigned())
    }
}

/// JSON exactly as Postgres writes it. Parsing and writing it again could change a long number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Json(pub String);

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl ColumnType for i64 {
    type Ref<'a> = i64;

    fn to_ref(&self) -> i64 {
        *self
    }

    fn read(reader: &mut Reader<'_>) -> Option<i64> {
        reader.number()?
    }

    fn write_json(value: i64, to: &mut Vec<u8>) -> io::Result<()> {
        write!(to, "{value}")
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        Cell::Number(value)
    }
}

impl ColumnType for Option<i64> {
    type Ref<'a> = Option<i64>;

    fn to_ref(&self) -> Option<i64> {
        *self
    }

    fn read(reader: &mut Reader<'_>) -> Option<Option<i64>> {
        reader.number()
    }

    fn write_json(value: Option<i64>, to: &mut Vec<u8>) -> io::Result<()> {
        match value {
            Some(value) => i64::write_json(value, to),
            None => to.write_all(b"null"),
        }
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        value.map_or(Cell::Empty, Cell::Number)
    }
}

impl ColumnType for DateTime<Utc> {
    type Ref<'a> = DateTime<Utc>;

    fn to_ref(&self) -> DateTime<Utc> {
        *self
    }

    fn read(reader: &mut Reader<'_>) -> Option<DateTime<Utc>> {
        reader.timestamp()
    }

    /// RFC 3339 in UTC, with microseconds.
    fn write_json(at: DateTime<Utc>, to: &mut Vec<u8>) -> io::Result<()> {
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second, micros) = (at.hour(), at.minute(), at.second(), at.nanosecond() / 1000);
        write!(to, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"")
    }

    fn cell(at: Self::Ref<'_>) -> Cell<'_> {
        Cell::Plain(at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl ColumnType for TransactionId {
    type Ref<'a> = TransactionId;

    fn to_ref(&self) -> TransactionId {
        *self
    }

    fn read(reader: &mut Reader<'_>) -> Option<TransactionId> {
        Some(reader.number()??.into())
    }

    fn write_json(value: TransactionId, to: &mut Vec<u8>) -> io::Result<()> {
        write!(to, "{}", value.0)
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        Cell::Plain(value.0.to_string())
    }
}

impl ColumnType for String {
    type Ref<'a> = &'a str;

    fn to_ref(&self) -> &str {
        self
    }

    fn read<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
        reader.text()?
    }

    fn write_json(value: &str, to: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(to, value).map_err(io::Error::other)
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        Cell::Text(value)
    }
}

impl ColumnType for Option<String> {
    type Ref<'a> = Option<&'a str>;

    fn to_ref(&self) -> Option<&str> {
        self.as_deref()
    }

    fn read<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a str>> {
        reader.text()
    }

    fn write_json(value: Option<&str>, to: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(to, &value).map_err(io::Error::other)
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        value.map_or(Cell::Empty, Cell::Text)
    }
}

impl ColumnType for Option<Vec<u8>> {
    type Ref<'a> = Option<&'a [u8]>;

    fn to_ref(&self) -> Option<&[u8]> {
        self.as_deref()
    }

    fn read<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
        reader.field()
    }

    /// In hexadecimal.
    fn write_json(value: Option<&[u8]>, to: &mut Vec<u8>) -> io::Result<()> {
        let Some(bytes) = value else { return to.write_all(b"null") };
        to.push(b'"');
        let start = to.len();
        to.resize(start + bytes.len() * 2, 0);
        hex::encode_to_slice(bytes, &mut to[start..]).map_err(io::Error::other)?;
        to.push(b'"');
        Ok(())
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        value.map_or(Cell::Empty, |bytes| Cell::Plain(hex::encode(bytes)))
    }
}

impl ColumnType for Option<IpNet> {
    type Ref<'a> = Option<IpNet>;

    fn to_ref(&self) -> Option<IpNet> {
        *self
    }

    fn read(reader: &mut Reader<'_>) -> Option<Option<IpNet>> {
        reader.address()
    }

    /// The portal records single addresses. A network is the work of someone else, and its prefix must change the hash.
    fn write_json(value: Option<IpNet>, to: &mut Vec<u8>) -> io::Result<()> {
        match value {
            Some(ip) if ip.prefix_len() == ip.max_prefix_len() => write!(to, "\"{}\"", ip.addr()),
            Some(ip) => write!(to, "\"{ip}\""),
            None => to.write_all(b"null"),
        }
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        value.map_or(Cell::Empty, |ip| Cell::Plain(ip.addr().to_string()))
    }
}

impl ColumnType for Json {
    type Ref<'a> = &'a str;

    fn to_ref(&self) -> &str {
        &self.0
    }

    fn read<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
        reader.json()
    }

    /// As a string: the canonical bytes hold the text of the JSON, not its structure.
    fn write_json(value: &str, to: &mut Vec<u8>) -> io::Result<()> {
        String::write_json(value, to)
    }

    fn cell(value: Self::Ref<'_>) -> Cell<'_> {
        Cell::Json(value)
    }
}
