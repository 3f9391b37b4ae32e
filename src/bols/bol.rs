//! One bill of lading, as its row has it.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;

use crate::db::schema::bols;

/// What a BOL prints. Copied onto it when it is issued, and never changed afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
pub struct Printed {
    /// Of the customer, as it was.
    pub customer_name: String,
    pub bol_date: NaiveDate,
    pub product: String,
    pub lot: String,
    pub chemistry: String,
    pub customer_po: String,
    pub release_number: String,
    pub carrier: String,
    pub carrier_scac: String,
    pub truck_number: String,
    pub trailer_number: String,
    pub seal_numbers: String,
    pub driver_name: String,
    pub ship_from: String,
    pub care_of: String,
    pub ship_to: String,
    pub bill_to: String,
    pub freight_terms: String,
    pub pieces: Option<i32>,
    pub package_type: String,
    pub gross_lb: Option<i32>,
    pub tare_lb: Option<i32>,
    pub net_lb: i32,
    pub scale_ticket: String,
    pub special_instructions: String,
    pub trailer_loaded_by: String,
    pub freight_counted_by: String,
    /// The consignor; empty on BOLs from before the portal.
    pub company_name: String,
    pub company_address: String,
    pub company_phone: String,
    pub company_email: String,
}

#[derive(Clone, Debug, Queryable, Selectable)]
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
}

impl std::ops::Deref for Bol {
    type Target = Printed;

    fn deref(&self) -> &Printed {
        &self.printed
    }
}

/// A row for the table.
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
    /// `None`: from now on.
    pub visible_since: Option<DateTime<Utc>>,
}
