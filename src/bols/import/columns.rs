//! The columns of the file, and reading one of its lines.

use chrono::{Datelike, NaiveDate, TimeDelta};
use csv::StringRecord;

use super::companies::CustomerRef;
use crate::bols::BolNumber;
use crate::bols::draft::{Draft, MAX_POUNDS, whole_number};
use crate::bols::fields::{FIELDS, Printed};
use crate::csv_file;

/// A BOL as a line of the file gives it, checked.
#[derive(Clone, Debug)]
pub(super) struct ImportedBol {
    pub line: u64,
    pub number: BolNumber,
    pub customer: CustomerRef,
    pub printed: Printed,
    pub official_weight_lb: Option<i32>,
    pub issued_by: String,
    /// The day on which it was voided, and the reason.
    pub void: Option<(NaiveDate, String)>,
}

/// Headings of the columns that are no fields of the form: letters and digits only, in lower case. The other columns
/// have their names and headings in [`FIELDS`].
const HEADINGS: [(&str, &str); 18] = [
    ("number", "number"),
    ("bol", "number"),
    ("bolnumber", "number"),
    ("bolno", "number"),
    ("customer", "customer"),
    ("customername", "customer"),
    ("buyer", "customer"),
    ("buyername", "customer"),
    ("customercode", "customer_code"),
    ("customeraddress", "customer_address"),
    ("tons", "tons"),
    ("nettons", "tons"),
    ("shorttons", "tons"),
    ("officialweightlb", "official_weight_lb"),
    ("officialweightlbs", "official_weight_lb"),
    ("issuedby", "issued_by"),
    ("voiddate", "void_date"),
    ("voidreason", "void_reason"),
];

/// Which column of the file has which field.
pub(super) struct Columns {
    fields: Vec<Option<&'static str>>,
    /// The headings that name no field.
    pub ignored: Vec<String>,
    /// The latest day that a BOL may have.
    latest: NaiveDate,
}

/// Returns the letters and digits of a heading, in lower case.
fn plain(heading: &str) -> String {
    heading.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Returns the field that a heading names.
fn field_of(heading: &str) -> Option<&'static str> {
    let heading = plain(heading);
    let other = HEADINGS.iter().find(|(known, _)| *known == heading).map(|(_, field)| *field);
    other.or_else(|| {
        let field =
            FIELDS.iter().find(|field| field.headings.contains(&heading.as_str()) || plain(field.name) == heading);
        field.map(|field| field.name)
    })
}

impl Columns {
    /// `line` is the line of the header in the file.
    pub fn new(header: &StringRecord, line: u64, latest: NaiveDate) -> Result<Self, String> {
        let fields: Vec<Option<&'static str>> = header.iter().map(field_of).collect();
        for needed in ["number", "bol_date", "product"] {
            if !fields.contains(&Some(needed)) {
                let needed = needed.trim_start_matches("bol_");
                let place = if line == 1 { "The first line".to_owned() } else { format!("Line {line}, the header,") };
                return Err(format!(
                    "{place} has no column {needed}. It needs number, date and product, and for whole BOLs customer, and tons or net_lb."
                ));
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if let Some(field) = field.filter(|_| fields[..index].contains(field)) {
                return Err(format!(
                    "Two columns contain the {}. Remove one of them.",
                    field.trim_start_matches("bol_")
                ));
            }
        }
        let ignored = header.iter().zip(&fields).filter(|(_, field)| field.is_none()).map(|(name, _)| name.into());
        let ignored = ignored.collect();
        Ok(Self { fields, ignored, latest })
    }

    /// Reads a line of the file. Returns a message for each mistake, with the number of the line.
    pub fn read(&self, line: u64, record: &StringRecord, prefix: &str) -> Result<ImportedBol, Vec<(u64, String)>> {
        if csv_file::has_extra_cells(record, self.fields.len()) {
            let (found, expected) = (record.len(), self.fields.len());
            let message = format!("{found} columns, but the header has {expected}; check for a comma without quotes");
            return Err(vec![(line, message)]);
        }
        let record = &repaired(record, &self.fields);
        let mut draft = Draft::default();
        for (field, text) in self.fields.iter().zip(record.iter()) {
            if let Some(field) = field {
                draft.set(field, text);
            }
        }
        let mut reader = LineReader { columns: self, record, draft, messages: Vec::new() };
        reader.lost_digits();
        let number = reader.number(prefix);
        reader.date(number.as_ref().map(BolNumber::year));
        reader.tons();
        let official_weight_lb = reader.official_weight();
        let void = reader.void();
        let printed = reader.printed();
        let customer = CustomerRef {
            customer: reader.cell("customer").into(),
            code: reader.cell("customer_code").to_uppercase(),
            address: reader.cell("customer_address").into(),
        };
        let issued_by = one_line(reader.cell("issued_by"), 200);
        match (number, printed) {
            (Some(number), Some(printed)) if reader.messages.is_empty() => {
                Ok(ImportedBol { line, number, customer, printed, official_weight_lb, issued_by, void })
            }
            _ => Err(reader.messages.into_iter().map(|message| (line, message)).collect()),
        }
    }
}

/// Reads the fields of one line, and collects a message for each mistake.
struct LineReader<'a> {
    columns: &'a Columns,
    record: &'a StringRecord,
    draft: Draft,
    messages: Vec<String>,
}

