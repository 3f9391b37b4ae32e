//! Truckloads: product, customer and truck of each load, and its documents.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};

use super::people::Company;
use super::{Rng, SampleBol, SampleDocument};

/// The first day on which the terminal ships.
pub const FIRST_DAY: NaiveDate = day(2024, 1, 2);
/// The last day on which the terminal ships; nothing in the sample data is later than its evening.
pub const LAST_DAY: NaiveDate = day(2026, 11, 20);

const SHIP_FROM: &str = "PrimeTrade Terminal, Cincinnati\n3480 Southside Avenue\nCincinnati, OH 45204";
/// The terminal as its BOLs print it: name, address, telephone, email.
pub const TERMINAL: [&str; 4] = [
    "PrimeTrade Terminal, Cincinnati",
    "3480 Southside Avenue\nCincinnati, OH 45204",
    "(513) 555-0142",
    "shipping@primetrade.example",
];
/// The maximum weight of a truck on the road without a permit (23 U.S.C. 127).
const LEGAL_GROSS_LB: i32 = 80_000;

/// A product and its chemistry.
struct Grade {
    name: &'static str,
    lot: &'static str,
    /// Name, least and most in thousandths of a percent.
    elements: &'static [(&'static str, i32, i32)],
    /// The package type, and the pounds of one package if packages are counted.
    packages: &'static [(&'static str, Option<i32>)],
    note: &'static str,
}

const LOOSE: &[(&str, Option<i32>)] = &[("Bulk", None)];
const SCRAP: &[(&str, Option<i32>)] = &[("Bulk", None), ("Bales", Some(2050)), ("Bundles", Some(2900))];

/// `people` names grades by their place in this list.
const GRADES: [Grade; 7] = [
    Grade {
        name: "Basic Pig Iron",
        lot: "BPI",
        elements: &[("C", 4150, 4480), ("Si", 520, 1150), ("S", 18, 40), ("P", 62, 118), ("Mn", 420, 880)],
        packages: LOOSE,
        note: "",
    },
    Grade {
        name: "Foundry Pig Iron",
        lot: "FPI",
        elements: &[("C", 3880, 4210), ("Si", 1850, 3150), ("S", 14, 38), ("P", 55, 115), ("Mn", 430, 790)],
        packages: LOOSE,
        note: "",
    },
    Grade {
        name: "Nodular Pig Iron",
        lot: "NPI",
        elements: &[("C", 4120, 4460), ("Si", 50, 980), ("S", 5, 18), ("P", 15, 38), ("Mn", 10, 48)],
        packages: &[("Bulk", None), ("Bulk", None), ("Bulk", None), ("Supersacks", Some(3300))],
        note: "Keep lots apart: nodular grade, do not mix with other pig iron.",
    },
    Grade {
        name: "Hot Briquetted Iron (HBI)",
        lot: "HBI",
        elements: &[("Fe", 91_200, 92_400), ("Fe-met", 86_000, 87_000), ("C", 1050, 1480), ("S", 2, 9), ("P", 41, 78)],
        packages: LOOSE,
        note: "Keep dry. Tarp before leaving the pad; do not load a wet trailer.",
    },
    Grade {
        name: "No. 1 Busheling",
        lot: "BSH",
        elements: &[("Cu", 45, 92), ("Ni", 28, 61), ("Cr", 31, 72), ("Mo", 8, 19), ("Sn", 4, 9)],
        packages: SCRAP,
        note: "",
    },
    Grade {
        name: "Shredded Scrap",
        lot: "SHR",
        elements: &[("Cu", 148, 219), ("Ni", 61, 102), ("Cr", 78, 131), ("Mo", 14, 29), ("Sn", 9, 16)],
        packages: LOOSE,
        note: "Radiation check at the gate passed; monitor again on receipt.",
    },
    Grade {
        name: "Plate and Structural, 5 ft",
        lot: "PNS",
        elements: &[("Cu", 140, 260), ("Ni", 70, 118), ("Cr", 82, 149), ("Mo", 15, 33), ("Sn", 8, 15)],
        packages: LOOSE,
        note: "",
    },
];

