//! Is it all there, and can it be? What a carrier may not accept is refused: 49 CFR 373.101 asks for the names of consignor
//! and consignee, origin and destination, number of packages, description of the freight, and its weight.

use chrono::{Datelike, NaiveDate};

use super::{Draft, FIELDS, Problem, Shape};
use crate::bols::bol::Printed;
use crate::bols::settings::Company;
use crate::bols::weight::{Pounds, grouped};
use crate::typefaces::{unprintable, unprintable_message};

const FREIGHT_TERMS: [&str; 3] = ["prepaid", "collect", "third-party"];
const BY: [&str; 2] = ["shipper", "driver"];
/// Far above any truck, and far below what an integer holds.
pub const MOST_POUNDS: i32 = 1_000_000;
const MOST_SEAL: usize = 60;
const MOST_PIECES: i32 = 100_000;

impl Draft {
    /// What would be printed, for this customer (its name, and whether it is active) and from this terminal; or everything
    /// that is wrong.
    pub fn check(&self, customer: Option<(&str, bool)>, company: &Company) -> Result<Printed, Vec<Problem>> {
        let mut check = Check { draft: self, problems: Vec::new() };
        let printed = check.printed(customer, company);
        if check.problems.is_empty() { Ok(printed) } else { Err(check.problems) }
    }
}

impl Draft {
    /// What a BOL of the system before this one says, which may lack what is asked of a new one. The name of the customer
    /// is the caller's.
    pub fn check_old(&self) -> Result<Printed, Vec<Problem>> {
        let mut check = Check { draft: self, problems: Vec::new() };
        let printed = check.old();
        if check.problems.is_empty() { Ok(printed) } else { Err(check.problems) }
    }
}

