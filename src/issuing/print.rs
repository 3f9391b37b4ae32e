//! The printed BOL: a PDF from `templates/bol.typ`, the same bytes from the same data.
//!
//! Everything is formatted here, the template only lays out. Letter size, tagged (PDF/UA-1), typefaces embedded.

mod typesetter;

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::bols::weight::{Pounds, Variance, grouped};
use crate::bols::{Bol, Printed};
use crate::typefaces::unprintable;

/// The fault is the program's or the template's, never the visitor's: what a form may contain is checked before.
#[derive(Debug, thiserror::Error)]
#[error("the BOL can't be printed: {0}")]
pub struct PrintError(String);

/// What the template is given.
#[derive(Serialize)]
pub struct Sheet<'a> {
    number: &'a str,
    url: String,
    /// Rows of modules, `1` is dark.
    qr: Vec<String>,
    date: String,
    year: i32,
    month: u32,
    day: u32,
    draft: bool,
    void: Option<Void<'a>>,
    official: Option<Official<'a>>,
    company: Company<'a>,
    customer: &'a str,
    ship_from: &'a str,
    care_of: &'a str,
    ship_to: &'a str,
    bill_to: &'a str,
    carrier: Carrier<'a>,
    po: &'a str,
    release: &'a str,
    lot: &'a str,
    chemistry: &'a str,
    product: &'a str,
    pieces: String,
    package_type: &'a str,
    gross_lb: String,
    tare_lb: String,
    net_lb: String,
    net_tons: String,
    weight_basis: &'static str,
    scale_ticket: &'a str,
    freight_terms: &'a str,
    special_instructions: &'a str,
    trailer_loaded_by: &'a str,
    freight_counted_by: &'a str,
}

#[derive(Serialize)]
struct Company<'a> {
    name: &'a str,
    address: &'a str,
    phone: &'a str,
    email: &'a str,
}

#[derive(Serialize)]
struct Carrier<'a> {
    name: &'a str,
    scac: &'a str,
    truck: &'a str,
    trailer: &'a str,
    seals: &'a str,
    driver: &'a str,
}

#[derive(Serialize)]
struct Void<'a> {
    reason: &'a str,
    date: String,
    by: &'a str,
}

#[derive(Serialize)]
struct Official<'a> {
    pounds: String,
    net_tons: String,
    variance_lb: String,
    variance_percent: String,
    date: String,
    by: &'a str,
}

impl<'a> Sheet<'a> {
    /// A preview: no number, no QR code, and a mark that nobody takes for a BOL.
    pub fn preview(printed: &'a Printed) -> Self {
        let pounds = |lb: Option<i32>| lb.map(|lb| Pounds(lb).to_string()).unwrap_or_default();
        Self {
            number: "",
            url: String::new(),
            qr: Vec::new(),
            date: printed.bol_date.format("%B %-d, %Y").to_string(),
            year: printed.bol_date.year(),
            month: printed.bol_date.month(),
            day: printed.bol_date.day(),
            draft: true,
            void: None,
            official: None,
            company: Company {
                name: &printed.company_name,
                address: &printed.company_address,
                phone: &printed.company_phone,
                email: &printed.company_email,
            },
            customer: &printed.customer_name,
            ship_from: &printed.ship_from,
            care_of: &printed.care_of,
            ship_to: &printed.ship_to,
            bill_to: &printed.bill_to,
            carrier: Carrier {
                name: &printed.carrier,
                scac: &printed.carrier_scac,
                truck: &printed.truck_number,
                trailer: &printed.trailer_number,
                seals: &printed.seal_numbers,
                driver: &printed.driver_name,
            },
            po: &printed.customer_po,
            release: &printed.release_number,
            lot: &printed.lot,
            chemistry: &printed.chemistry,
            product: &printed.product,
            pieces: printed.pieces.map(|pieces| grouped(pieces.into())).unwrap_or_default(),
            package_type: &printed.package_type,
            gross_lb: pounds(printed.gross_lb),
            tare_lb: pounds(printed.tare_lb),
            net_lb: Pounds(printed.net_lb).to_string(),
            net_tons: Pounds(printed.net_lb).short_tons(),
            weight_basis: weight_basis(printed),
            scale_ticket: &printed.scale_ticket,
            freight_terms: &printed.freight_terms,
            special_instructions: &printed.special_instructions,
            trailer_loaded_by: &printed.trailer_loaded_by,
            freight_counted_by: &printed.freight_counted_by,
        }
    }

