//! What a printed BOL says, with every value formatted.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use qrcode::{Color, EcLevel, QrCode};

use crate::bols::fields::FIELDS;
use crate::bols::weight::{Pounds, Variance};
use crate::bols::{Bol, Printed, PrintedAddress};
use crate::local_time;
use crate::typefaces::unprintable;

/// The values that the form lays out. Each has only characters that can be printed.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    pub(super) number: String,
    pub(super) url: String,
    /// The QR code: a string for each row of modules, with `1` for dark.
    pub(super) qr: Vec<String>,
    pub(super) date: String,
    pub(super) year: i32,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) draft: bool,
    pub(super) void: Option<Void>,
    pub(super) official: Option<Official>,
    pub(super) company: Company,
    pub(super) customer: String,
    /// Every field of the BOL as printed, by its name.
    fields: BTreeMap<&'static str, String>,
    pub(super) net_tons: String,
    pub(super) weight_basis: &'static str,
}

#[derive(Clone, Debug, Default)]
pub struct Company {
    pub name: String,
    pub address: String,
    pub phone: String,
    pub email: String,
}

#[derive(Clone, Debug)]
pub struct Void {
    pub reason: String,
    pub date: String,
    pub by: String,
}

#[derive(Clone, Debug)]
pub struct Official {
    pub pounds: String,
    pub net_tons: String,
    pub variance_lb: String,
    pub variance_percent: String,
    pub date: String,
    pub by: String,
}

impl Sheet {
    /// The sheet of a preview: without number and QR code, and marked as not issued.
    pub fn preview(printed: &Printed) -> Self {
        Self {
            date: printed.bol_date.format("%B %-d, %Y").to_string(),
            year: printed.bol_date.year(),
            month: printed.bol_date.month(),
            day: printed.bol_date.day(),
            draft: true,
            company: Company {
                name: printable(&printed.company_name),
                address: printable(&printed.company_address),
                phone: printable(&printed.company_phone),
                email: printable(&printed.company_email),
            },
            customer: printable(&printed.customer_name),
            fields: FIELDS.iter().map(|field| (field.name, printable(&field.printed_text(printed)))).collect(),
            net_tons: Pounds(printed.net_lb).short_tons(),
            weight_basis: weight_basis(printed),
            ..Self::default()
        }
    }

    /// The sheet of an issued BOL. One that is void or officially weighed gets its stamp.
    pub fn new(bol: &Bol, address: PrintedAddress, zone: Tz) -> Self {
        let day = |at: DateTime<Utc>| at.with_timezone(&zone).format("%b %-d, %Y").to_string();
        let void = bol.voided_at.map(|at| Void {
            reason: printable(&bol.void_reason),
            date: local_time::to_minute(at, zone),
            by: printable(&bol.voided_by),
        });
        let official = bol.official_weight_lb.map(|lb| {
            let variance = Variance::new(lb, bol.net_lb);
            Official {
                pounds: Pounds(lb).to_string(),
                net_tons: Pounds(lb).short_tons(),
                variance_lb: variance.pounds(),
                variance_percent: variance.percent(),
                date: bol.weighed_at.map(day).unwrap_or_default(),
                by: printable(&bol.weighed_by),
            }
        });
        Self {
            number: bol.number.clone(),
            qr: modules(&address.code),
            url: address.text,
            draft: false,
            void,
            official,
            ..Self::preview(&bol.printed)
        }
    }

    /// Returns a field of the BOL as printed, by its name.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Returns the number, or what a preview has in its place.
    pub(super) fn number_or_mark(&self) -> &str {
        if self.draft { "Preview, not issued" } else { &self.number }
    }
}

/// Returns the text with a question mark for each character that can't be printed.
///
/// The fields of the form were checked earlier. The name of a user or an imported BOL may have such characters, and
/// must not prevent voiding a BOL.
fn printable(text: &str) -> String {
    text.chars().map(|c| if unprintable(c.encode_utf8(&mut [0; 4])).is_some() { '?' } else { c }).collect()
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
        assert_eq!(printable("José 😀\t\u{202e}"), "José ???");
        let bol = Bol { voided_at: Some(DateTime::UNIX_EPOCH), voided_by: "Zoë 😀".into(), ..bol() };
        let address =
            PrintedAddress { text: "https://portal.example/x".into(), code: "HTTPS://PORTAL.EXAMPLE/Y".into() };
        let sheet = Sheet::new(&bol, address, Tz::UTC);
        assert_eq!(sheet.void.map(|void| void.by).as_deref(), Some("Zoë ?"));
        assert_eq!(sheet.fields["ship_to"], "Foundry\nTown");
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
