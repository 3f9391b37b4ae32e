//! The list of BOLs: its filters and its rows.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bol::plain_tons;
use super::{Company, non_blank};
use crate::bols::search::BolSummary;

/// The filters of the list. All of them must fit.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BolQuery {
    /// Text, numbers and fields such as `truck 460`, as on the page.
    pub q: Option<String>,
    /// The first date, `YYYY-MM-DD`.
    #[param(format = Date)]
    pub from: Option<String>,
    /// The last date, `YYYY-MM-DD`.
    #[param(format = Date)]
    pub to: Option<String>,
    /// Has a document of this kind, such as `signed-bol`.
    pub kind: Option<String>,
    /// `issued`, `signed`, `unsigned` or `void`; for staff also `unassigned` and `unfetched`.
    pub status: Option<String>,
    /// The code of a customer.
    pub customer: Option<String>,
    /// `1`: only what is new to this user; for customers.
    pub new: Option<String>,
    /// Only what was updated at this time or later (RFC 3339). A BOL is updated when it is issued, assigned, voided or
    /// weighed, or gets a document.
    #[param(format = DateTime)]
    pub updated_since: Option<String>,
    /// `date`, `number`, `product`, `tons` or `updated`; with `-` in front, descending. Default: `updated` with
    /// `updated_since`, otherwise `-date`.
    pub sort: Option<String>,
    /// The value `next` of the page before, with the same other parameters.
    pub after: Option<String>,
    /// BOLs on a page, 1 to 200. Default: 50.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    pub limit: Option<String>,
}

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct BolList {
    pub bols: Vec<BolEntry>,
    /// Send it as `after` to get the next page. `null` on the last one.
    pub next: Option<String>,
}

/// A bill of lading in the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct BolEntry {
    pub id: i64,
    pub number: String,
    /// `issued` or `void`.
    #[schema(pattern = "^(issued|void)$")]
    pub status: &'static str,
    /// The customer that has it now.
    pub customer: Option<Company>,
    pub bol_date: NaiveDate,
    pub product: Option<String>,
    pub lot: Option<String>,
    pub customer_po: Option<String>,
    pub release_number: Option<String>,
    pub carrier: Option<String>,
    pub truck_number: Option<String>,
    pub trailer_number: Option<String>,
    /// The consignee: name and address, one per line.
    pub ship_to: Option<String>,
    /// Pounds.
    pub net_lb: i32,
    /// Short tons of 2,000 lb, with two decimals.
    #[schema(examples("23.45"), pattern = r"^\d+\.\d\d$")]
    pub net_tons: String,
    /// The kinds of its documents.
    pub document_kinds: Vec<String>,
    pub updated_at: DateTime<Utc>,
}

impl BolEntry {
    pub fn new(row: BolSummary, customer: Option<Company>) -> Self {
        Self {
            id: row.id,
            status: if row.voided_at.is_some() { "void" } else { "issued" },
            customer,
            bol_date: row.bol_date,
            product: non_blank(&row.product),
            lot: non_blank(&row.lot),
            customer_po: non_blank(&row.customer_po),
            release_number: non_blank(&row.release_number),
            carrier: non_blank(&row.carrier),
            truck_number: non_blank(&row.truck_number),
            trailer_number: non_blank(&row.trailer_number),
            ship_to: non_blank(&row.ship_to),
            net_lb: row.net_lb,
            net_tons: plain_tons(row.net_lb),
            document_kinds: row.document_kinds,
            updated_at: row.changed_at,
            number: row.number,
        }
    }
}
