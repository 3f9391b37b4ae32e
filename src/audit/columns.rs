//! The columns of the access log: one list, from which events are inserted, read, exported, hashed and shown.
//!
//! A new column needs a migration, a line in `db/schema.rs`, and a line at the end of the list below.

mod value;

use std::io;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::AstPass;
use diesel::sql_types;
use ipnet::IpNet;

use super::binary_copy::Reader;
use crate::db::schema::audit_events;

pub use value::{
    Cell, ColumnType, Json, Number, OptionalAddress, OptionalBytes, OptionalNumber, OptionalText, Text, Timestamp,
    TransactionId,
};

/// Who sees a column: exports and the page of an event show `Exported` ones; `Internal` ones are only sealed.
enum Visibility {
    Internal = 0,
    Exported = 1,
}

/// Visits all columns of an event, in the order of the table.
pub trait ColumnVisitor {
    /// Called once for each column.
    fn column<T: ColumnType>(&mut self, name: &'static str, value: T::Ref<'_>) -> io::Result<()>;
}

/// The type that a column has in an [`Event`]. A macro and not a part of [`ColumnType`]: an associated type would make
/// the lifetime of events invariant.
macro_rules! insert_type {
    ($a:lifetime Text) => { &$a str };
    ($a:lifetime OptionalText) => { Option<&$a str> };
    ($a:lifetime OptionalNumber) => { Option<i64> };
    ($a:lifetime OptionalBytes) => { Option<&$a [u8]> };
    ($a:lifetime OptionalAddress) => { Option<IpNet> };
    ($a:lifetime Json) => { serde_json::Value };
}

