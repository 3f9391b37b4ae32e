//! The filter of the list of BOLs: read from a query string, with a message for each invalid field, and written into
//! addresses.

use actix_web::web::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Datelike, NaiveDate};
use serde_json::Value;
use url::form_urlencoded;

use super::Error;
use super::auth::Audience;
use super::context::Context;
use crate::accounts::{Viewer, customers};
use crate::bols::search::{self, Position, Reader, Search, Sort, Status};
use crate::bols::settings;
use crate::field_errors::FieldErrors;
use crate::notices::reminder;

/// The filter of the list of BOLs, as typed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct BolFilter {
    pub q: String,
    pub from: String,
    pub to: String,
    pub kind: String,
    pub status: String,
    /// Code of a customer.
    pub customer: String,
    /// `1`: only what is new to the customer's user.
    pub new: String,
    pub sort: String,
    pub after: String,
    pub before: String,
    /// The place of the page's first BOL in the list, for display.
    pub row: String,
}

/// Enough for a hundred pasted numbers.
const MAX_TEXT_CHARS: usize = 2_000;
const NO_STATUS: &str = "Choose a status from the list.";
const NEW_OR_ALL: &str = "Choose all BOLs, or only new ones.";
const A_DATE: &str = "Not a valid date. Use one such as 2025-11-30.";

impl BolFilter {
    /// Returns the filter of a query string, as a form sends it along. An unreadable one filters nothing.
    pub fn from_query(query: &str) -> Self {
        Query::<Self>::from_query(query).map(Query::into_inner).unwrap_or_default()
    }

    /// `prefix` is that of the portal's BOL numbers. Words of the text narrow the dates, kind and status too.
    pub fn parse(&self, prefix: &str, today: NaiveDate) -> (Search, FieldErrors) {
        let mut errors = FieldErrors::default();
        let (from, to) = (day("from", &self.from, &mut errors), day("to", &self.to, &mut errors));
        if matches!((from, to), (Some(from), Some(to)) if from > to) {
            errors.add("to", "This date is before the first one.");
        }
        let kind =
            choice(&self.kind, ("", "Choose a kind of document from the list."), &mut errors, |text| text.parse().ok());
        let status = choice(&self.status, ("", NO_STATUS), &mut errors, status_named);
        let sort = choice(&self.sort, ("", "The list can't be sorted by this column."), &mut errors, Sort::parse)
            .unwrap_or_default();
        let mut position = |token: &str| {
            choice(token, ("", "This page doesn't exist. Start from the first one."), &mut errors, |token| {
                decode(token).filter(|position| *position.column == *sort.column)
            })
        };
        let (after, before) = (position(&self.after), position(&self.before));
        let is_new = choice(&self.new, ("", NEW_OR_ALL), &mut errors, |text| (text == "1").then_some(()));
        let text: String = self.q.chars().take(MAX_TEXT_CHARS).collect();
        let terms = search::parse(&text, prefix);
        let is_new = is_new.is_some();
        let mut search = Search { terms, from, to, kind, status, is_new, sort, after, before, ..Search::default() };
        search.apply_words(today);
        (search, errors)
    }

    /// Parses the filter for this viewer, and looks up its customer among those that the viewer can see.
    pub async fn resolve<A: Audience>(&self, context: &Context<A>) -> Result<(Search, FieldErrors), Error> {
        let Context { db, viewer, site, .. } = context;
        let (mut search, mut errors) = self.parse(&site.bol_prefix, site.today());
        search.reader = Reader::of(viewer);
        if search.is_new && search.reader.is_none() {
            errors.add("", "Only customers can narrow the list to what is new.");
        }
        if search.status == Some(Status::Unfetched) {
            if viewer.can_see_all_customers() {
                let days = settings::reminder_thresholds(&mut *db.get().await?).await?.collect_days;
                search.visible = Some(reminder::overdue(site.clock.now(), days));
            } else {
                errors.add("", NO_STATUS);
            }
        }
        if !self.customer.trim().is_empty() {
            let code = self.customer.trim().replace('\0', "");
            search.customer = if viewer.can_see_all_customers() {
                customers::with_codes(&mut *db.get().await?, &[code]).await?.pop().map(|customer| customer.id)
            } else {
                viewer.companies.iter().find(|company| company.code == code).map(|company| company.id)
            };
            if search.customer.is_none() {
                errors.add("", "No customer has this code.");
            }
        }
        Ok((search, errors))
    }

