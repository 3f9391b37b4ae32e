//! What the columns of the file are called, and what a line of it says.

use chrono::{Datelike, NaiveDate};
use csv::StringRecord;

use super::companies::Named;
use crate::bols::BolNumber;
use crate::bols::bol::Printed;
use crate::bols::draft::{Draft, MOST_POUNDS, whole};

/// A line that is right.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub at: u64,
    pub number: BolNumber,
    pub customer: Named,
    pub printed: Printed,
    pub official_weight_lb: Option<i32>,
    pub issued_by: String,
    /// When it was voided, and why.
    pub void: Option<(NaiveDate, String)>,
}

/// Columns that aren't fields of the form, and other names for those that are; letters and digits only, in lower case.
const OTHER_NAMES: [(&str, &str); 41] = [
    ("number", "number"),
    ("bol", "number"),
    ("bolnumber", "number"),
    ("bolno", "number"),
    ("date", "bol_date"),
    ("customername", "customer"),
    ("buyer", "customer"),
    ("buyername", "customer"),
    ("customercode", "customer_code"),
    ("customeraddress", "customer_address"),
    ("productname", "product"),
    ("lotnumber", "lot"),
    ("po", "customer_po"),
    ("ponumber", "customer_po"),
    ("release", "release_number"),
    ("carriername", "carrier"),
    ("scac", "carrier_scac"),
    ("truck", "truck_number"),
    ("truckno", "truck_number"),
    ("trailer", "trailer_number"),
    ("trailerno", "trailer_number"),
    ("seal", "seal_numbers"),
    ("seals", "seal_numbers"),
    ("driver", "driver_name"),
    ("consignee", "ship_to"),
    ("shipto", "ship_to"),
    ("package", "package_type"),
    ("tons", "tons"),
    ("nettons", "tons"),
    ("shorttons", "tons"),
    ("grosslbs", "gross_lb"),
    ("tarelbs", "tare_lb"),
    ("netlbs", "net_lb"),
    ("officialweightlb", "official_weight_lb"),
    ("officialweightlbs", "official_weight_lb"),
    ("ticket", "scale_ticket"),
    ("notes", "special_instructions"),
    ("instructions", "special_instructions"),
    ("issuedby", "issued_by"),
    ("voiddate", "void_date"),
    ("voidreason", "void_reason"),
];

/// Which column says what.
pub(super) struct Columns {
    fields: Vec<Option<&'static str>>,
    /// Names of those that say nothing here.
    pub ignored: Vec<String>,
    /// No BOL is of a later day.
    latest: NaiveDate,
}

