//! The columns by which the list of BOLs can be sorted: one description each.
//!
//! A new one needs an entry of [`COLUMNS`], an index for each audience (a migration), and a heading in the template of
//! the list.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Date, Integer, Text, Timestamptz};
use serde_json::Value;

use super::BolSummary;
use super::expression::expression;

/// A column by which the list can be sorted.
#[derive(Debug)]
pub struct Column {
    /// The name in the URL: `tons` sorts upward, `-tons` downward.
    pub name: &'static str,
    pub label: &'static str,
    /// Whether the first click sorts upward.
    pub ascends_first: bool,
    /// The name in an encoded [`Position`].
    code: &'static str,
    /// The columns of `bols` to sort by. The id comes after them and makes the order total.
    keys: &'static [(&'static str, KeyType)],
    read: fn(&BolSummary) -> Vec<Key>,
}

pub static COLUMNS: [Column; 5] = [
    Column {
        name: "date",
        label: "Date",
        ascends_first: false,
        code: "d",
        keys: &[("bol_date", KeyType::Date)],
        read: |row| vec![Key::Date(row.bol_date)],
    },
    Column {
        name: "number",
        label: "BOL",
        ascends_first: false,
        code: "n",
        keys: &[("number_year", KeyType::Integer), ("number_seq", KeyType::Integer)],
        read: |row| vec![Key::Integer(row.number_year), Key::Integer(row.number_seq)],
    },
    Column {
        name: "product",
        label: "Product",
        ascends_first: true,
        code: "p",
        keys: &[("product", KeyType::Text)],
        read: |row| vec![Key::Text(row.product.clone())],
    },
    Column {
        name: "tons",
        label: "Net tons",
        ascends_first: false,
        code: "w",
        keys: &[("net_lb", KeyType::Integer)],
        read: |row| vec![Key::Integer(row.net_lb)],
    },
    // For programs that follow the changes. The page has no such column.
    Column {
        name: "updated",
        label: "Updated",
        ascends_first: true,
        code: "u",
        keys: &[("changed_at", KeyType::Time)],
        read: |row| vec![Key::Time(row.changed_at)],
    },
];

#[derive(Clone, Copy, Debug)]
enum KeyType {
    Date,
    Integer,
    Text,
    Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Date(NaiveDate),
    Integer(i32),
    Text(String),
    Time(DateTime<Utc>),
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Column {}

/// The order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static Column,
    pub ascending: bool,
}

impl Default for Sort {
    /// The newest date first.
    fn default() -> Self {
        Self { column: &COLUMNS[0], ascending: false }
    }
}

impl Sort {
    /// Parses the value of the URL's `sort`.
    pub fn parse(text: &str) -> Option<Self> {
        let (ascending, name) = match text.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, text),
        };
        COLUMNS.iter().find(|column| column.name == name).map(|column| Self { column, ascending })
    }

    /// The value of the URL's `sort`.
    pub fn name(self) -> String {
        if self.ascending { self.column.name.into() } else { format!("-{}", self.column.name) }
    }

    /// Writes what [`Position::from_json`] reads, as SQL over the [`KeyColumns`] of a row.
    pub(super) fn push_position(self, out: &mut AstPass<'_, '_, Pg>) {
        for part in ["jsonb_build_object('", self.column.code, "', jsonb_build_array("] {
            out.push_sql(part);
        }
        for (name, _) in self.column.keys {
            out.push_sql(name);
            out.push_sql(", ");
        }
        out.push_sql("id))");
    }

    /// Writes ` ORDER BY …`. `table` is the prefix of the columns, such as `bols.`.
    pub(super) fn push_order(self, out: &mut AstPass<'_, '_, Pg>, table: &str) {
        let direction = if self.ascending { "" } else { " DESC" };
        out.push_sql(" ORDER BY ");
        for (name, _) in self.column.keys {
            for part in [table, name, direction, ", "] {
                out.push_sql(part);
            }
        }
        for part in [table, "id", direction] {
            out.push_sql(part);
        }
    }
}