macro_rules! event_columns {
    (
        filled by the database { $($(#[$db_attr:meta])* $db_name:ident: $db_type:ident, $db_visibility:ident;)* }
        filled by the portal { $($(#[$attr:meta])* $name:ident: $type:ident, $visibility:ident;)* }
    ) => {
        /// All columns, in the order of the table.
        const ALL: &[&str] = &[$(stringify!($db_name),)* $(stringify!($name),)*];

        /// The columns that the portal fills.
        const INSERTED: &[&str] = &[$(stringify!($name),)*];

        const EXPORTED_COUNT: usize =
            0 $(+ Visibility::$db_visibility as usize)* $(+ Visibility::$visibility as usize)*;

        /// The columns of every export, in this order.
        pub const COLUMNS: [&str; EXPORTED_COUNT] = {
            let mut names = [""; EXPORTED_COUNT];
            let mut count = 0;
            $(if matches!(Visibility::$db_visibility, Visibility::Exported) {
                names[count] = stringify!($db_name);
                count += 1;
            })*
            $(if matches!(Visibility::$visibility, Visibility::Exported) {
                names[count] = stringify!($name);
                count += 1;
            })*
            assert!(count == EXPORTED_COUNT);
            names
        };

        /// An event to record.
        #[derive(Clone, Debug, Default)]
        pub struct Event<'a> {
            $(pub $name: insert_type!('a $type),)*
        }

        impl Event<'_> {
            /// Appends the values of [`INSERTED`], separated by commas: of the columns in `selected` their SQL
            /// expressions, of the others this event's values as parameters.
            fn push_values<'b>(
                &'b self,
                out: &mut AstPass<'_, 'b, Pg>,
                selected: &[(&str, &str)],
            ) -> QueryResult<()> {
                let mut separator = "";
                $(
                    out.push_sql(std::mem::replace(&mut separator, ", "));
                    match selected.iter().find(|(name, _)| *name == stringify!($name)) {
                        Some((_, expression)) => out.push_sql(expression),
                        None => out.push_bind_param::<<audit_events::$name as Expression>::SqlType, _>(&self.$name)?,
                    }
                )*
                Ok(())
            }
        }

        /// A recorded event with all columns of its row.
        #[derive(Clone, Debug, Default, Queryable, Selectable)]
        #[diesel(table_name = audit_events, check_for_backend(Pg))]
        pub struct EventRow {
            $($(#[$db_attr])* pub $db_name: $db_type,)*
            $($(#[$attr])* pub $name: $type,)*
        }

        impl EventRow {
            /// The same event, borrowed.
            pub fn fields(&self) -> EventRef<'_> {
                EventRef {
                    $($db_name: <$db_type as ColumnType>::to_ref(&self.$db_name),)*
                    $($name: <$type as ColumnType>::to_ref(&self.$name),)*
                }
            }

            /// The values of the exported columns, in the order of [`COLUMNS`].
            pub fn cells(&self) -> [Cell<'_>; EXPORTED_COUNT] {
                let mut cells = [const { Cell::Empty }; EXPORTED_COUNT];
                let (fields, mut free) = (self.fields(), cells.iter_mut());
                $(if matches!(Visibility::$db_visibility, Visibility::Exported) && let Some(cell) = free.next() {
                    *cell = <$db_type as ColumnType>::cell(fields.$db_name);
                })*
                $(if matches!(Visibility::$visibility, Visibility::Exported) && let Some(cell) = free.next() {
                    *cell = <$type as ColumnType>::cell(fields.$name);
                })*
                cells
            }
        }

        /// A recorded event that borrows its values: from an [`EventRow`], or from a row that `COPY` wrote.
        #[derive(Clone, Copy, Debug)]
        pub struct EventRef<'a> {
            $(pub $db_name: <$db_type as ColumnType>::Ref<'a>,)*
            $(pub $name: <$type as ColumnType>::Ref<'a>,)*
        }

        impl<'a> EventRef<'a> {
            /// Reads a row of `COPY` in binary format, selected by [`select_all`]. Returns `None` if it is malformed.
            pub fn from_copy(row: &'a [u8]) -> Option<Self> {
                let mut reader = Reader::new(row, ALL.len())?;
                Some(Self {
                    $($db_name: <$db_type as ColumnType>::read(&mut reader)?,)*
                    $($name: <$type as ColumnType>::read(&mut reader)?,)*
                })
            }

            /// Visits every column, in the order of the table.
            pub fn visit(&self, visitor: &mut impl ColumnVisitor) -> io::Result<()> {
                $(visitor.column::<$db_type>(stringify!($db_name), self.$db_name)?;)*
                $(visitor.column::<$type>(stringify!($name), self.$name)?;)*
                Ok(())
            }
        }
    };
}

event_columns! {
    filled by the database {
        id: Number, Exported;
        occurred_at: Timestamp, Exported;
        // Diesel doesn't know `xid8`, so its eight bytes are read as a number.
        #[diesel(
            select_expression = sql::<sql_types::BigInt>("xact_id"),
            select_expression_type = SqlLiteral<sql_types::BigInt>,
            deserialize_as = i64
        )]
        xact_id: TransactionId, Internal;
    }
    filled by the portal {
        action: Text, Exported;
        outcome: Text, Exported;
        user_id: OptionalNumber, Internal;
        user_email: OptionalText, Exported;
        user_role: OptionalText, Exported;
        customer_id: OptionalNumber, Internal;
        customer_code: OptionalText, Exported;
        bol_id: OptionalNumber, Internal;
        bol_number: OptionalText, Exported;
        document_id: OptionalNumber, Exported;
        document_kind: OptionalText, Exported;
        file_name: OptionalText, Exported;
        object_key: OptionalText, Exported;
        sha256: OptionalBytes, Exported;
        ip: OptionalAddress, Exported;
        user_agent: OptionalText, Exported;
        request_id: OptionalText, Exported;
        #[diesel(
            select_expression = sql::<sql_types::Text>("detail::text"),
            select_expression_type = SqlLiteral<sql_types::Text>,
            deserialize_as = String
        )]
        detail: Json, Exported;
    }
}

/// The query whose rows [`EventRef::from_copy`] reads.
pub fn select_all() -> String {
    format!("SELECT {} FROM audit_events", ALL.join(", "))
}

impl Event<'_> {
    /// Appends `INSERT INTO audit_events (…) SELECT …` to a query, up to the FROM clause, which the caller appends.
    ///
    /// `selected` pairs names of columns with SQL expressions. Those columns take their values from the query, all
    /// others from this event. So one statement selects the subject of an event and records it.
    pub fn push_insert_select<'b>(
        &'b self,
        out: &mut AstPass<'_, 'b, Pg>,
        selected: &[(&str, &str)],
    ) -> QueryResult<()> {
        push_insert(out);
        out.push_sql(" SELECT ");
        self.push_values(out, selected)
    }

    /// Appends `INSERT INTO audit_events (…) VALUES …` with one row for each event.
    pub(super) fn push_insert_values<'b>(events: &'b [Self], out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_insert(out);
        for (index, event) in events.iter().enumerate() {
            out.push_sql(if index == 0 { " VALUES (" } else { ", (" });
            event.push_values(out, &[])?;
            out.push_sql(")");
        }
        Ok(())
    }
}

fn push_insert(out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql("INSERT INTO audit_events (");
    out.push_sql(&INSERTED.join(", "));
    out.push_sql(")");
}