impl<'a> LineReader<'a> {
    fn cell(&self, field: &str) -> &'a str {
        let index = self.columns.fields.iter().position(|known| *known == Some(field));
        index.and_then(|index| self.record.get(index)).unwrap_or_default()
    }

    fn number(&mut self, prefix: &str) -> Option<BolNumber> {
        number(self.cell("number"), prefix).map_err(|message| self.messages.push(message)).ok()
    }

    /// Sets the date, and compares it with the year of the number.
    fn date(&mut self, year: Option<i32>) {
        let text = self.cell("bol_date");
        match date(text) {
            Some(day) if day > self.columns.latest => self.messages.push(format!("date: {day} is in the future")),
            Some(day) => {
                self.draft.set("bol_date", day.to_string());
                if let Some(year) = year.filter(|year| (year - day.year()).abs() > MAX_YEARS_APART) {
                    self.messages.push(format!("date: {day} doesn't match the year {year} of the number"));
                }
            }
            None => self.messages.push(match serial_date(text) {
                Some(day) => format!(
                    "date: {text} is the number with which Excel stores {day}; format the column as a date such as \
                     {day}, and save the file again"
                ),
                None => format!("date: {text:?} is not a date; use 2025-11-30 or 11/30/2025"),
            }),
        }
    }

    /// Reports numbers that a spreadsheet has rounded to a few digits.
    fn lost_digits(&mut self) {
        for (field, text) in self.columns.fields.iter().zip(self.record.iter()) {
            if let Some(field) = field.filter(|_| is_scientific(text)) {
                self.messages.push(format!(
                    "{field}: {text} was a longer number, and the spreadsheet has dropped its digits; format the column \
                     as text where the number is still whole, and export the file again"
                ));
            }
        }
    }

    /// Sets the net weight from a weight in short tons.
    fn tons(&mut self) {
        let (tons, net_lb) = (self.cell("tons"), self.cell("net_lb"));
        if tons.is_empty() {
            return;
        }
        match pounds(tons) {
            Some(pounds) if net_lb.is_empty() || whole_number(net_lb) == Some(pounds) => {
                self.draft.set("net_lb", pounds.to_string());
            }
            Some(pounds) => {
                self.messages.push(format!("tons: {tons} tons are {pounds} lb, but net_lb says {net_lb}"));
            }
            None => self
                .messages
                .push(format!("tons: {tons:?} is not a weight in tons, such as 23.03, that equals whole pounds")),
        }
    }

    fn official_weight(&mut self) -> Option<i32> {
        let text = self.cell("official_weight_lb");
        let pounds = whole_number(text).filter(|pounds| (1..=MAX_POUNDS).contains(pounds));
        if pounds.is_none() && !text.is_empty() {
            self.messages.push(format!("official_weight_lb: {text:?} is not a weight in whole pounds"));
        }
        pounds
    }

    fn void(&mut self) -> Option<(NaiveDate, String)> {
        let (day, reason) = (self.cell("void_date"), self.cell("void_reason"));
        if day.is_empty() && reason.is_empty() {
            return None;
        }
        let reason = one_line(reason, 1000);
        if reason.is_empty() {
            self.messages.push("void_reason: required for a void BOL".into());
            return None;
        }
        let day = if day.is_empty() { date(self.cell("bol_date")) } else { date(day) };
        if day.is_none() {
            self.messages.push("void_date: not a date".into());
        }
        day.map(|day| (day, reason))
    }

    fn printed(&mut self) -> Option<Printed> {
        let errors = match self.draft.check_imported() {
            Ok(printed) => return Some(printed),
            Err(errors) => errors,
        };
        // The messages about date and tons above are clearer.
        let has_tons_message = self.messages.iter().any(|message| message.starts_with("tons"));
        let is_reported = |field: &str| field == "bol_date" || field == "net_lb" && has_tons_message;
        let rest = errors.iter().filter(|error| !is_reported(error.field));
        self.messages.extend(rest.map(|error| format!("{}: {}", error.field, error.message)));
        None
    }
}