/// The columns that a position consists of. The index of the order has all of them.
#[derive(Clone, Copy)]
pub(super) struct KeyColumns(pub Sort);

expression!(KeyColumns, diesel::sql_types::Bool);

impl QueryFragment<Pg> for KeyColumns {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for (name, _) in self.0.column.keys {
            for part in ["bols.", name, ", "] {
                out.push_sql(part);
            }
        }
        out.push_sql("bols.id");
        Ok(())
    }
}

/// The sort keys of a BOL at the edge of a page, where another page begins or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub column: &'static Column,
    keys: Vec<Key>,
    id: i64,
}

impl Position {
    pub(super) fn of(row: &BolSummary, column: &'static Column) -> Self {
        Self { column, keys: (column.read)(row), id: row.id }
    }

    /// `{"d":["2025-11-30",7]}`: the code of the column, its keys, and the id of the BOL.
    pub fn to_json(&self) -> Value {
        let keys = self.keys.iter().map(|key| match key {
            Key::Date(day) => Value::from(day.to_string()),
            Key::Integer(number) => Value::from(*number),
            Key::Text(text) => Value::from(text.as_str()),
            Key::Time(at) => Value::from(at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        });
        let parts: Vec<Value> = keys.chain([Value::from(self.id)]).collect();
        Value::Object([(self.column.code.to_owned(), Value::from(parts))].into_iter().collect())
    }

    /// Parses what [`Position::to_json`] returns. Returns `None` for anything that Postgres could not store.
    pub fn from_json(value: &Value) -> Option<Self> {
        let (code, parts) = value.as_object().filter(|object| object.len() == 1)?.iter().next()?;
        let column = COLUMNS.iter().find(|column| column.code == code)?;
        let (id, parts) = parts.as_array()?.split_last()?;
        if parts.len() != column.keys.len() {
            return None;
        }
        let keys = column.keys.iter().zip(parts).map(|((_, key_type), part)| key_type.parse(part));
        Some(Self { column, keys: keys.collect::<Option<_>>()?, id: id.as_i64()? })
    }
}

impl KeyType {
    fn parse(self, value: &Value) -> Option<Key> {
        match self {
            Self::Date => {
                let day: NaiveDate = value.as_str()?.parse().ok()?;
                (1..=9999).contains(&day.year()).then_some(Key::Date(day))
            }
            Self::Integer => value.as_i64()?.try_into().ok().map(Key::Integer),
            Self::Time => {
                let at: DateTime<Utc> = value.as_str()?.parse().ok()?;
                (1..=9999).contains(&at.year()).then_some(Key::Time(at))
            }
            Self::Text => value.as_str().filter(|text| !text.contains('\0')).map(|text| Key::Text(text.into())),
        }
    }
}

/// The condition `(keys, id) < (…)`, or `>` when sorted upward: the BOLs beyond a position.
pub(super) struct Beyond<'a> {
    pub position: &'a Position,
    pub ascending: bool,
}

expression!(Beyond<'_>, diesel::sql_types::Bool);

impl QueryFragment<Pg> for Beyond<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("(");
        for (name, _) in self.position.column.keys {
            for part in ["bols.", name, ", "] {
                out.push_sql(part);
            }
        }
        out.push_sql(if self.ascending { "bols.id) > (" } else { "bols.id) < (" });
        for key in &self.position.keys {
            match key {
                Key::Date(day) => out.push_bind_param::<Date, _>(day)?,
                Key::Integer(number) => out.push_bind_param::<Integer, _>(number)?,
                Key::Text(text) => out.push_bind_param::<Text, _>(text)?,
                Key::Time(at) => out.push_bind_param::<Timestamptz, _>(at)?,
            }
            out.push_sql(", ");
        }
        out.push_bind_param::<BigInt, _>(&self.position.id)?;
        out.push_sql(")");
        Ok(())
    }
}
