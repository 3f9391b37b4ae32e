//! A BOL as somebody fills it in: what was typed, kept as it was, and what is wrong with it, a message a field.
//!
//! What a carrier may not accept is refused: 49 CFR 373.101 asks for the names of consignor and consignee, origin and
//! destination, number of packages, description of the freight, and its weight.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use sha2::{Digest, Sha256};

use super::bol::Printed;
use super::print::unprintable;
use super::settings::Company;
use super::weight::{Pounds, grouped};

/// How a field is written and how much fits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One line; runs of spaces count as one.
    Line(usize),
    Lines(usize),
    Choice,
}

const FREIGHT_TERMS: [&str; 3] = ["prepaid", "collect", "third-party"];
const BY: [&str; 2] = ["shipper", "driver"];

/// Every field of the form, in its order.
const FIELDS: [(&str, Shape); 29] = [
    ("customer", Shape::Line(16)),
    ("bol_date", Shape::Line(10)),
    ("ship_from", Shape::Lines(600)),
    ("care_of", Shape::Lines(600)),
    ("ship_to", Shape::Lines(600)),
    ("bill_to", Shape::Lines(600)),
    ("product", Shape::Line(200)),
    ("lot", Shape::Line(100)),
    ("chemistry", Shape::Line(300)),
    ("customer_po", Shape::Line(100)),
    ("release_number", Shape::Line(100)),
    ("carrier", Shape::Line(200)),
    ("carrier_scac", Shape::Line(4)),
    ("truck_number", Shape::Line(60)),
    ("trailer_number", Shape::Line(60)),
    ("seal_numbers", Shape::Lines(1000)),
    ("driver_name", Shape::Line(200)),
    ("freight_terms", Shape::Choice),
    ("pieces", Shape::Line(12)),
    ("package_type", Shape::Line(60)),
    ("gross_lb", Shape::Line(12)),
    ("tare_lb", Shape::Line(12)),
    ("net_lb", Shape::Line(12)),
    ("scale_ticket", Shape::Line(100)),
    ("special_instructions", Shape::Lines(3000)),
    ("trailer_loaded_by", Shape::Choice),
    ("freight_counted_by", Shape::Choice),
    // Which void BOL this one takes the place of, and which warnings were seen and confirmed.
    ("reissue_of", Shape::Line(40)),
    ("confirm", Shape::Line(100)),
];

/// What a form starts with.
const DEFAULTS: [(&str, &str); 5] = [
    ("pieces", "1"),
    ("package_type", "load, bulk"),
    ("freight_terms", "prepaid"),
    ("trailer_loaded_by", "shipper"),
    ("freight_counted_by", "shipper"),
];

/// Far above any truck, and far below what an integer holds.
pub const MOST_POUNDS: i32 = 1_000_000;
const MOST_SEAL: usize = 60;
const MOST_PIECES: i32 = 100_000;

/// What was typed, by the name of its field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft(BTreeMap<&'static str, String>);

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub field: &'static str,
    pub message: String,
}