    pub fn is_filtered(&self) -> bool {
        [&self.q, &self.from, &self.to, &self.kind, &self.status, &self.customer, &self.new]
            .iter()
            .any(|field| !field.trim().is_empty())
    }

    /// The address of this list with only what is new, or with the rest too.
    pub fn only_new(&self, is_new: bool) -> String {
        Self { new: if is_new { "1".into() } else { String::new() }, ..self.whole() }.href()
    }

    /// The address of this list with another text to search for.
    pub fn searching(&self, q: String) -> String {
        Self { q, ..self.whole() }.href()
    }

    /// The address of this list with other dates.
    pub fn between(&self, from: NaiveDate, to: NaiveDate) -> String {
        Self { from: from.to_string(), to: to.to_string(), ..self.whole() }.href()
    }

    /// The address of the first page of this list in another order.
    pub fn sorted(&self, sort: Sort) -> String {
        let sort = if sort == Sort::default() { String::new() } else { sort.name() };
        Self { sort, ..self.whole() }.href()
    }

    /// The address of the first page.
    pub fn first(&self) -> String {
        self.whole().href()
    }

    /// The address of the page after this BOL, which begins with the `row`th of the list.
    pub fn after(&self, position: &Position, row: Option<usize>) -> String {
        Self { after: encode(position), row: row_text(row), ..self.whole() }.href()
    }

    /// The address of the page before this BOL.
    pub fn before(&self, position: &Position, row: Option<usize>) -> String {
        Self { before: encode(position), row: row_text(row), ..self.whole() }.href()
    }

    /// The list without a position in it.
    pub fn whole(&self) -> Self {
        Self { after: String::new(), before: String::new(), row: String::new(), ..self.clone() }
    }

    /// The address of the list.
    pub fn href(&self) -> String {
        self.of("/bols")
    }

    fn of(&self, path: &str) -> String {
        let query = self.query();
        if query.is_empty() { path.into() } else { format!("{path}?{query}") }
    }

    /// Returns the filter and the place in the list as a query string.
    pub fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.typed());
        query.finish()
    }

    /// Returns the filter as it was typed, for the access log.
    pub fn to_json(&self) -> Value {
        Value::Object(self.whole().typed().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    /// The fields that aren't empty.
    fn typed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("q", &self.q),
            ("from", &self.from),
            ("to", &self.to),
            ("kind", &self.kind),
            ("status", &self.status),
            ("customer", &self.customer),
            ("new", &self.new),
            ("sort", &self.sort),
            ("after", &self.after),
            ("before", &self.before),
            ("row", &self.row),
        ];
        fields.into_iter().map(|(name, value)| (name, value.as_str())).filter(|(_, value)| !value.is_empty())
    }

    /// The address of all matching PDFs in one ZIP.
    pub fn zip(&self) -> String {
        self.whole().of("/bols/download.zip")
    }

    /// The address of all matches as a workbook.
    pub fn export(&self) -> String {
        let path = self.whole().of("/bols/export");
        format!("{path}{}format=xlsx", if path.contains('?') { '&' } else { '?' })
    }
}

fn row_text(row: Option<usize>) -> String {
    row.map(|row| row.to_string()).unwrap_or_default()
}

fn day(field: &'static str, text: &str, errors: &mut FieldErrors) -> Option<NaiveDate> {
    choice(text, (field, A_DATE), errors, |text| {
        // Other years are typing errors, and Postgres can't store some of them.
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        (text.len() == 10 && (1..=9999).contains(&day.year())).then_some(day)
    })
}