struct Check<'a> {
    draft: &'a Draft,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn printed(&mut self, customer: Option<(&str, bool)>, company: &Company) -> Printed {
        if company.company_name.is_empty() || company.company_address.is_empty() {
            let message = "The terminal's own name and address are missing. Enter them under Settings first.";
            self.problem("ship_from", message);
        }
        let customer_name = self.customer(customer);
        let bol_date = self.date();
        let ship_from = self.required("ship_from", "Where does the load start? Name and address of the origin.");
        let ship_to = self.ship_to();
        let freight_terms = self.choice("freight_terms", &FREIGHT_TERMS, "Choose who pays the freight.");
        let bill_to = self.text("bill_to");
        if freight_terms == "third-party" && bill_to.is_empty() {
            self.problem("bill_to", "Freight is billed to a third party: to whom? Name and address.");
        } else if !freight_terms.is_empty() && freight_terms != "third-party" && !bill_to.is_empty() {
            self.problem("bill_to", "Only a third party is billed here. Choose third party, or leave this blank.");
        }
        let (gross_lb, tare_lb, net_lb) = self.weights();
        Printed {
            customer_name,
            bol_date,
            product: self.required("product", "What is loaded?"),
            lot: self.text("lot"),
            chemistry: self.text("chemistry"),
            customer_po: self.text("customer_po"),
            release_number: self.text("release_number"),
            carrier: self.required("carrier", "Who carries it? The name of the carrier."),
            carrier_scac: self.scac(),
            truck_number: self.text("truck_number"),
            trailer_number: self.text("trailer_number"),
            seal_numbers: self.seals(),
            driver_name: self.text("driver_name"),
            ship_from,
            care_of: self.text("care_of"),
            ship_to,
            bill_to,
            freight_terms,
            pieces: self.pieces(),
            package_type: self.required("package_type", "What are the packages? For loose material: load, bulk."),
            gross_lb,
            tare_lb,
            net_lb,
            scale_ticket: self.text("scale_ticket"),
            special_instructions: self.text("special_instructions"),
            trailer_loaded_by: self.choice("trailer_loaded_by", &BY, "Choose who loaded the trailer."),
            freight_counted_by: self.choice("freight_counted_by", &BY, "Choose who counted the freight."),
            company_name: company.company_name.clone(),
            company_address: company.company_address.clone(),
            company_phone: company.company_phone.clone(),
            company_email: company.company_email.clone(),
        }
    }

    fn old(&mut self) -> Printed {
        let (gross_lb, tare_lb, net_lb) = self.weights();
        let pieces = if self.draft.get("pieces").trim().is_empty() { None } else { self.pieces() };
        Printed {
            customer_name: String::new(),
            bol_date: self.date(),
            product: self.required("product", "What was loaded?"),
            lot: self.text("lot"),
            chemistry: self.text("chemistry"),
            customer_po: self.text("customer_po"),
            release_number: self.text("release_number"),
            carrier: self.text("carrier"),
            carrier_scac: self.scac(),
            truck_number: self.text("truck_number"),
            trailer_number: self.text("trailer_number"),
            seal_numbers: self.seals(),
            driver_name: self.text("driver_name"),
            ship_from: self.text("ship_from"),
            care_of: self.text("care_of"),
            ship_to: self.text("ship_to"),
            bill_to: self.text("bill_to"),
            freight_terms: self.choice_or("freight_terms", &FREIGHT_TERMS),
            pieces,
            package_type: self.text("package_type"),
            gross_lb,
            tare_lb,
            net_lb,
            scale_ticket: self.text("scale_ticket"),
            special_instructions: self.text("special_instructions"),
            trailer_loaded_by: self.choice_or("trailer_loaded_by", &BY),
            freight_counted_by: self.choice_or("freight_counted_by", &BY),
            ..Printed::default()
        }
    }

    /// The first, if nothing was said.
    fn choice_or(&mut self, name: &'static str, known: &[&str]) -> String {
        if self.draft.get(name).trim().is_empty() {
            return known[0].into();
        }
        self.choice(name, known, &format!("One of {}.", known.join(", ")))
    }

    fn problem(&mut self, field: &'static str, message: impl Into<String>) {
        if !self.problems.iter().any(|known| known.field == field) {
            self.problems.push(Problem::new(field, message));
        }
    }

    /// As it will be printed: without white space at the ends, and without anything that can't be printed.
    fn text(&mut self, name: &'static str) -> String {
        let shape = FIELDS.iter().find(|(known, _)| *known == name).map_or(Shape::Choice, |(_, shape)| *shape);
        // What comes along from spreadsheets and web pages, and looks like a space.
        let typed = &self.draft.get(name).replace(['\u{a0}', '\u{2007}', '\u{202f}'], " ");
        let (text, most) = match shape {
            Shape::Line(most) => {
                (typed.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "), most)
            }
            Shape::Lines(most) => (trim_lines(typed), most),
            Shape::Choice => (typed.trim().to_owned(), 20),
        };
        let text = if matches!(shape, Shape::Lines(_)) { text } else { text.trim().to_owned() };
        let length = text.chars().count();
        if length > most {
            self.problem(
                name,
                format!("{} characters are too many; up to {} fit here.", grouped(length as i64), grouped(most as i64)),
            );
        }
        if !matches!(shape, Shape::Lines(_)) && text.contains(['\n', '\r']) {
            self.problem(name, "This has to fit on one line.");
        } else if let Some(c) = unprintable(&text) {
            self.problem(name, unprintable_message(c));
        }
        text
    }

    fn required(&mut self, name: &'static str, message: &str) -> String {
        let text = self.text(name);
        if text.is_empty() {
            self.problem(name, message);
        }
        text
    }

    fn customer(&mut self, customer: Option<(&str, bool)>) -> String {
        let code = self.required("customer", "Choose the customer.");
        match customer {
            Some((name, true)) => name.into(),
            Some((name, false)) => {
                self.problem("customer", format!("{name} isn't active. Choose another customer."));
                String::new()
            }
            None => {
                self.problem("customer", format!("There is no customer with the code {code}."));
                String::new()
            }
        }
    }

    fn date(&mut self) -> NaiveDate {
        let text = self.required("bol_date", "Enter the date of loading.");
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
        match day.filter(|day| text.len() == 10 && (2000..=2100).contains(&day.year())) {
            Some(day) => day,
            None => {
                self.problem("bol_date", "There is no such date. Use one such as 2025-11-30.");
                NaiveDate::default()
            }
        }
    }

    fn seals(&mut self) -> String {
        let seals = seals(&self.text("seal_numbers"));
        if seals.iter().any(|seal| seal.chars().count() > MOST_SEAL) {
            self.problem(
                "seal_numbers",
                format!("A seal has up to {MOST_SEAL} characters. Separate seals by commas or spaces."),
            );
        }
        seals.join(", ")
    }

    /// Consignee and destination: a name alone doesn't say where.
    fn ship_to(&mut self) -> String {
        let text = self.required("ship_to", "Where does it go? Name and address of the consignee.");
        if !text.is_empty() && text.lines().count() < 2 {
            self.problem("ship_to", "Give the consignee's name first, and the address on further lines.");
        }
        text
    }

    fn scac(&mut self) -> String {
        let text = self.text("carrier_scac").to_ascii_uppercase();
        let fits = text.is_empty() || (2..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase());
        if !fits {
            self.problem("carrier_scac", "A SCAC has 2 to 4 letters.");
        }
        text
    }

    fn choice(&mut self, name: &'static str, known: &[&str], message: &str) -> String {
        let text = self.draft.get(name).trim();
        if !known.contains(&text) {
            self.problem(name, message);
            return String::new();
        }
        text.into()
    }

    fn pieces(&mut self) -> Option<i32> {
        const MESSAGE: &str = "How many packages? Loose material counts as 1.";
        let text = self.required("pieces", MESSAGE);
        let pieces = whole(&text).filter(|pieces| (1..=MOST_PIECES).contains(pieces));
        if pieces.is_none() {
            self.problem("pieces", MESSAGE);
        }
        pieces
    }

    fn weights(&mut self) -> (Option<i32>, Option<i32>, i32) {
        let (gross, tare, net) = (self.pounds("gross_lb"), self.pounds("tare_lb"), self.pounds("net_lb"));
        let blank = |check: &Self, name| check.draft.get(name).trim().is_empty();
        match (blank(self, "gross_lb"), blank(self, "tare_lb"), blank(self, "net_lb")) {
            (true, true, true) => self.problem("net_lb", "Enter the net weight, or gross and tare."),
            (true, false, _) => self.problem("gross_lb", "The tare is there, the gross is missing."),
            (false, true, _) => self.problem("tare_lb", "The gross is there, the tare is missing."),
            _ => {}
        }
        let (Some(gross), Some(tare)) = (gross, tare) else { return (None, None, net.unwrap_or_default()) };
        if tare >= gross {
            self.problem("tare_lb", "The empty truck can't weigh as much as the loaded one. Check gross and tare.");
        } else if net.is_some_and(|net| net != gross - tare) {
            self.problem(
                "net_lb",
                format!(
                    "Gross less tare is {} lb. Leave the net weight blank, or correct one of them.",
                    Pounds(gross - tare)
                ),
            );
        }
        (Some(gross), Some(tare), gross.saturating_sub(tare))
    }

    fn pounds(&mut self, name: &'static str) -> Option<i32> {
        let text = self.text(name);
        if text.is_empty() {
            return None;
        }
        let pounds = whole(&text).filter(|pounds| (1..=MOST_POUNDS).contains(pounds));
        if pounds.is_none() {
            self.problem(name, "Enter whole pounds, such as 46,060.");
        }
        pounds
    }
}

