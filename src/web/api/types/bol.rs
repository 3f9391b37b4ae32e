//! One BOL with its documents.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Company, non_blank};
use crate::bols::draft::split_seals;
use crate::bols::weight::{Pounds, Variance};
use crate::documents::{self, Kind, Viewed};

/// A bill of lading. What it prints was copied onto it when it was issued, and does not change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bol {
    pub id: i64,
    pub number: String,
    /// `issued` or `void`.
    #[schema(pattern = "^(issued|void)$")]
    pub status: &'static str,
    /// The customer that has it now.
    pub customer: Option<Company>,
    /// The customer's name, as printed.
    pub customer_name: Option<String>,
    pub bol_date: NaiveDate,
    pub issued_at: DateTime<Utc>,
    pub issued_by: Option<String>,
    /// When it was last assigned, voided or weighed, or got a document.
    pub updated_at: DateTime<Utc>,
    /// The terminal, which issued it.
    pub terminal: Option<Terminal>,
    /// Name and address, one per line.
    pub ship_from: Option<String>,
    /// The consignee: name and address, one per line.
    pub ship_to: Option<String>,
    /// The shipper that it shows instead, of a blind shipment.
    pub care_of: Option<String>,
    /// Who pays the freight, if that is a third party.
    pub bill_to: Option<String>,
    /// `prepaid`, `collect` or `third-party`.
    pub freight_terms: Option<String>,
    pub product: Option<String>,
    pub lot: Option<String>,
    pub chemistry: Option<String>,
    pub customer_po: Option<String>,
    pub release_number: Option<String>,
    pub carrier: Option<String>,
    pub carrier_scac: Option<String>,
    pub truck_number: Option<String>,
    pub trailer_number: Option<String>,
    pub seal_numbers: Vec<String>,
    pub driver_name: Option<String>,
    pub pieces: Option<i32>,
    pub package_type: Option<String>,
    /// Pounds.
    pub gross_lb: Option<i32>,
    /// Pounds.
    pub tare_lb: Option<i32>,
    /// Pounds.
    pub net_lb: i32,
    /// Short tons of 2,000 lb, with two decimals.
    #[schema(examples("23.45"), pattern = r"^\d+\.\d\d$")]
    pub net_tons: String,
    /// The certified weight, if it was entered.
    pub official_weight: Option<OfficialWeight>,
    pub scale_ticket: Option<String>,
    pub special_instructions: Option<String>,
    /// `shipper` or `driver`.
    pub trailer_loaded_by: Option<String>,
    /// `shipper` or `driver`.
    pub freight_counted_by: Option<String>,
    pub void: Option<Void>,
    /// The void BOL that this one replaces.
    pub reissue_of: Option<String>,
    /// The newest BOL that replaces this one.
    pub reissued_as: Option<String>,
    /// Every version of every document, by kind, the current one of each kind first.
    pub documents: Vec<Document>,
}

/// The consignor, as printed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Terminal {
    pub name: String,
    /// Street and city, one per line.
    pub address: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
}

/// A certified weight.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfficialWeight {
    pub pounds: i32,
    /// The difference from the net weight, in percent with two decimals and a sign.
    #[schema(examples("+0.26"))]
    pub variance_percent: String,
    pub weighed_at: Option<DateTime<Utc>>,
    pub weighed_by: Option<String>,
}

/// When and why a BOL was voided.
#[derive(Debug, Serialize, ToSchema)]
pub struct Void {
    pub voided_at: DateTime<Utc>,
    pub voided_by: Option<String>,
    pub reason: Option<String>,
}

/// One version of a document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Document {
    pub id: i64,
    /// `bol`, `signed-bol`, `scale-ticket`, `certificate-of-analysis`, `packing-list`, `invoice` or `other`.
    pub kind: String,
    /// The code of the DSDC for this kind: `BOL`, `POD`, `SCL`, `INSP`, `PAC`, `INV` or `OTHER`.
    pub dsdc_code: &'static str,
    pub version: i32,
    /// Whether it is the newest version of its kind.
    pub is_current: bool,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    /// SHA-256 of the file, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: String,
    pub stored_at: Option<DateTime<Utc>>,
    /// The person who stored it.
    pub stored_by: Option<String>,
}

