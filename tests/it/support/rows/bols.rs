//! Bills of lading.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::db::schema::{bol_counters, bols};

use super::super::App;
use super::{find, load_all};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = bols)]
pub struct BolRow {
    pub id: i64,
    pub number: String,
    pub number_year: i32,
    pub number_seq: i32,
    pub customer_id: Option<i64>,
    pub customer_name: String,
    pub bol_date: NaiveDate,
    pub product: String,
    pub customer_po: String,
    pub truck_number: String,
    pub net_lb: i32,
    pub official_weight_lb: Option<i32>,
    pub voided_at: Option<DateTime<Utc>>,
    pub document_kinds: Vec<String>,
    pub company_name: String,
    pub issued_by: String,
    pub visible_since: DateTime<Utc>,
}

load_all!(BolRow, bols, id);

impl App {
    /// Every BOL by id.
    pub async fn bols(&self) -> Vec<BolRow> {
        BolRow::all(&mut *self.connection().await).await
    }

    /// The last number that was used in a year.
    pub async fn last_sequence(&self, year: i32) -> i32 {
        let mut connection = self.connection().await;
        let query = bol_counters::table.find(year).select(bol_counters::last_seq);
        query.first(&mut *connection).await.unwrap()
    }

    pub async fn bol(&self, number: &str) -> BolRow {
        find(self.bols().await, &format!("BOL {number}"), |bol| bol.number == number)
    }
}