impl Problem {
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

impl Draft {
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(name, _)| *name)
    }

    /// `false`: there is no such field.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> bool {
        let Some((name, _)) = FIELDS.iter().find(|(known, _)| *known == name) else { return false };
        self.0.insert(name, value.into());
        true
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets what is still blank.
    pub fn fill(&mut self, name: &str, value: &str) {
        if self.get(name).trim().is_empty() {
            self.set(name, value);
        }
    }

    /// What a new form holds already.
    pub fn fill_defaults(&mut self, today: NaiveDate, company: &Company) {
        self.fill("bol_date", &today.to_string());
        if !company.company_name.is_empty() {
            self.fill("ship_from", &format!("{}\n{}", company.company_name, company.company_address));
        }
        for (name, value) in DEFAULTS {
            self.fill(name, value);
        }
    }

    /// What tends to stay the same from one load of a customer to the next. What belongs together stays together: the
    /// chemistry of another lot would be wrong, and so would a bill-to beside other freight terms.
    pub fn fill_from_last(&mut self, last: &Printed) {
        let is_other = |draft: &Self, name, value: &str| {
            let typed = draft.get(name).trim();
            !typed.is_empty() && !typed.eq_ignore_ascii_case(value.trim())
        };
        let skipped = [
            ("chemistry", is_other(self, "lot", &last.lot)),
            ("carrier_scac", is_other(self, "carrier", &last.carrier)),
            ("bill_to", is_other(self, "freight_terms", &last.freight_terms)),
        ];
        for (name, value) in lasting(last) {
            if !skipped.contains(&(name, true)) {
                self.fill(name, &value);
            }
        }
    }

    /// The code of the customer, as it is looked up.
    pub fn customer_code(&self) -> String {
        self.get("customer").replace('\0', "").trim().to_ascii_uppercase()
    }

    /// What is there only because the form started with it.
    pub fn take_back_defaults(&mut self) {
        for (name, value) in DEFAULTS {
            if self.get(name).trim() == value {
                self.set(name, "");
            }
        }
    }

    /// The opposite, before another customer's last load is filled in: what was changed by hand stays.
    pub fn take_back(&mut self, last: &Printed) {
        for (name, value) in lasting(last) {
            if self.get(name).trim() == value.trim() {
                self.set(name, "");
            }
        }
    }

    /// Everything of a load, for the BOL that takes its place.
    pub fn fill_from_load(&mut self, load: &Printed) {
        let pounds = |lb: Option<i32>| lb.map(|lb| lb.to_string()).unwrap_or_default();
        for (name, value) in [
            ("truck_number", load.truck_number.clone()),
            ("trailer_number", load.trailer_number.clone()),
            ("seal_numbers", load.seal_numbers.clone()),
            ("driver_name", load.driver_name.clone()),
            ("scale_ticket", load.scale_ticket.clone()),
            ("bol_date", load.bol_date.to_string()),
            ("gross_lb", pounds(load.gross_lb)),
            ("tare_lb", pounds(load.tare_lb)),
            ("net_lb", if load.gross_lb.is_some() { String::new() } else { load.net_lb.to_string() }),
        ] {
            self.fill(name, &value);
        }
        self.fill_from_last(load);
    }

    /// The same load, whatever was confirmed: by this a request that comes twice is known.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (name, value) in self.0.iter().filter(|(name, _)| **name != "confirm") {
            for part in [name, value.as_str()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().into()
    }

    pub fn has_confirmed(&self, code: &str) -> bool {
        self.get("confirm").split([',', ' ']).any(|confirmed| confirmed == code)
    }

    /// What would be printed, for this customer and from this terminal; or everything that is wrong.
    pub fn check(&self, customer: Option<(&str, bool)>, company: &Company) -> Result<Printed, Vec<Problem>> {
        let mut check = Check { draft: self, problems: Vec::new() };
        let printed = check.printed(customer, company);
        if check.problems.is_empty() { Ok(printed) } else { Err(check.problems) }
    }
}

/// Fields that tend to stay the same from load to load.
fn lasting(load: &Printed) -> [(&'static str, String); 17] {
    [
        ("product", load.product.clone()),
        ("lot", load.lot.clone()),
        ("chemistry", load.chemistry.clone()),
        ("customer_po", load.customer_po.clone()),
        ("release_number", load.release_number.clone()),
        ("carrier", load.carrier.clone()),
        ("carrier_scac", load.carrier_scac.clone()),
        ("ship_from", load.ship_from.clone()),
        ("care_of", load.care_of.clone()),
        ("ship_to", load.ship_to.clone()),
        ("bill_to", load.bill_to.clone()),
        ("freight_terms", load.freight_terms.clone()),
        ("pieces", load.pieces.map(|pieces| pieces.to_string()).unwrap_or_default()),
        ("package_type", load.package_type.clone()),
        ("special_instructions", load.special_instructions.clone()),
        ("trailer_loaded_by", load.trailer_loaded_by.clone()),
        ("freight_counted_by", load.freight_counted_by.clone()),
    ]
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

pub fn unprintable_message(c: char) -> String {
    if c.is_control() || c.is_whitespace() || ('\u{200b}'..='\u{206f}').contains(&c) || c == '\u{feff}' {
        return format!(
            "This contains an invisible character (U+{:04X}) that can't be printed. Type it anew.",
            u32::from(c)
        );
    }
    format!("“{c}” can't be printed. Leave it out or write it in another way.")
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
    fn what_belongs_together_is_filled_in_together() {
        let last = Printed {
            lot: "L-1".into(),
            chemistry: "C 4%".into(),
            carrier: "Kessler".into(),
            carrier_scac: "KSNS".into(),
            freight_terms: "third-party".into(),
            bill_to: "Audit Inc".into(),
            package_type: "Bales".into(),
            ..Printed::default()
        };
        let mut draft = Draft::default();
        for (name, value) in [("lot", "L-2"), ("carrier", "kessler"), ("freight_terms", "prepaid")] {
            draft.set(name, value);
        }
        draft.fill_from_last(&last);
        let shown = |draft: &Draft| ["chemistry", "carrier_scac", "bill_to"].map(|name| draft.get(name).to_owned());
        assert_eq!(shown(&draft), ["", "KSNS", ""]);
        let mut fresh = Draft::default();
        fresh.fill_defaults("2025-11-24".parse().expect("a date"), &company());
        fresh.take_back_defaults();
        fresh.fill_from_last(&last);
        assert_eq!((fresh.get("freight_terms"), fresh.get("package_type")), ("third-party", "Bales"));
        fresh.take_back(&last);
        assert_eq!(shown(&fresh), ["", "", ""]);
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