const CARRIERS: [(&str, &str); 10] = [
    ("Ohio Valley Bulk Transport, Inc.", "OVBX"),
    ("Licking River Carriers LLC", "LRVC"),
    ("Queen City Flatbed & Dump", "QCFD"),
    ("Buckeye Hopper Lines", "BKHP"),
    ("Three Rivers Hauling Co.", "TRHV"),
    ("North Bend Cartage", "NBG"),
    ("Kessler & Sons Trucking", "KSNS"),
    ("Derby City Dump Lines", "DCDL"),
    ("H. & M. Steel Haulers", "HQ"),
    ("Wabash Bulk, LLC", "WBX"),
];
const DRIVERS: [&str; 14] = [
    "Jim Sowders",
    "Michał Pawłowski",
    "D. Whitaker",
    "José Ibáñez",
    "Tina Braddock",
    "Jürgen Voss",
    "L. Petrakis",
    "Shonda Pruitt",
    "W. Caudill",
    "Bill Hensley",
    "Oksana Hrytsenko",
    "Travis Muncy",
    "Ray Oberlin",
    "Becky Noe",
];
const INSTRUCTIONS: [&str; 5] = [
    "Receiving 7:00 am to 3:00 pm, gate 3. Hard hat, safety glasses and metatarsal boots.",
    "Call receiving at 513-555-0142 one hour before arrival.",
    "Weigh in and out on the customer's scale; send both tickets with the signed copy.",
    "Clean, dry, end-dump trailers only. Driver stays in the cab while loading.",
    "No deliveries on Fridays after noon. Show the release number at the gate.",
];
const CARE_OF: [&str; 3] = [
    "Great Lakes Metallics Trading LLC, Chicago, IL",
    "Nordstern Rohstoffe GmbH, Düsseldorf",
    "Tidewater Ore & Metals, Inc., Norfolk, VA",
];
/// The third party that pays the freight.
const BILL_TO: &str = "Ridgeway Freight Audit, Inc.\nP.O. Box 2280\nColumbus, OH 43216";
const BLIND: &str = "Blind shipment: name the care-of party as the shipper; no terminal papers to the receiver.";
const VOID_REASONS: [&str; 6] = [
    "Overweight on re-weigh; part of the load taken off and a new BOL issued.",
    "Wrong release number keyed. Reissued.",
    "Customer cancelled before the truck left the yard.",
    "Trailer floor damaged, load refused by the driver.",
    "Entered twice, same scale ticket.",
    "Wrong lot loaded, returned to the pile.",
];

const fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) => date,
        None => panic!("no such day"), // only ever while compiling
    }
}

/// Weekdays without the holidays that fall on the same date every year.
fn is_working_day(date: NaiveDate) -> bool {
    !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
        && !matches!((date.month(), date.day()), (1, 1) | (7, 4) | (12, 25))
}

/// Whether `i` is picked as the one in its group of `every`. Spreads rare cases evenly.
fn one_in(every: usize, salt: u64, i: usize) -> bool {
    Rng::of(&[salt, (i / every) as u64]).below(every) == i % every
}

/// Returns the range of each element in a product, in thousandths of a percent, or nothing for an unknown product.
pub(super) fn limits(product: &str) -> &'static [(&'static str, i32, i32)] {
    GRADES.iter().find(|grade| grade.name == product).map_or(&[], |grade| grade.elements)
}

/// Returns departure times on working days, between 7 am and 3:30 pm at the terminal, oldest first.
fn departures(count: usize) -> Vec<DateTime<Utc>> {
    let days: Vec<NaiveDate> =
        FIRST_DAY.iter_days().take_while(|date| *date <= LAST_DAY).filter(|date| is_working_day(*date)).collect();
    let mut rng = Rng::of(&[1]);
    let mut departures: Vec<_> = (0..count)
        .map(|i| {
            let date = match i {
                0 => LAST_DAY,
                1 => FIRST_DAY,
                _ => rng.pick(&days),
            };
            date.and_time(NaiveTime::MIN).and_utc()
                + TimeDelta::seconds(i64::from(rng.range(12 * 3600, 19 * 3600 + 1800)))
        })
        .collect();
    departures.sort_unstable();
    departures
}