impl From<Viewed> for Bol {
    fn from(viewed: Viewed) -> Self {
        let Viewed { bol, documents, related, owner, .. } = viewed;
        let printed = &bol.printed;
        Self {
            id: bol.id,
            number: bol.number.clone(),
            status: if bol.voided_at.is_some() { "void" } else { "issued" },
            customer: owner.map(|owner| Company { code: owner.code, name: owner.name }),
            customer_name: non_blank(&printed.customer_name),
            bol_date: printed.bol_date,
            issued_at: bol.created_at,
            issued_by: non_blank(&bol.issued_by),
            updated_at: bol.changed_at,
            terminal: Terminal::of(&bol),
            ship_from: non_blank(&printed.ship_from),
            ship_to: non_blank(&printed.ship_to),
            care_of: non_blank(&printed.care_of),
            bill_to: non_blank(&printed.bill_to),
            freight_terms: non_blank(&printed.freight_terms),
            product: non_blank(&printed.product),
            lot: non_blank(&printed.lot),
            chemistry: non_blank(&printed.chemistry),
            customer_po: non_blank(&printed.customer_po),
            release_number: non_blank(&printed.release_number),
            carrier: non_blank(&printed.carrier),
            carrier_scac: non_blank(&printed.carrier_scac),
            truck_number: non_blank(&printed.truck_number),
            trailer_number: non_blank(&printed.trailer_number),
            seal_numbers: split_seals(&printed.seal_numbers),
            driver_name: non_blank(&printed.driver_name),
            pieces: printed.pieces,
            package_type: non_blank(&printed.package_type),
            gross_lb: printed.gross_lb,
            tare_lb: printed.tare_lb,
            net_lb: printed.net_lb,
            net_tons: plain_tons(printed.net_lb),
            official_weight: OfficialWeight::of(&bol),
            scale_ticket: non_blank(&printed.scale_ticket),
            special_instructions: non_blank(&printed.special_instructions),
            trailer_loaded_by: non_blank(&printed.trailer_loaded_by),
            freight_counted_by: non_blank(&printed.freight_counted_by),
            void: Void::of(&bol),
            reissue_of: related.before,
            reissued_as: related.after,
            documents: Document::all(documents),
        }
    }
}

/// Formats pounds as short tons without commas: `1234.50`.
pub(super) fn plain_tons(pounds: i32) -> String {
    Pounds(pounds).short_tons().replace(',', "")
}

impl Terminal {
    fn of(bol: &crate::bols::Bol) -> Option<Self> {
        Some(Self {
            name: non_blank(&bol.company_name)?,
            address: non_blank(&bol.company_address),
            phone: non_blank(&bol.company_phone),
            email: non_blank(&bol.company_email),
        })
    }
}

impl OfficialWeight {
    fn of(bol: &crate::bols::Bol) -> Option<Self> {
        let pounds = bol.official_weight_lb?;
        let variance_percent = Variance::new(pounds, bol.net_lb).percent();
        Some(Self { pounds, variance_percent, weighed_at: bol.weighed_at, weighed_by: non_blank(&bol.weighed_by) })
    }
}

impl Void {
    fn of(bol: &crate::bols::Bol) -> Option<Self> {
        let voided_at = bol.voided_at?;
        Some(Self { voided_at, voided_by: non_blank(&bol.voided_by), reason: non_blank(&bol.void_reason) })
    }
}

impl Document {
    /// Of each kind, the first one is current.
    fn all(documents: Vec<documents::Document>) -> Vec<Self> {
        let mut described: Vec<Self> = Vec::with_capacity(documents.len());
        for document in documents {
            let kind = document.kind.parse().unwrap_or(Kind::Other);
            let is_current = !described.iter().any(|other| other.kind == document.kind);
            described.push(Self {
                id: document.id,
                dsdc_code: kind.dsdc_code(),
                version: document.version,
                is_current,
                file_name: document.file_name,
                content_type: document.content_type,
                size_bytes: document.size_bytes,
                sha256: hex::encode(&document.sha256),
                stored_at: document.stored_at,
                stored_by: non_blank(&document.stored_by),
                kind: document.kind,
            });
        }
        described
    }
}
