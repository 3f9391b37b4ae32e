//! The sample data of `primetrade seed` and `primetrade demo`: a terminal on the Ohio River that ships pig iron,
//! HBI and scrap by truck to foundries and mills.
//!
//! Everything here is a pure function of its arguments: no clock, no I/O, and only a small seeded random generator.
//! So a seeded database and its PDFs are identical everywhere, bit for bit. All companies, people and numbers are
//! fictitious.

mod history;
mod inbox;
mod loads;
mod paper;
mod people;

use chrono::{DateTime, NaiveDate, Utc};

pub use history::{SampleEvent, first_day, history};
pub use inbox::{SampleFile, inbox};
pub use loads::{FIRST_DAY, LAST_DAY, TERMINAL};
pub use paper::paper;

/// The maximum of customers that [`generate`] creates.
pub const MAX_CUSTOMERS: usize = 200;

/// All the sample data, in the order it is to be inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSet {
    /// Companies that receive loads.
    pub customers: Vec<SampleCustomer>,
    /// Logins of every role; each company has at least one.
    pub users: Vec<SampleUser>,
    /// Bills of lading, oldest first.
    pub bols: Vec<SampleBol>,
}

/// A company that receives loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleCustomer {
    /// Short upper-case code, unique.
    pub code: String,
    /// The name as it is printed.
    pub name: String,
    /// Street and city, a line each.
    pub address: String,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleUser {
    /// Unique, below the reserved domain `.example`.
    pub email: String,
    /// The person.
    pub name: String,
    /// `customer`, `office`, `auditor` or `admin`.
    pub role: &'static str,
    /// In clear text: `seed` and `demo` print it.
    pub password: String,
    /// Codes of the companies the login sees; empty for staff.
    pub customers: Vec<String>,
    /// Whether the login may manage the logins of its company.
    pub is_company_admin: bool,
}

/// A bill of lading. An empty string means that the field was left blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SampleBol {
    /// The year in the number.
    pub number_year: i32,
    /// The running number in that year, from 1 without gaps.
    pub number_seq: i32,
    /// Code of the company it belongs to. `None` means that it is not assigned yet.
    pub customer: Option<String>,
    /// The name as printed.
    pub customer_name: String,
    /// The day of loading.
    pub bol_date: NaiveDate,
    /// What was loaded.
    pub product: String,
    /// The pile, barge or heat it came from.
    pub lot: String,
    /// `C 4.31%, Si 0.72%, …`
    pub chemistry: String,
    /// The customer's purchase order.
    pub customer_po: String,
    /// The release against that order.
    pub release_number: String,
    /// The trucking company.
    pub carrier: String,
    /// Its code, 2 to 4 letters.
    pub carrier_scac: String,
    /// The tractor.
    pub truck_number: String,
    /// The trailer.
    pub trailer_number: String,
    /// Seals on the trailer.
    pub seal_numbers: String,
    /// The driver.
    pub driver_name: String,
    /// The terminal, lines.
    pub ship_from: String,
    /// For a blind shipment: the party that is shown as the shipper.
    pub care_of: String,
    /// Name and address, lines.
    pub ship_to: String,
    /// `prepaid`, `collect` or `third-party`.
    pub freight_terms: String,
    /// The third party that pays the freight, lines; blank unless the terms say so.
    pub bill_to: String,
    /// Count of packages; `None` for loose bulk.
    pub pieces: Option<i32>,
    /// `Bulk`, `Bales`, …
    pub package_type: String,
    /// Loaded truck; `None` together with the tare when only the net weight is known.
    pub gross_lb: Option<i32>,
    /// Empty truck.
    pub tare_lb: Option<i32>,
    /// The shipped weight.
    pub net_lb: i32,
    /// The weight from the customer's certified scale, if reported.
    pub official_weight_lb: Option<i32>,
    /// The number of the terminal's scale ticket.
    pub scale_ticket: String,
    /// Lines for driver and receiver.
    pub special_instructions: String,
    /// `shipper` or `driver`.
    pub trailer_loaded_by: String,
    /// `shipper` or `driver`.
    pub freight_counted_by: String,
    /// When it was voided, and the reason.
    pub voided: Option<(DateTime<Utc>, String)>,
    /// When it was issued; on [`SampleBol::bol_date`] in Cincinnati as in UTC.
    pub issued_at: DateTime<Utc>,
    /// Documents, by kind and version.
    pub documents: Vec<SampleDocument>,
}

/// A document of a [`SampleBol`]. [`paper`] draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleDocument {
    /// `bol`, `signed-bol`, `scale-ticket`, `certificate-of-analysis`, `packing-list`, `invoice` or `other`.
    pub kind: &'static str,
    /// From 1 without gaps in each kind.
    pub version: i32,
    /// When it was stored; never before the BOL was issued.
    pub stored_at: DateTime<Utc>,
}