/// Digits, with or without commas between the thousands: `46060`, `46,060`.
pub fn whole(text: &str) -> Option<i32> {
    let groups: Vec<&str> = text.split(',').collect();
    let first_fits = (1..=if groups.len() > 1 { 3 } else { 9 }).contains(&groups[0].len());
    let fits = first_fits
        && groups[1..].iter().all(|group| group.len() == 3)
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit()));
    if fits { groups.concat().parse().ok() } else { None }
}

/// Without blank lines at the ends and blanks at the ends of lines.
fn trim_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
    let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// However they were separated.
pub fn seals(text: &str) -> Vec<String> {
    text.split([',', ';', ' ', '\n']).filter(|seal| !seal.is_empty()).map(Into::into).collect()
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

    fn problems(changes: &[(&str, &str)]) -> Vec<&'static str> {
        let mut draft = good();
        changes.iter().for_each(|(name, value)| assert!(draft.set(name, *value)));
        let checked = draft.check(Some(("Acme Steel", true)), &company());
        checked.err().unwrap_or_default().into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_good_draft_is_printed_as_typed() {
        let printed = good().check(Some(("Acme Steel", true)), &company()).expect("nothing is wrong");
        assert_eq!((printed.gross_lb, printed.tare_lb, printed.net_lb), (Some(79_480), Some(33_420), 46_060));
        assert_eq!((printed.pieces, printed.package_type.as_str()), (Some(1), "load, bulk"));
        assert_eq!(printed.ship_from, "Terminal\n1 Quay\nTown");
        assert_eq!(problems(&[("seal_numbers", "1;2 3,\r\n4"), ("special_instructions", "a\r\n\r\nb\tc")]), [""; 0]);
        assert_eq!(seals("1;2 3,\n4"), ["1", "2", "3", "4"]);
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
            assert_eq!(problems(changes), expected, "{changes:?}");
        }
        let long = "x".repeat(3001);
        assert_eq!(
            problems(&[("special_instructions", &long), ("driver_name", &long)]),
            ["driver_name", "special_instructions"]
        );
    }

    #[test]
    fn a_customer_has_to_be_there_and_active() {
        for customer in [None, Some(("Acme Steel", false))] {
            let problems = good().check(customer, &company()).expect_err("refused");
            assert_eq!(problems.iter().map(|problem| problem.field).collect::<Vec<_>>(), ["customer"]);
        }
        let problems = good().check(Some(("Acme Steel", true)), &Company::default()).expect_err("no consignor");
        assert_eq!(problems[0].field, "ship_from");
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
