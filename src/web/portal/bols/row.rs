//! One row of the list.

use crate::bols::search::{BolSummary, News};
use crate::bols::weight::Pounds;
use crate::documents::Kind;
use crate::web::log_links::timeline;
use crate::web::page::{self, non_empty};

pub struct BolRow {
    pub href: String,
    pub download_href: String,
    pub number: String,
    pub date: String,
    pub date_iso: String,
    pub product: String,
    pub customer: String,
    pub po: Option<String>,
    pub release: Option<String>,
    pub carrier: String,
    /// The truck and the trailer.
    pub vehicle: Option<String>,
    pub ship_to: String,
    pub lot: Option<String>,
    pub net_tons: String,
    pub net_lb: String,
    /// "New", or "New: signed BOL".
    pub news: Option<String>,
    pub is_void: bool,
    pub is_signed: bool,
    pub has_pdf: bool,
}

/// "Truck 12, trailer 7"
fn vehicle(truck: &str, trailer: &str) -> Option<String> {
    match (truck, trailer) {
        ("", "") => None,
        (truck, "") => Some(format!("Truck {truck}")),
        ("", trailer) => Some(format!("trailer {trailer}")),
        (truck, trailer) => Some(format!("Truck {truck}, trailer {trailer}")),
    }
}

/// "New", or "New: signed BOL, scale ticket"
fn mark(news: &News) -> String {
    let names: Vec<String> = news.documents.iter().map(|kind| kind.short_label()).collect();
    if names.is_empty() { "New".into() } else { format!("New: {}", names.join(", ")) }
}

impl BolRow {
    pub fn new(owner: Option<String>, row: BolSummary, news: Option<News>, can_open: bool) -> Self {
        let has = |kind: Kind| row.document_kinds.iter().any(|known| known == kind.as_str());
        let weight = Pounds(row.net_lb);
        Self {
            // Auditors get the timeline of the BOL instead of its documents.
            href: if can_open { format!("/bols/{}", row.number) } else { timeline("number", &row.number) },
            download_href: format!("/bols/{}/download", row.number),
            date: page::date(row.bol_date),
            date_iso: row.bol_date.to_string(),
            net_tons: weight.short_tons(),
            net_lb: weight.to_string(),
            news: news.map(|news| mark(&news)),
            is_void: row.voided_at.is_some(),
            is_signed: has(Kind::SignedBol),
            has_pdf: can_open && has(Kind::Bol),
            // The consignee's name only; the page of the BOL has the address.
            ship_to: row.ship_to.lines().next().unwrap_or_default().into(),
            number: row.number,
            product: row.product,
            customer: owner.unwrap_or_else(|| "Not assigned".into()),
            po: non_empty(row.customer_po),
            release: non_empty(row.release_number),
            carrier: row.carrier,
            vehicle: vehicle(&row.truck_number, &row.trailer_number),
            lot: non_empty(row.lot),
        }
    }
}