fn choice<T>(
    text: &str,
    (field, message): (&'static str, &str),
    errors: &mut FieldErrors,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let found = read(text);
    if found.is_none() {
        errors.add(field, message);
    }
    found
}

pub fn status_named(name: &str) -> Option<Status> {
    STATUSES.iter().find(|(_, known, _)| *known == name).map(|(status, ..)| *status)
}

const STATUSES: [(Status, &str, &str); 6] = [
    (Status::Issued, "issued", "Issued"),
    (Status::Signed, "signed", "Signed copy on file"),
    (Status::Unsigned, "unsigned", "No signed copy yet"),
    (Status::Void, "void", "Void"),
    (Status::Unassigned, "unassigned", "Not assigned to a customer"),
    (Status::Unfetched, "unfetched", "Not fetched by the customer"),
];

/// Value and label of each status that this viewer can search for.
pub fn statuses(viewer: &Viewer) -> impl Iterator<Item = (&'static str, &'static str)> {
    let sees_all = viewer.can_see_all_customers();
    STATUSES
        .iter()
        .filter(move |(status, ..)| sees_all || !matches!(status, Status::Unassigned | Status::Unfetched))
        .map(|(_, name, label)| (*name, *label))
}

/// Encodes a position for the URL's `after`.
pub fn encode(position: &Position) -> String {
    URL_SAFE_NO_PAD.encode(position.to_json().to_string())
}

/// Decodes a position. It only says where the next page begins, so it needs no signature.
fn decode(token: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() < 2000)?;
    Position::from_json(&serde_json::from_slice(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(field: &str, value: &str) -> BolFilter {
        serde_json::from_value(serde_json::json!({ field: value })).expect("a filter")
    }

    #[test]
    fn mistakes_get_a_message_each() {
        for (field, value) in [
            ("from", "yesterday"),
            ("to", "2025-02-30"),
            ("from", "+12025-01-01"),
            ("from", "-9999-1-01"),
            ("to", "0000-01-01"),
            ("kind", "photo"),
            ("status", "lost"),
            ("new", "yes"),
            ("sort", "color"),
            ("after", "x"),
            ("after", "bnVsbA"),
            ("before", "x"),
        ] {
            assert!(!filter(field, value).parse("PRT", NaiveDate::default()).1.is_empty(), "{field}={value}");
        }
        for (field, value) in [
            ("from", "2025-02-28"),
            ("kind", "signed-bol"),
            ("status", "void"),
            ("sort", "-tons"),
            ("q", "\0%_\\"),
            ("after", ""),
        ] {
            assert!(filter(field, value).parse("PRT", NaiveDate::default()).1.is_empty(), "{field}={value}");
        }
        let backwards = BolFilter { from: "2025-02-02".into(), to: "2025-02-01".into(), ..BolFilter::default() };
        assert!(backwards.parse("PRT", NaiveDate::default()).1.message("to").is_some());
    }

    #[test]
    fn positions_survive_the_address() {
        let position = |json: serde_json::Value| Position::from_json(&json).expect("a position");
        for json in [
            serde_json::json!({"d": ["2025-01-02", 7]}),
            serde_json::json!({"n": [2025, 12, 7]}),
            serde_json::json!({"p": ["Roheisen & Ü", 7]}),
            serde_json::json!({"w": [46_900, 7]}),
            serde_json::json!({"u": ["2026-11-30T12:00:00.123456Z", 7]}),
        ] {
            let position = position(json);
            assert_eq!(decode(&encode(&position)), Some(position));
        }
        let ancient = URL_SAFE_NO_PAD.encode(serde_json::json!({"d": ["-200000-01-01", 1]}).to_string());
        assert_eq!(decode(&ancient), None, "Postgres has no such day");
        let dated = encode(&position(serde_json::json!({"w": [1, 1]})));
        assert!(
            !filter("after", &dated).parse("PRT", NaiveDate::default()).1.is_empty(),
            "a position of another order"
        );
    }
}
