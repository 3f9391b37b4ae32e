//! One row of the list.

use crate::bols::search::{BolSummary, News};
use crate::bols::weight::Pounds;
use crate::documents::Kind;
use crate::web::log_links::{downloads, timeline};
use crate::web::page::{self, non_empty};

pub struct BolRow {
    pub href: String,
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
    /// Pounds that count toward the total of what is ticked.
    pub counted_lb: i32,
    /// The document that the row offers first, or for auditors the downloads of the BOL.
    pub button: Option<RowButton>,
}

pub struct RowButton {
    pub href: String,
    /// "PDF", or "Signed"
    pub label: &'static str,
    /// For screen readers, before the label: "Download the signed BOL of PRT-2026-0128: "
    pub purpose: String,
}

/// Which documents the rows offer.
#[derive(Clone, Copy)]
pub struct ShownDocuments {
    pub can_open: bool,
    /// The kind by which the list is filtered.
    pub kind: Option<Kind>,
}

impl ShownDocuments {
    /// Returns a link to the kind that the list is filtered by, or else to the signed copy, or else to the BOL itself.
    fn button(self, row: &BolSummary) -> Option<RowButton> {
        let number = &row.number;
        if !self.can_open {
            let purpose = format!("Who got documents of {number}: ");
            return Some(RowButton { href: downloads("number", number), label: "Downloads", purpose });
        }
        let has = |kind: &Kind| row.document_kinds.iter().any(|known| known == kind.as_str());
        let preferred = [self.kind, Some(Kind::SignedBol), Some(Kind::Bol)].into_iter().flatten();
        let kind = preferred.into_iter().find(has)?;
        let path = format!("/bols/{number}/download");
        let (href, label) = match kind {
            Kind::Bol => (path, "PDF"),
            Kind::SignedBol => (format!("{path}?kind={kind}"), "Signed"),
            _ => (format!("{path}?kind={kind}"), "PDF"),
        };
        Some(RowButton { href, label, purpose: format!("Download the {} of {number}: ", kind.short_label()) })
    }
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
    pub fn new(owner: Option<String>, row: BolSummary, news: Option<News>, shown: ShownDocuments) -> Self {
        let has = |kind: Kind| row.document_kinds.iter().any(|known| known == kind.as_str());
        let weight = Pounds(row.net_lb);
        Self {
            // Auditors get the timeline of the BOL instead of its documents.
            href: if shown.can_open { format!("/bols/{}", row.number) } else { timeline("number", &row.number) },
            date: page::date(row.bol_date),
            date_iso: row.bol_date.to_string(),
            net_tons: weight.short_tons(),
            net_lb: weight.to_string(),
            news: news.map(|news| mark(&news)),
            is_void: row.voided_at.is_some(),
            is_signed: has(Kind::SignedBol),
            counted_lb: if row.voided_at.is_some() { 0 } else { row.net_lb },
            button: shown.button(&row),
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
