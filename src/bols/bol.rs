//! The rows of the table of BOLs: one as stored, and one to insert.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::fields::Printed;
use crate::db::schema::bols;

#[derive(Clone, Debug, Default, Queryable, Selectable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
pub struct Bol {
    pub id: i64,
    pub number: String,
    pub customer_id: Option<i64>,
    #[diesel(embed)]
    pub printed: Printed,
    pub issued_by: String,
    pub official_weight_lb: Option<i32>,
    pub weighed_at: Option<DateTime<Utc>>,
    pub weighed_by: String,
    pub voided_at: Option<DateTime<Utc>>,
    pub voided_by: String,
    pub void_reason: String,
    pub reissue_of: Option<i64>,
    pub created_at: DateTime<Utc>,
    /// When its customer last had something new to see.
    pub changed_at: DateTime<Utc>,
}

impl std::ops::Deref for Bol {
    type Target = Printed;

    fn deref(&self) -> &Printed {
        &self.printed
    }
}

/// A row to insert.
#[derive(Clone, Debug, Default, Insertable)]
#[diesel(table_name = bols)]
pub struct NewBol {
    pub number: String,
    pub number_year: i32,
    pub number_seq: i32,
    pub customer_id: Option<i64>,
    #[diesel(embed)]
    pub printed: Printed,
    pub issued_by: String,
    pub official_weight_lb: Option<i32>,
    pub weighed_at: Option<DateTime<Utc>>,
    pub weighed_by: String,
    pub voided_at: Option<DateTime<Utc>>,
    pub voided_by: String,
    pub void_reason: String,
    pub reissue_of: Option<i64>,
    pub changed_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    /// When the customer sees it from. `None` means now.
    pub visible_since: Option<DateTime<Utc>>,
}