/// Returns the text without control characters, cut to `max_chars`.
fn one_line(text: &str, max_chars: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max_chars).collect();
    text.trim().to_owned()
}

/// The highest running number. The counter continues after the highest one in the file and needs room for more.
const MAX_SEQ: i32 = 999_999;
/// A BOL that is loaded around New Year may have a number of the neighboring year.
const MAX_YEARS_APART: i32 = 1;

/// Parses a number. A number with another prefix is refused: it would take a running number of ours.
fn number(text: &str, prefix: &str) -> Result<BolNumber, String> {
    let number: BolNumber = text.to_uppercase().parse().map_err(|error| format!("number: {error}, not {text:?}"))?;
    if number.prefix() != prefix {
        return Err(format!("number: {number} doesn't begin with {prefix}-"));
    }
    if number.seq() > MAX_SEQ {
        return Err(format!("number: {number} is too high; the next number would be higher still"));
    }
    Ok(number)
}

/// Parses `2025-11-30`, with or without a time, or `11/30/2025`.
fn date(text: &str) -> Option<NaiveDate> {
    let day = text.split([' ', 'T']).next().unwrap_or_default();
    let day =
        NaiveDate::parse_from_str(day, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(day, "%m/%d/%Y")).ok()?;
    (2000..=2100).contains(&day.year()).then_some(day)
}

/// Fields in whole pounds or pieces.
const WHOLE_NUMBERS: [&str; 5] = ["net_lb", "gross_lb", "tare_lb", "official_weight_lb", "pieces"];

/// Returns the record with whole numbers as programs write them that know only fractions: `46060.0` is 46060. More than
/// two zeros may be thousands, as Germans write them, and stay as they are.
fn repaired(record: &StringRecord, fields: &[Option<&'static str>]) -> StringRecord {
    let cells = record.iter().zip(fields).map(|(text, field)| match field {
        Some(field) if WHOLE_NUMBERS.contains(field) => {
            text.strip_suffix(".0").or_else(|| text.strip_suffix(".00")).unwrap_or(text)
        }
        _ => text,
    });
    cells.collect()
}

/// Returns the day that a spreadsheet stores as this number: days since 30 December 1899.
fn serial_date(text: &str) -> Option<NaiveDate> {
    let days: i64 = text.split('.').next()?.parse().ok().filter(|days| (36_526..=73_415).contains(days))?;
    NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_signed(TimeDelta::days(days))
}

/// Returns whether this is a number as `4.50012E+12`.
fn is_scientific(text: &str) -> bool {
    let Some((digits, power)) = text.split_once(['E', 'e']) else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    power.strip_prefix('+').is_some_and(is_number)
        && digits.split_once(['.', ',']).is_some_and(|(whole, rest)| is_number(whole) && is_number(rest))
}

/// Converts short tons to pounds: `23.03` is 46,060. A weight that is not whole pounds is refused.
fn pounds(tons: &str) -> Option<i32> {
    let (tons, part) = tons.split_once('.').unwrap_or((tons, ""));
    // A comma that does not separate thousands is a mistake: `2,5` isn't 25.
    let tons = whole_number(tons).filter(|tons| *tons <= MAX_POUNDS)?;
    let part = part.trim_end_matches('0');
    if part.len() > 4 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Ten thousandths of a ton are a fifth of a pound.
    let ten_thousandths: i64 = format!("{tons}{part:0<4}").parse().ok()?;
    let pounds = i32::try_from(ten_thousandths / 5).ok()?;
    (ten_thousandths % 5 == 0 && (1..=MAX_POUNDS).contains(&pounds)).then_some(pounds)
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
        let columns =
            Columns::new(&header("BOL Number,Date,Customer,Product,Net Tons,Truck #,mood"), 1, NaiveDate::MAX)
                .expect("columns");
        assert_eq!(columns.fields[4..], [Some("tons"), Some("truck_number"), None]);
        assert_eq!(columns.ignored, ["mood"]);
        assert!(
            Columns::new(&header("number,date,product,PO,customer_po"), 1, NaiveDate::MAX)
                .is_err_and(|error| error.contains("customer_po"))
        );
        assert!(
            Columns::new(&header("date,product"), 2, NaiveDate::MAX)
                .is_err_and(|error| error.contains("Line 2, the header, has no column number"))
        );
    }
}