    /// As it was issued, or, when it has been weighed officially or is void, its stamped copy. `url` is the BOL's
    /// address in the portal.
    pub fn new(bol: &'a Bol, url: String, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).format("%b %-d, %Y").to_string();
        let void = bol.voided_at.map(|at| Void {
            reason: &bol.void_reason,
            date: at.with_timezone(&zone).format("%b %-d, %Y, %-I:%M %p").to_string(),
            by: &bol.voided_by,
        });
        let official = bol.official_weight_lb.map(|lb| {
            let variance = Variance::new(lb, bol.net_lb);
            Official {
                pounds: Pounds(lb).to_string(),
                net_tons: Pounds(lb).short_tons(),
                variance_lb: variance.pounds(),
                variance_percent: variance.percent(),
                date: bol.weighed_at.map(day).unwrap_or_default(),
                by: &bol.weighed_by,
            }
        });
        Self {
            number: &bol.number,
            qr: modules(&url),
            url,
            draft: false,
            void,
            official,
            ..Self::preview(&bol.printed)
        }
    }

    /// The PDF. Takes some milliseconds of processor time: see [`print`] for use beside other work.
    pub fn render(&self) -> Result<Vec<u8>, PrintError> {
        typesetter::pdf(self)
    }

    /// What can't be printed (in a name of today's user, on a BOL from before the portal) is a question mark: a form's
    /// own fields have been checked, and a BOL that can't be voided would be worse.
    fn json(&self) -> Result<Vec<u8>, PrintError> {
        let mut sheet = serde_json::to_value(self).map_err(|error| PrintError(error.to_string()))?;
        make_printable(&mut sheet);
        serde_json::to_vec(&sheet).map_err(|error| PrintError(error.to_string()))
    }
}

fn make_printable(value: &mut serde_json::Value) {
    use serde_json::Value::{Array, Object, String};
    match value {
        String(text) if unprintable(text).is_some() => {
            *text =
                text.chars().map(|c| if unprintable(c.encode_utf8(&mut [0; 4])).is_some() { '?' } else { c }).collect();
        }
        Array(values) => values.iter_mut().for_each(make_printable),
        Object(values) => values.values_mut().for_each(make_printable),
        _ => {}
    }
}

/// The PDF, off the async threads. At most one a core at once, and one preview: whoever issues holds the counter and
/// must not stand in line behind those who only look.
pub async fn print(sheet: &Sheet<'_>) -> Result<Vec<u8>, PrintError> {
    static AT_ONCE: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));
    static PREVIEWS: Semaphore = Semaphore::const_new(1);
    let (json, number) = (sheet.json()?, sheet.number.to_owned());
    let turns = if sheet.draft { &PREVIEWS } else { &*AT_ONCE };
    let _turn = turns.acquire().await.map_err(|error| PrintError(error.to_string()))?;
    match tokio::task::spawn_blocking(move || typesetter::typeset(json, number)).await {
        Ok(result) => result,
        Err(error) => Err(PrintError(error.to_string())),
    }
}

/// "Weight basis" of the form: where the net weight comes from.
fn weight_basis(printed: &Printed) -> &'static str {
    match printed.gross_lb {
        Some(_) => "Scale weight, gross less tare",
        None => "Net weight as stated by shipper",
    }
}

/// Medium error correction: 15 % of a smudged or folded code may be lost.
fn modules(url: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(url, EcLevel::M) else { return Vec::new() };
    let digit = |color: &Color| if *color == Color::Dark { '1' } else { '0' };
    code.to_colors().chunks(code.width()).map(|row| row.iter().map(digit).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bol() -> Bol {
        let printed = Printed {
            bol_date: chrono::NaiveDate::from_ymd_opt(2025, 11, 24).expect("a date"),
            product: "Basic pig iron".into(),
            ship_to: "Foundry\nTown".into(),
            net_lb: 46_060,
            company_name: "Terminal".into(),
            ..Printed::default()
        };
        Bol {
            id: 1,
            number: "PRT-2025-0001".into(),
            customer_id: None,
            printed,
            issued_by: String::new(),
            official_weight_lb: None,
            weighed_at: None,
            weighed_by: String::new(),
            voided_at: None,
            voided_by: String::new(),
            void_reason: String::new(),
            reissue_of: None,
        }
    }

    #[test]
    fn the_same_data_gives_the_same_bytes() {
        let render = |bol: &Bol| Sheet::new(bol, "https://portal.example/x".into(), Tz::UTC).render().expect("a PDF");
        let (first, mut other) = (render(&bol()), bol());
        other.printed.lot = "7".into();
        assert!(first.starts_with(b"%PDF-1.7"));
        assert_ne!(render(&other), first);
        assert_eq!(render(&bol()), first);
    }

    #[test]
    fn what_can_not_be_printed_is_a_question_mark() {
        let mut value = serde_json::json!({"a": ["José 😀\t", "fine\nline"], "b": {"c": "\u{202e}"}});
        make_printable(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["José ??", "fine\nline"], "b": {"c": "?"}}));
    }

    #[test]
    fn the_code_has_its_three_corners() {
        let modules = modules("https://portal.example.com/bols/PRT-2025-0001");
        let size = modules.len();
        assert!(size >= 25 && modules.iter().all(|row| row.len() == size));
        assert!(
            modules[0].starts_with("1111111")
                && modules[0].ends_with("1111111")
                && modules[size - 1].starts_with("1111111")
        );
    }
}