impl SampleBol {
    /// The number as printed, such as `PRT-2025-0001`.
    pub fn number(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{:04}", self.number_year, self.number_seq)
    }

    /// The texts that the BOL prints, by the name of the field.
    pub fn texts(&self) -> [(&'static str, &str); 21] {
        [
            ("product", &self.product),
            ("lot", &self.lot),
            ("chemistry", &self.chemistry),
            ("customer_po", &self.customer_po),
            ("release_number", &self.release_number),
            ("carrier", &self.carrier),
            ("carrier_scac", &self.carrier_scac),
            ("truck_number", &self.truck_number),
            ("trailer_number", &self.trailer_number),
            ("seal_numbers", &self.seal_numbers),
            ("driver_name", &self.driver_name),
            ("ship_from", &self.ship_from),
            ("care_of", &self.care_of),
            ("ship_to", &self.ship_to),
            ("freight_terms", &self.freight_terms),
            ("bill_to", &self.bill_to),
            ("package_type", &self.package_type),
            ("scale_ticket", &self.scale_ticket),
            ("special_instructions", &self.special_instructions),
            ("trailer_loaded_by", &self.trailer_loaded_by),
            ("freight_counted_by", &self.freight_counted_by),
        ]
    }

    /// Returns how often the BOL was printed, without the stamped copy of a void one.
    fn printings(&self) -> usize {
        let versions = self.documents.iter().filter(|document| document.kind == "bol").count();
        versions.saturating_sub(usize::from(self.voided.is_some()))
    }

    /// Returns the BOL as this version of its PDF prints it. The first version of a corrected BOL has too little
    /// weight, and only the last version of a void BOL is stamped.
    pub fn as_printed(&self, version: i32) -> Self {
        let mut printed = self.clone();
        if version == 1 && self.printings() > 1 {
            let missed = self.missed_lb();
            printed.gross_lb = self.gross_lb.map(|gross| gross - missed);
            printed.net_lb -= missed;
        }
        if version as usize <= self.printings() {
            printed.voided = None;
        }
        printed
    }

    /// Returns the pounds by which the first version of a corrected BOL was too light.
    fn missed_lb(&self) -> i32 {
        20 * Rng::of(&[20, self.number_year as u64, self.number_seq as u64]).range(3, 30)
    }
}

impl SampleDocument {
    /// The last part of the object key: `PRT-2025-0001.pdf`, `PRT-2025-0001.v2.pdf`,
    /// `PRT-2025-0001.scale-ticket.v1.pdf`.
    pub fn file_name(&self, number: &str) -> String {
        match (self.kind, self.version) {
            ("bol", 1) => format!("{number}.pdf"),
            ("bol", version) => format!("{number}.v{version}.pdf"),
            (kind, version) => format!("{number}.{kind}.v{version}.pdf"),
        }
    }
}

/// Makes the sample data: at least one and at most [`MAX_CUSTOMERS`] customers with their logins and the staff's,
/// and `bols` bills of lading between [`FIRST_DAY`] and [`LAST_DAY`].
pub fn generate(customers: usize, bols: usize) -> SampleSet {
    let companies = people::companies(customers.clamp(1, MAX_CUSTOMERS));
    SampleSet {
        users: people::users(&companies),
        bols: loads::bols(&companies, bols),
        customers: companies.into_iter().map(|company| company.customer).collect(),
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014). Written out, because the algorithms behind a crate's default generator may
/// change from version to version, and the sample data with them.
struct Rng(u64);

impl Rng {
    /// Returns the generator for these numbers. The same numbers give the same sequence.
    fn of(parts: &[u64]) -> Self {
        let mut rng = Rng(0x5052_5442_4f4c_0001);
        for part in parts {
            rng.0 ^= part.wrapping_mul(0xff51_afd7_ed55_8ccd);
            rng.0 = rng.next();
        }
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number less than `n`, which must not be 0.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Returns a number from `low` up to and including `high`.
    fn range(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low).max(0) as usize + 1) as i32
    }

    fn chance(&mut self, percent: i32) -> bool {
        self.range(1, 100) <= percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn thousands(n: i64) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", thousands(n / 1000), n % 1000) }
}

/// Formats hundredths with two decimals.
fn hundredths(n: i64) -> String {
    format!("{}.{:02}", thousands(n / 100), n % 100)
}

fn pounds(lb: Option<i32>) -> String {
    lb.map_or_else(|| "—".into(), |lb| thousands(lb.into()))
}

/// Formats pounds as short tons. Half a hundredth is rounded up.
fn tons(lb: i32) -> String {
    hundredths((i64::from(lb) + 10) / 20)
}

fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&chrono_tz::America::New_York).format("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::{Datelike, Weekday};

    use super::*;

    #[test]
    fn the_same_every_time() {
        assert_eq!(generate(6, 400), generate(6, 400));
        // The published first output for seed 0.
        assert_eq!(Rng(0).next(), 0xe220_a839_7b1d_cdaf);
        let bol = &generate(6, 400).bols[123];
        assert_eq!((bol.number("PRT").as_str(), bol.net_lb), ("PRT-2025-0003", 43_480));
    }

    #[test]
    fn numbers_run_without_gaps_and_days_are_working_days() {
        for (customers, count) in [(6, 400), (1, 1), (3, 2), (200, 5000), (2, 0)] {
            let bols = generate(customers, count).bols;
            assert_eq!(bols.len(), count);
            for (i, bol) in bols.iter().enumerate() {
                let before = i.checked_sub(1).map(|i| &bols[i]);
                let same_year = before.filter(|before| before.number_year == bol.number_year);
                assert_eq!(bol.number_seq, same_year.map_or(1, |before| before.number_seq + 1));
                assert!(before.is_none_or(|before| before.issued_at <= bol.issued_at));
                assert!((FIRST_DAY..=LAST_DAY).contains(&bol.bol_date));
                assert!(!matches!(bol.bol_date.weekday(), Weekday::Sat | Weekday::Sun));
                assert_eq!((bol.number_year, bol.bol_date), (bol.bol_date.year(), bol.issued_at.date_naive()));
            }
        }
    }

    #[test]
    fn rows_satisfy_the_constraints_of_the_tables() {
        let set = generate(20, 3000);
        for bol in &set.bols {
            match (bol.gross_lb, bol.tare_lb) {
                (Some(gross), Some(tare)) => {
                    assert_eq!(bol.net_lb, gross - tare);
                    assert!(gross <= 80_000 && (27_000..=35_000).contains(&tare), "{bol:?}");
                }
                weights => assert_eq!((weights, bol.scale_ticket.as_str()), ((None, None), "")),
            }
            assert!((42_000..=50_000).contains(&bol.net_lb), "{bol:?}");
            assert!(
                (2..=4).contains(&bol.carrier_scac.len()) && bol.carrier_scac.chars().all(|c| c.is_ascii_uppercase())
            );
            assert!(["prepaid", "collect", "third-party"].contains(&bol.freight_terms.as_str()));
            assert_eq!(bol.freight_terms == "third-party", !bol.bill_to.is_empty());
            assert!(
                [&bol.trailer_loaded_by, &bol.freight_counted_by]
                    .iter()
                    .all(|by| ["shipper", "driver"].contains(&by.as_str()))
            );
            assert!(
                bol.pieces.is_none_or(|pieces| pieces > 0) && !bol.product.is_empty() && !bol.customer_name.is_empty()
            );
            assert!(bol.customer.as_ref().is_none_or(|code| set.customers.iter().any(|c| c.code == *code)));
            assert!(bol.voided.as_ref().is_none_or(|(at, reason)| *at > bol.issued_at && !reason.is_empty()));
            let mut kinds = HashSet::new();
            for (i, document) in bol.documents.iter().enumerate() {
                assert!(kinds.insert((document.kind, document.version)) && document.stored_at >= bol.issued_at);
                assert!(document.stored_at.date_naive() <= LAST_DAY);
                assert!(document.version == 1 || bol.documents[i - 1].version == document.version - 1);
            }
            assert!(kinds.contains(&("bol", 1)));
            assert!(bol.voided.is_none() || (kinds.contains(&("bol", 2)) && !kinds.contains(&("signed-bol", 1))));
        }
    }

    #[test]
    fn shares_of_the_default_set() {
        let bols = generate(6, 400).bols;
        let count = |is: &dyn Fn(&SampleBol) -> bool| bols.iter().filter(|bol| is(bol)).count();
        let with = |kind| count(&|bol| bol.documents.iter().any(|document| document.kind == kind));
        assert!((10..=14).contains(&count(&|bol| bol.voided.is_some())));
        assert_eq!(count(&|bol| bol.customer.is_none()), 8);
        assert!((340..=375).contains(&with("signed-bol")));
        assert!((220..=260).contains(&with("scale-ticket")));
        assert!((140..=180).contains(&with("certificate-of-analysis")));
        assert!(["packing-list", "invoice", "other"].iter().all(|kind| with(kind) > 0));
    }

    #[test]
    fn every_file_is_a_small_pdf_unlike_any_other() {
        let (mut files, mut names) = (HashSet::new(), HashSet::new());
        for bol in generate(6, 400).bols {
            let number = bol.number("PRT");
            for document in &bol.documents {
                let name = document.file_name(&number);
                assert!(names.insert(name.clone()));
                if document.kind == "bol" {
                    continue;
                }
                let file = paper(&bol, document, &number);
                assert!(file.starts_with(b"%PDF-1.7") && file.ends_with(b"%%EOF") && file.len() < 6000, "{name}");
                assert!(file.windows(number.len()).any(|window| window == number.as_bytes()), "{name}");
                assert!(files.insert(file), "{name}");
            }
        }
        assert!(names.contains("PRT-2025-0001.pdf"));
    }
}