/// Returns `count` bills of lading for these companies, oldest first.
pub(super) fn bols(companies: &[Company], count: usize) -> Vec<SampleBol> {
    let mut last = (0, 0);
    // Quarter of the order in force and releases so far, a company.
    let mut releases = vec![(0, 0); companies.len()];
    let mut bols = Vec::with_capacity(count);
    for (i, issued_at) in departures(count).into_iter().enumerate() {
        let date = issued_at.date_naive();
        last = if last.0 == date.year() { (last.0, last.1 + 1) } else { (date.year(), 1) };
        let mut rng = Rng::of(&[2, i as u64]);
        // Customers earlier in the list buy more.
        let buyer = rng.below(companies.len()).min(rng.below(companies.len()));
        let quarter = date.year() * 4 + date.month0() as i32 / 3;
        let release = &mut releases[buyer];
        *release = if release.0 == quarter { (quarter, release.1 + 1) } else { (quarter, 1) };
        let order = Rng::of(&[3, buyer as u64, quarter as u64]).range(10_200, 98_900);
        let mut bol = load(&companies[buyer], &mut rng, date);
        (bol.number_year, bol.number_seq) = last;
        bol.issued_at = issued_at;
        bol.customer_po = format!("{}{order}", companies[buyer].po_prefix);
        bol.release_number = if rng.chance(88) { format!("R-{:03}", release.1) } else { String::new() };
        if bol.gross_lb.is_some() {
            bol.scale_ticket = format!("T-{}", 118_402 + 2 * i + rng.below(2));
        }
        if one_in(50, 4, i) {
            // Entered by hand on the scale house computer, so nothing matched it to a customer.
            bol.customer = None;
            bol.customer_name = bol.customer_name.to_uppercase();
        }
        if one_in(17, 5, i) {
            bol.care_of = rng.pick(&CARE_OF).into();
            bol.special_instructions = BLIND.into();
        }
        papers(&mut bol, &mut rng, one_in(33, 6, i), one_in(20, 7, i));
        bols.push(bol);
    }
    bols
}

/// An empty truck on the scale.
struct Truck {
    /// Its carrier's place in [`CARRIERS`].
    carrier: usize,
    /// Its place in the carrier's fleet.
    place: i32,
    tare_lb: i32,
}

impl Truck {
    fn draw(rng: &mut Rng) -> Self {
        let carrier = rng.below(CARRIERS.len());
        let place = rng.range(0, 24);
        // The same truck weighs the same every time, give or take fuel and mud.
        let empty = Rng::of(&[9, carrier as u64, place as u64]).range(1360, 1690);
        Self { carrier, place, tare_lb: 20 * (empty + rng.range(0, 20)) }
    }
}

/// Returns the pile from which a load of that day comes. A pile lasts 18 days.
fn pile(date: NaiveDate) -> u32 {
    date.ordinal0() / 18 + 1
}

/// Returns the chemistry of a grade, which is the same for everything loaded from one pile.
fn chemistry(grade_index: usize, date: NaiveDate) -> String {
    let mut assay = Rng::of(&[8, grade_index as u64, date.year() as u64, u64::from(pile(date))]);
    let results = GRADES[grade_index].elements.iter().map(|&(name, low, high)| {
        let digits = if high > 10_000 { 2 } else { 3 };
        format!("{name} {:.digits$}%", f64::from(assay.range(low, high)) / 1000.0)
    });
    results.collect::<Vec<_>>().join(" ")
}

