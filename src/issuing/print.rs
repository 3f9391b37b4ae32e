//! The printed BOL: a PDF made with `templates/bol.typ`. The same data gives the same bytes.
//!
//! This module formats every value, and the template only lays them out. US Letter, tagged (PDF/UA-1), with embedded
//! typefaces.

mod typesetter;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::bols::fields::FIELDS;
use crate::bols::weight::{Pounds, Variance};
use crate::bols::{Bol, Printed, PrintedAddress};
use crate::local_time;
use crate::typefaces::unprintable;

/// A bug in the program or the template. User input is checked earlier and never causes it.
#[derive(Debug, thiserror::Error)]
#[error("the BOL can't be printed: {0}")]
pub struct PrintError(String);

/// The data that the template lays out.
#[derive(Serialize)]
pub struct Sheet<'a> {
    number: &'a str,
    url: String,
    /// The QR code: a string for each row of modules, with `1` for dark.
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
    /// Every field of the BOL as printed, by its name.
    fields: BTreeMap<&'static str, String>,
    net_tons: String,
    weight_basis: &'static str,
}

#[derive(Serialize)]
struct Company<'a> {
    name: &'a str,
    address: &'a str,
    phone: &'a str,
    email: &'a str,
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
    /// The sheet of a preview: without number and QR code, and marked as not issued.
    pub fn preview(printed: &'a Printed) -> Self {
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
            fields: FIELDS.iter().map(|field| (field.name, field.printed_text(printed))).collect(),
            net_tons: Pounds(printed.net_lb).short_tons(),
            weight_basis: weight_basis(printed),
        }
    }

    /// The sheet of an issued BOL. One that is void or officially weighed gets its stamp.
    pub fn new(bol: &'a Bol, address: PrintedAddress, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).format("%b %-d, %Y").to_string();
        let void = bol.voided_at.map(|at| Void {
            reason: &bol.void_reason,
            date: local_time::to_minute(at, zone),
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
            qr: modules(&address.code),
            url: address.text,
            draft: false,
            void,
            official,
            ..Self::preview(&bol.printed)
        }
    }

    /// Returns the PDF. It takes some milliseconds of processor time; async code uses [`print`].
    pub fn render(&self) -> Result<Vec<u8>, PrintError> {
        typesetter::pdf(self)
    }

    /// Returns the data as JSON, with a question mark for each character that can't be printed.
    ///
    /// The fields of the form were checked earlier. The name of a user or an imported BOL may have such characters, and
    /// must not prevent voiding a BOL.
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

/// Returns the PDF, made outside of the async threads.
///
/// At most one sheet per core is printed at once, and one preview. Issuing holds the counter of BOL numbers, so it must
/// not wait for previews.
pub async fn print(sheet: &Sheet<'_>) -> Result<Vec<u8>, PrintError> {
    static PRINTS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));
    static PREVIEWS: Semaphore = Semaphore::const_new(1);
    let (json, number) = (sheet.json()?, sheet.number.to_owned());
    let semaphore = if sheet.draft { &PREVIEWS } else { &*PRINTS };
    let _permit = semaphore.acquire().await.map_err(|error| PrintError(error.to_string()))?;
    match tokio::task::spawn_blocking(move || typesetter::typeset(json, number)).await {
        Ok(result) => result,
        Err(error) => Err(PrintError(error.to_string())),
    }
}

/// Returns where the net weight comes from.
fn weight_basis(printed: &Printed) -> &'static str {
    match printed.gross_lb {
        Some(_) => "Scale weight, gross less tare",
        None => "Net weight as stated by shipper",
    }
}

/// Returns the QR code with medium error correction: up to 15 % of it may be unreadable.
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
        Bol { id: 1, number: "PRT-2025-0001".into(), printed, ..Bol::default() }
    }

    #[test]
    fn the_same_data_gives_the_same_bytes() {
        let address =
            PrintedAddress { text: "https://portal.example/x".into(), code: "https://portal.example/y".into() };
        let render = |bol: &Bol| Sheet::new(bol, address.clone(), Tz::UTC).render().expect("a PDF");
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

    /// With 33 modules on one inch, a module is 0.77 mm, which a copier's 200 dpi resolve six times.
    #[test]
    fn the_signature_adds_no_module_to_the_code() {
        let secret = crate::config::SecretKey::from_bytes(vec![7; 64]);
        let codes = crate::bols::PrintedCodes::new(vec!["https://portal.example.com".into()], Some(&secret));
        let address = codes.address(&"PRT-2025-0001".parse().expect("a number"));
        assert_eq!((modules(&address.text).len(), modules(&address.code).len()), (33, 33));
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
