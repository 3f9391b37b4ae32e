//! Rows of the tables as tests read them, with named fields.
//!
//! `app.lots()` returns every lot, and `app.lot("L-1")` the one with that number. The access log is in `events.rs`.

mod bols;
mod documents;
mod lists;
mod mails;
mod people;
mod seals;

use super::App;

pub use bols::BolRow;
pub use documents::{DocumentRow, versions};
pub use lists::LotRow;
pub use mails::MailRow;
pub use people::CustomerRow;

/// Gives a row the function `all`, which loads the whole table in the order of a column.
macro_rules! load_all {
    ($row:ident, $table:ident, $column:ident) => {
        impl $row {
            /// Every row, in the order of its key.
            pub async fn all(connection: &mut diesel_async::AsyncPgConnection) -> Vec<Self> {
                let query = $table::table.order($table::$column).select(Self::as_select());
                diesel_async::RunQueryDsl::load(query, connection).await.unwrap()
            }
        }
    };
}
use load_all;

/// The one row that a test means. Panics, naming what it looked for, if there is none.
fn find<T>(rows: Vec<T>, what: &str, is_it: impl Fn(&T) -> bool) -> T {
    rows.into_iter().find(is_it).unwrap_or_else(|| panic!("no {what}"))
}

impl App {
    /// The number of rows in a table.
    pub async fn count(&self, table: &str) -> usize {
        self.rows(&format!("SELECT count(*) FROM {table}")).await[0].parse().unwrap()
    }

    /// Every row of some tables as text, to compare two moments.
    pub async fn contents(&self, tables: &[&str]) -> Vec<String> {
        let mut contents = Vec::new();
        for table in tables {
            contents.extend(self.rows(&format!("SELECT '{table}', t.* FROM {table} t ORDER BY t::text")).await);
        }
        contents
    }
}
