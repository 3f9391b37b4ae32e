//! Checks a draft: it has everything that a BOL needs, and every field can be printed.
//!
//! A carrier's bill of lading must name consignor and consignee, origin and destination, the number of packages, a
//! description of the freight, and its weight (49 CFR 373.101).

use chrono::{Datelike, NaiveDate};

use super::Draft;
use super::parse::{single_spaces, split_seals, trim_lines, whole_number};
use crate::bols::fields::{Column, FIELDS, Field, Kind, Printed};
use crate::bols::settings::Company;
use crate::bols::weight::{Pounds, grouped};
use crate::field_errors::FieldErrors;
use crate::typefaces::{unprintable, unprintable_message};

/// Far above any truck, and far below the range of an integer.
pub const MAX_POUNDS: i32 = 1_000_000;
const MAX_SEAL_CHARS: usize = 60;
const MAX_PIECES: i32 = 100_000;
const MAX_CUSTOMER_CODE_CHARS: usize = 16;

impl Draft {
    /// Returns what a new BOL would print, or a message beside each wrong field.
    ///
    /// `customer` is the name of the chosen customer and whether it is active; `company` is the terminal.
    pub fn check(&self, customer: Option<(&str, bool)>, company: &Company) -> Result<Printed, FieldErrors> {
        let mut check = Check { draft: self, is_import: false, errors: FieldErrors::default() };
        if company.company_name.is_empty() || company.company_address.is_empty() {
            let message = "The terminal's own name and address are missing. Enter them under Settings first.";
            check.refuse("ship_from", message);
        }
        let customer_name = check.customer(customer);
        let printed = Printed {
            customer_name,
            company_name: company.company_name.clone(),
            company_address: company.company_address.clone(),
            company_phone: company.company_phone.clone(),
            company_email: company.company_email.clone(),
            ..Printed::default()
        };
        check.fields(printed)
    }

    /// Returns what a BOL of the previous system printed, or a message beside each wrong field.
    ///
    /// Such a BOL may lack fields that a new one needs. The caller sets the customer's name.
    pub fn check_imported(&self) -> Result<Printed, FieldErrors> {
        Check { draft: self, is_import: true, errors: FieldErrors::default() }.fields(Printed::default())
    }
}

struct Check<'a> {
    draft: &'a Draft,
    is_import: bool,
    errors: FieldErrors,
}