impl Columns {
    pub fn new(header: &StringRecord, latest: NaiveDate) -> Result<Self, String> {
        let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        let field = |name: &str| {
            let other = OTHER_NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
            other.or_else(|| {
                Draft::names().find(|field| plain(field) == name && !matches!(*field, "confirm" | "reissue_of"))
            })
        };
        let fields: Vec<Option<&'static str>> = header.iter().map(|name| field(&plain(name))).collect();
        for needed in ["number", "bol_date", "product"] {
            if !fields.contains(&Some(needed)) {
                let needed = needed.trim_start_matches("bol_");
                return Err(format!(
                    "The first line has no column {needed}. It needs number, date and product, and for whole BOLs customer, and tons or net_lb."
                ));
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if let Some(field) = field.filter(|_| fields[..index].contains(field)) {
                return Err(format!("Two columns are the {}: which is it?", field.trim_start_matches("bol_")));
            }
        }
        let ignored = header.iter().zip(&fields).filter(|(_, field)| field.is_none()).map(|(name, _)| name.into());
        let ignored = ignored.collect();
        Ok(Self { fields, ignored, latest })
    }

    pub fn read(&self, record: &StringRecord, prefix: &str) -> Result<Line, Vec<(u64, String)>> {
        let at = record.position().map_or(0, csv::Position::line);
        let cell = |field: &str| {
            let index = self.fields.iter().position(|known| *known == Some(field));
            index.and_then(|index| record.get(index)).unwrap_or_default()
        };
        let mut wrong = Vec::new();
        let mut draft = Draft::default();
        for (field, text) in self.fields.iter().zip(record.iter()) {
            if let Some(field) = field {
                draft.set(field, text);
            }
        }
        let number = number(cell("number"), prefix).map_err(|message| wrong.push(message)).ok();
        match date(cell("bol_date")) {
            Some(day) if day > self.latest => wrong.push(format!("date: {day} is still to come")),
            Some(day) => {
                draft.set("bol_date", day.to_string());
                let year = number.as_ref().map(BolNumber::year);
                if let Some(year) = year.filter(|year| (year - day.year()).abs() > YEARS_APART) {
                    wrong.push(format!("date: {day}, and the number is of {year}; which is right?"));
                }
            }
            None => wrong.push(format!("date: there is no day {:?}; write 2025-11-30 or 11/30/2025", cell("bol_date"))),
        }
        match (cell("tons"), cell("net_lb")) {
            ("", _) => {}
            (tons, net_lb) => match pounds(tons) {
                Some(pounds) if net_lb.is_empty() || whole(net_lb) == Some(pounds) => {
                    draft.set("net_lb", pounds.to_string());
                }
                Some(pounds) => wrong.push(format!("tons: {tons} tons are {pounds} lb, and net_lb says {net_lb}")),
                None => wrong.push(format!("tons: {tons:?} isn't a weight such as 23.03 that is whole pounds")),
            },
        }
        let official_weight_lb = match cell("official_weight_lb") {
            "" => None,
            text => {
                let pounds = whole(text).filter(|pounds| (1..=MOST_POUNDS).contains(pounds));
                if pounds.is_none() {
                    wrong.push(format!("official_weight_lb: {text:?} isn't a weight in whole pounds"));
                }
                pounds
            }
        };
        let void = match (cell("void_date"), cell("void_reason")) {
            ("", "") => None,
            (_, reason) if one_line(reason, 1000).is_empty() => {
                wrong.push("void_reason: a void BOL has one".into());
                None
            }
            (day, reason) => {
                let day = if day.is_empty() { date(cell("bol_date")) } else { date(day) };
                if day.is_none() {
                    wrong.push("void_date: there is no such day".into());
                }
                day.map(|day| (day, one_line(reason, 1000)))
            }
        };
        let printed = draft.check_old();
        if let Err(problems) = &printed {
            // What was said of the date and the weight above says it better.
            let again = |field: &str| {
                field == "bol_date" || field == "net_lb" && wrong.iter().any(|message| message.starts_with("tons"))
            };
            let told = problems.iter().filter(|problem| !again(problem.field));
            wrong.extend(told.map(|problem| format!("{}: {}", problem.field, problem.message)).collect::<Vec<_>>());
        }
        let customer = Named {
            customer: cell("customer").into(),
            code: cell("customer_code").to_uppercase(),
            address: cell("customer_address").into(),
        };
        let issued_by = one_line(cell("issued_by"), 200);
        match (number, printed) {
            (Some(number), Ok(printed)) if wrong.is_empty() => {
                Ok(Line { at, number, customer, printed, official_weight_lb, issued_by, void })
            }
            _ => Err(wrong.into_iter().map(|message| (at, message)).collect()),
        }
    }
}

/// Without what can't be seen, and cut.
fn one_line(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
    text.trim().to_owned()
}

/// No terminal loads so many trucks in a year; the counter goes on behind the highest number, and has to have room.
const MOST_SEQ: i32 = 999_999;
/// A BOL that is loaded around New Year may have the number of the other one.
const YEARS_APART: i32 = 1;

/// With our prefix: another one would have the running numbers of ours.
fn number(text: &str, prefix: &str) -> Result<BolNumber, String> {
    let number: BolNumber = text.to_uppercase().parse().map_err(|error| format!("number: {error}, not {text:?}"))?;
    if number.prefix() != prefix {
        return Err(format!("number: {number} doesn't begin with {prefix}-"));
    }
    if number.seq() > MOST_SEQ {
        return Err(format!("number: {number} is far behind all others; the next one would be higher still"));
    }
    Ok(number)
}

/// `2025-11-30` with or without a time behind it, or `11/30/2025`.
fn date(text: &str) -> Option<NaiveDate> {
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let day =
        NaiveDate::parse_from_str(day, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(day, "%m/%d/%Y")).ok()?;
    (2000..=2100).contains(&day.year()).then_some(day)
}

/// Short tons as pounds: `23.03` is 46,060. More decimals than whole pounds have are a mistake, unless they are zeros.
fn pounds(tons: &str) -> Option<i32> {
    let (tons, part) = tons.split_once('.').unwrap_or((tons, ""));
    // A comma is one between thousands, or a mistake: `2,5` isn't 25.
    let tons = whole(tons).filter(|tons| *tons <= MOST_POUNDS)?;
    let part = part.trim_end_matches('0');
    if part.len() > 4 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Ten thousandths of a ton are a fifth of a pound.
    let ten_thousandths: i64 = format!("{tons}{part:0<4}").parse().ok()?;
    let pounds = i32::try_from(ten_thousandths / 5).ok()?;
    (ten_thousandths % 5 == 0 && (1..=MOST_POUNDS).contains(&pounds)).then_some(pounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tons_are_pounds_exactly_or_not_at_all() {
        for (tons, expected) in [
            ("23.03", Some(46_060)),
            ("23", Some(46_000)),
            ("23.0305", Some(46_061)),
            ("23.030000000", Some(46_060)),
            ("1,000.5", None),
            ("1,00", None),
            ("2,5", None),
            ("23,03", None),
            ("0,5", None),
            ("23.0301", None),
            ("-1", None),
            ("", None),
            (".5", None),
            ("0.0005", Some(1)),
            ("0", None),
            ("1e3", None),
        ] {
            assert_eq!(pounds(tons), expected, "{tons}");
        }
    }

    #[test]
    fn days_are_read_as_exports_write_them() {
        let day = NaiveDate::from_ymd_opt(2025, 11, 30);
        for text in ["2025-11-30", "2025-11-30T08:15:00Z", "2025-11-30 08:15", "11/30/2025"] {
            assert_eq!(date(text), day, "{text}");
        }
        for text in ["", "30/11/2025", "2025-02-30", "1925-11-30", "11/30/25"] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn columns_have_many_names_and_two_of_one_are_refused() {
        let header = |text: &str| StringRecord::from(text.split(',').collect::<Vec<_>>());
        let columns = Columns::new(&header("BOL Number,Date,Customer,Product,Net Tons,Truck #,mood"), NaiveDate::MAX)
            .expect("columns");
        assert_eq!(columns.fields[4..], [Some("tons"), Some("truck_number"), None]);
        assert_eq!(columns.ignored, ["mood"]);
        assert!(
            Columns::new(&header("number,date,product,PO,customer_po"), NaiveDate::MAX)
                .is_err_and(|error| error.contains("customer_po"))
        );
        assert!(
            Columns::new(&header("date,product"), NaiveDate::MAX)
                .is_err_and(|error| error.contains("no column number"))
        );
    }
}