/// Returns a truckload without number and documents.
fn load(company: &Company, rng: &mut Rng, date: NaiveDate) -> SampleBol {
    let grade_index = rng.pick(company.grades);
    let grade = &GRADES[grade_index];
    let truck = Truck::draw(rng);
    let (carrier, carrier_scac) = CARRIERS[truck.carrier];
    let most = (LEGAL_GROSS_LB - 40 - truck.tare_lb).min(50_000);
    let (package_type, pounds_each) = rng.pick(grade.packages);
    let net_lb = 20 * rng.range(2100, most / 20).max(rng.range(2100, most / 20));
    let weighed = !rng.chance(4);
    let asked = if rng.chance(60) { rng.pick(&INSTRUCTIONS) } else { "" };
    let note = if grade.note.is_empty() || rng.chance(20) { asked } else { grade.note };
    let seal = rng.range(480_100, 799_800);
    // The fields draw from the generator in this order.
    let drawn = SampleBol {
        customer: Some(company.customer.code.clone()),
        customer_name: company.customer.name.clone(),
        bol_date: date,
        product: grade.name.into(),
        lot: format!("{}-{:02}-{:02}", grade.lot, date.year() % 100, pile(date)),
        chemistry: chemistry(grade_index, date),
        carrier: carrier.into(),
        carrier_scac: carrier_scac.into(),
        truck_number: (100 + 100 * truck.carrier as i32 + 3 * truck.place).to_string(),
        trailer_number: format!(
            "{}-{}",
            rng.pick(&["D", "ED", "F"]),
            2200 + 40 * truck.carrier as i32 + rng.range(0, 39)
        ),
        seal_numbers: match rng.range(1, 10) {
            1..=5 => String::new(),
            6..=8 => format!("{seal:07}"),
            _ => format!("{seal:07}, {:07}", seal + 1),
        },
        driver_name: rng.pick(&DRIVERS).into(),
        ship_from: SHIP_FROM.into(),
        ship_to: company.sites[rng.below(company.sites.len())].clone(),
        freight_terms: if rng.chance(85) {
            company.freight_terms
        } else {
            rng.pick(&["prepaid", "collect", "third-party"])
        }
        .into(),
        pieces: pounds_each.map(|each| net_lb / each),
        package_type: package_type.into(),
        gross_lb: weighed.then_some(truck.tare_lb + net_lb),
        tare_lb: weighed.then_some(truck.tare_lb),
        net_lb,
        special_instructions: note.into(),
        trailer_loaded_by: if rng.chance(95) { "shipper" } else { "driver" }.into(),
        freight_counted_by: if rng.chance(90) { "shipper" } else { "driver" }.into(),
        ..SampleBol::default()
    };
    let bill_to = if drawn.freight_terms == "third-party" { BILL_TO } else { "" };
    SampleBol { bill_to: bill_to.into(), ..drawn }
}

/// Adds the documents of a load, and what they state: voiding and the receiver's weight. Leaves out documents that
/// would arrive after the last evening.
fn papers(bol: &mut SampleBol, rng: &mut Rng, void: bool, corrected: bool) {
    let issued_at = bol.issued_at;
    let evening = LAST_DAY.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(22);
    let mut add = |kind, version, stored_at: DateTime<Utc>| {
        let arrived = stored_at <= evening;
        if arrived {
            bol.documents.push(SampleDocument { kind, version, stored_at });
        }
        arrived
    };
    let mut after = |low: i32, high: i32| issued_at + TimeDelta::minutes(i64::from(rng.range(low, high)));
    let (corrected_at, voided_at, signed_at) = (after(20, 60), after(65, 115), after(480, 6 * 1440));
    let rescanned_at = signed_at + (after(600, 2 * 1440) - issued_at);
    let (ticket_at, analysed_at, packed_at) = (after(1, 9), after(5, 60), after(1, 15));
    let (billed_at, other_at) = (after(1500, 4300), after(600, 5000));

    add("bol", 1, issued_at + TimeDelta::seconds(2));
    let mut version = 2;
    if corrected && bol.gross_lb.is_some() && add("bol", version, corrected_at) {
        version += 1;
    }
    if void && add("bol", version, voided_at) {
        bol.voided = Some((voided_at, rng.pick(&VOID_REASONS).into()));
    }
    let void = bol.voided.is_some();
    let recent = issued_at + TimeDelta::days(25) > evening;
    if !void && rng.chance(if recent { 45 } else { 92 }) && add("signed-bol", 1, signed_at) {
        if rng.chance(6) {
            add("signed-bol", 2, rescanned_at);
        }
        if rng.chance(35) {
            bol.official_weight_lb = Some(bol.net_lb + 20 * rng.range(-9, 6));
        }
    }
    if bol.gross_lb.is_some() && rng.chance(63) {
        add("scale-ticket", 1, ticket_at);
    }
    if rng.chance(40) {
        add("certificate-of-analysis", 1, analysed_at);
    }
    if bol.pieces.is_some() && rng.chance(50) {
        add("packing-list", 1, packed_at);
    }
    if !void && rng.chance(5) {
        add("invoice", 1, billed_at);
    }
    if !void && rng.chance(2) {
        add("other", 1, other_at);
    }
}