impl Check<'_> {
    fn fields(mut self, mut printed: Printed) -> Result<Printed, FieldErrors> {
        for field in &FIELDS {
            match field.column {
                Column::Text(_, get_mut) => *get_mut(&mut printed) = self.read_text(field),
                Column::Number(_, set) => set(&mut printed, self.read_number(field)),
                Column::Date(_, set) => set(&mut printed, self.read_date(field)),
            }
            self.check_relations(field.name, &mut printed);
        }
        self.errors.or(printed)
    }

    /// Adds a message, unless the field has one.
    fn refuse(&mut self, field: &'static str, message: impl Into<String>) {
        self.errors.add_first(field, message);
    }

    fn customer(&mut self, customer: Option<(&str, bool)>) -> String {
        let code = self.printable("customer", Kind::Line { max_chars: MAX_CUSTOMER_CODE_CHARS });
        if code.is_empty() {
            self.refuse("customer", "Choose the customer.");
        }
        match customer {
            Some((name, true)) => return name.into(),
            Some((name, false)) => self.refuse("customer", format!("{name} is inactive. Choose another customer.")),
            None => self.refuse("customer", format!("No customer has the code {code}.")),
        }
        String::new()
    }

    /// Returns the text as it will be printed, without white space at the ends.
    fn printable(&mut self, name: &'static str, kind: Kind) -> String {
        // Characters that look like a space; spreadsheets and web pages contain them.
        let typed = &self.draft.get(name).replace(['\u{a0}', '\u{2007}', '\u{202f}'], " ");
        let is_multiline = kind.rows().is_some();
        let text = if is_multiline { trim_lines(typed) } else { single_spaces(typed) };
        let (length, max) = (text.chars().count(), kind.max_chars());
        if length > max {
            self.refuse(
                name,
                format!("{} characters are too many. Use at most {}.", grouped(length as i64), grouped(max as i64)),
            );
        }
        if !is_multiline && text.contains(['\n', '\r']) {
            self.refuse(name, "Use only one line.");
        } else if let Some(c) = unprintable(&text) {
            self.refuse(name, unprintable_message(c));
        }
        text
    }

    fn required_message(&self, field: &Field) -> Option<&'static str> {
        if self.is_import { field.required_in_import } else { field.required }
    }

    /// Returns the text of a field. Adds a problem if it is blank and must not be.
    fn typed(&mut self, field: &Field) -> String {
        let text = self.printable(field.name, field.kind);
        if let Some(message) = self.required_message(field).filter(|_| text.is_empty()) {
            self.refuse(field.name, message);
        }
        text
    }

    fn read_text(&mut self, field: &Field) -> String {
        match field.kind {
            Kind::Choice(_) => self.read_choice(field),
            Kind::Scac => self.read_scac(field),
            Kind::Seals => self.read_seals(field),
            Kind::Line { .. } | Kind::Lines { .. } | Kind::Date | Kind::Pounds | Kind::Count => self.typed(field),
        }
    }

    fn read_choice(&mut self, field: &Field) -> String {
        let values: Vec<&str> = field.kind.choices().iter().map(|choice| choice.value).collect();
        let text = self.draft.get(field.name).trim();
        if values.contains(&text) {
            return text.into();
        }
        match field.required {
            // The previous system left out values that were the same on nearly every BOL.
            _ if self.is_import && text.is_empty() => return values.first().copied().unwrap_or_default().into(),
            Some(message) if !self.is_import => self.refuse(field.name, message),
            _ => self.refuse(field.name, format!("Use one of {}.", values.join(", "))),
        }
        String::new()
    }

    fn read_scac(&mut self, field: &Field) -> String {
        let text = self.typed(field).to_ascii_uppercase();
        let fits = text.is_empty() || (2..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase());
        if !fits {
            self.refuse(field.name, "A SCAC has 2 to 4 letters.");
        }
        text
    }

    fn read_seals(&mut self, field: &Field) -> String {
        let seals = split_seals(&self.typed(field));
        if seals.iter().any(|seal| seal.chars().count() > MAX_SEAL_CHARS) {
            self.refuse(
                field.name,
                format!("A seal has up to {MAX_SEAL_CHARS} characters. Separate seals by commas or spaces."),
            );
        }
        seals.join(", ")
    }

    fn read_date(&mut self, field: &Field) -> NaiveDate {
        let text = self.typed(field);
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        day.filter(|day| text.len() == 10 && (2000..=2100).contains(&day.year())).unwrap_or_else(|| {
            self.refuse(field.name, "Not a valid date. Use one such as 2025-11-30.");
            NaiveDate::default()
        })
    }

    fn read_number(&mut self, field: &Field) -> Option<i32> {
        let (max, message) = match field.kind {
            Kind::Count => (MAX_PIECES, field.required.unwrap_or("Enter a whole number.")),
            _ => (MAX_POUNDS, "Enter whole pounds, such as 46,060."),
        };
        let text = self.typed(field);
        let number = whole_number(&text).filter(|number| (1..=max).contains(number));
        if number.is_none() && !text.is_empty() {
            self.refuse(field.name, message);
        }
        number
    }

    /// Checks the rules between fields, at the last of the fields that a rule is about.
    fn check_relations(&mut self, name: &str, printed: &mut Printed) {
        match name {
            "ship_to" if !self.is_import => self.check_consignee(&printed.ship_to),
            "bill_to" if !self.is_import => self.check_bill_to(printed),
            "net_lb" => self.check_weights(printed),
            _ => {}
        }
    }

    /// Requires an address, because a name alone doesn't say where the load goes.
    fn check_consignee(&mut self, ship_to: &str) {
        if !ship_to.is_empty() && ship_to.lines().count() < 2 {
            self.refuse("ship_to", "Enter the consignee's name on the first line and the address below it.");
        }
    }

    fn check_bill_to(&mut self, printed: &Printed) {
        let is_third_party = printed.freight_terms == "third-party";
        if is_third_party && printed.bill_to.is_empty() {
            self.refuse("bill_to", "Enter the name and address of the third party that pays the freight.");
        } else if !printed.freight_terms.is_empty() && !is_third_party && !printed.bill_to.is_empty() {
            self.refuse("bill_to", "Leave this blank, or choose third party as the freight terms.");
        }
    }

    /// Computes the net weight from gross and tare. A BOL has either both or neither.
    fn check_weights(&mut self, printed: &mut Printed) {
        let is_blank = |name| self.draft.is_blank(name);
        match (is_blank("gross_lb"), is_blank("tare_lb"), is_blank("net_lb")) {
            (true, true, true) => self.refuse("net_lb", "Enter the net weight, or gross and tare."),
            (true, false, _) => self.refuse("gross_lb", "Enter the gross weight too, or leave both blank."),
            (false, true, _) => self.refuse("tare_lb", "Enter the tare weight too, or leave both blank."),
            _ => {}
        }
        let (Some(gross), Some(tare)) = (printed.gross_lb, printed.tare_lb) else {
            (printed.gross_lb, printed.tare_lb) = (None, None);
            return;
        };
        if tare >= gross {
            self.refuse("tare_lb", "The empty truck can't weigh as much as the loaded one. Check gross and tare.");
        } else if printed.net_lb != 0 && printed.net_lb != gross - tare {
            self.refuse(
                "net_lb",
                format!(
                    "Gross minus tare is {} lb. Leave the net weight blank, or correct one of the three.",
                    Pounds(gross - tare)
                ),
            );
        }
        printed.net_lb = gross.saturating_sub(tare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company() -> Company {
        Company { company_name: "Terminal".into(), company_address: "1 Quay\nTown".into(), ..Company::default() }
    }

    fn good() -> Draft {
        let mut draft = Draft::default();
        for (name, value) in [
            ("customer", "ACME"),
            ("product", "Basic pig iron"),
            ("carrier", "Carrier Inc"),
            ("ship_to", "Foundry\nTown, OH"),
            ("gross_lb", "79,480"),
            ("tare_lb", "33420"),
        ] {
            assert!(draft.set(name, value));
        }
        draft.fill_defaults("2025-11-24".parse().expect("a date"), &company());
        draft
    }

    fn wrong_fields(changes: &[(&str, &str)]) -> Vec<&'static str> {
        let mut draft = good();
        changes.iter().for_each(|(name, value)| assert!(draft.set(name, *value)));
        let checked = draft.check(Some(("Acme Steel", true)), &company());
        checked.err().unwrap_or_default().iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_good_draft_is_printed_as_typed() {
        let printed = good().check(Some(("Acme Steel", true)), &company()).expect("nothing is wrong");
        assert_eq!((printed.gross_lb, printed.tare_lb, printed.net_lb), (Some(79_480), Some(33_420), 46_060));
        assert_eq!((printed.pieces, printed.package_type.as_str()), (Some(1), "load, bulk"));
        assert_eq!(printed.ship_from, "Terminal\n1 Quay\nTown");
        assert_eq!(
            wrong_fields(&[("seal_numbers", "1;2 3,\r\n4"), ("special_instructions", "a\r\n\r\nb\tc")]),
            [""; 0]
        );
        assert_eq!(split_seals("1;2 3,\n4"), ["1", "2", "3", "4"]);
    }

    #[test]
    fn every_mistake_is_named_beside_its_field() {
        for (changes, expected) in [
            (&[("tare_lb", "80000")][..], &["tare_lb"][..]),
            (&[("tare_lb", "")], &["tare_lb"]),
            (&[("gross_lb", "")], &["gross_lb"]),
            (&[("gross_lb", ""), ("tare_lb", "")], &["net_lb"]),
            (&[("net_lb", "46061")], &["net_lb"]),
            (&[("net_lb", "46060")], &[]),
            (&[("gross_lb", ""), ("tare_lb", ""), ("net_lb", "-5")], &["net_lb"]),
            (&[("gross_lb", ""), ("tare_lb", ""), ("net_lb", "0")], &["net_lb"]),
            (&[("gross_lb", ""), ("tare_lb", ""), ("net_lb", "46060.5")], &["net_lb"]),
            (&[("gross_lb", ""), ("tare_lb", ""), ("net_lb", "4,60,60")], &["net_lb"]),
            (&[("gross_lb", ""), ("tare_lb", ""), ("net_lb", "99999999999")], &["net_lb"]),
            (&[("bol_date", "2025-02-31")], &["bol_date"]),
            (&[("bol_date", "11/24/2025")], &["bol_date"]),
            (&[("bol_date", "")], &["bol_date"]),
            (&[("ship_to", "")], &["ship_to"]),
            (&[("ship_to", "Foundry")], &["ship_to"]),
            (&[("ship_from", " \n ")], &["ship_from"]),
            (&[("product", " ")], &["product"]),
            (&[("product", "a\nb")], &["product"]),
            (&[("product", "pig \u{202e}iron")], &["product"]),
            (&[("carrier", "")], &["carrier"]),
            (&[("carrier_scac", "A1")], &["carrier_scac"]),
            (&[("carrier_scac", "abcd")], &[]),
            (&[("pieces", "0")], &["pieces"]),
            (&[("pieces", "")], &["pieces"]),
            (&[("package_type", "")], &["package_type"]),
            (&[("freight_terms", "free")], &["freight_terms"]),
            (&[("freight_terms", "third-party")], &["bill_to"]),
            (&[("bill_to", "Audit Inc\nTown")], &["bill_to"]),
            (&[("freight_terms", "third-party"), ("bill_to", "Audit Inc\nTown")], &[]),
            (&[("seal_numbers", &"7".repeat(61))], &["seal_numbers"]),
            (&[("seal_numbers", &"7".repeat(60))], &[]),
            (&[("trailer_loaded_by", "")], &["trailer_loaded_by"]),
            (&[("lot", "\0")], &["lot"]),
        ] {
            assert_eq!(wrong_fields(changes), expected, "{changes:?}");
        }
        let long = "x".repeat(3001);
        assert_eq!(
            wrong_fields(&[("special_instructions", &long), ("driver_name", &long)]),
            ["driver_name", "special_instructions"]
        );
    }

    #[test]
    fn a_customer_has_to_be_there_and_active() {
        for customer in [None, Some(("Acme Steel", false))] {
            let errors = good().check(customer, &company()).expect_err("refused");
            assert_eq!(errors.iter().map(|error| error.field).collect::<Vec<_>>(), ["customer"]);
        }
        let errors = good().check(Some(("Acme Steel", true)), &Company::default()).expect_err("no consignor");
        assert_eq!(errors.iter().next().map(|error| error.field), Some("ship_from"));
    }

    #[test]
    fn the_digest_is_of_the_load() {
        let (mut confirmed, mut other) = (good(), good());
        confirmed.set("confirm", "overweight");
        other.set("lot", "7");
        assert_eq!(good().digest(), confirmed.digest());
        assert_ne!(good().digest(), other.digest());
    }
}
