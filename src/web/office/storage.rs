//! `/office/storage`: what the storage holds, how much it is used, and about what that costs. For administrators.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::Viewer;
use crate::bols::weight::grouped;
use crate::db::Database;
use crate::operations::storage_usage::{self, Month, Prices};
use crate::units::file_size;
use crate::web::auth::{Admins, Visitor};
use crate::web::chart::{Chart, Value};
use crate::web::forms::Fields;
use crate::web::page::{Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

/// A thousand dollars for a gigabyte.
const MOST: i64 = 1_000_000_000;

/// Its name, and how many bytes it is, as in [`file_size`].
type Unit = (&'static str, i64);
const MB: Unit = ("MB", 1_000_000);
const GB: Unit = ("GB", 1_000_000_000);

#[derive(Template, WebTemplate)]
#[template(path = "office/storage.html")]
struct StoragePage {
    layout: Layout,
    problem: bool,
    place: String,
    documents: String,
    stored: String,
    this_month: String,
    a_year: String,
    /// Of the chart.
    unit: &'static str,
    chart: Chart,
    /// The newest first.
    months: Vec<MonthRow>,
    prices: Vec<PriceField>,
}

struct MonthRow {
    month: String,
    uploads: String,
    uploaded: String,
    links: String,
    linked: String,
    stored: String,
    storage: String,
    requests: String,
    egress: String,
    total: String,
}

struct PriceField {
    name: &'static str,
    label: &'static str,
    value: String,
    error: String,
}

#[derive(serde::Deserialize)]
pub struct Notice {
    #[serde(default)]
    done: String,
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<Admins>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let mut page = StoragePage::load(&site, &visitor, &db).await?;
    if notice.done == "prices" {
        page.layout.notice = "The prices are saved, and every estimate goes by them.";
    }
    Ok(page.respond_to(&request))
}

/// `POST /office/storage/prices`: `storage_gb_month`, `put_thousand`, `get_thousand`, `egress_gb`, in dollars.
pub async fn save(
    request: HttpRequest,
    visitor: Visitor<Admins>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let read = |name| millionths(fields.one(name));
    let read = [read("storage_gb_month"), read("put_thousand"), read("get_thousand"), read("egress_gb")];
    if let [Some(storage_gb_month), Some(put_thousand), Some(get_thousand), Some(egress_gb)] = read {
        let prices = Prices { storage_gb_month, put_thousand, get_thousand, egress_gb };
        storage_usage::change(&db, prices, visitor.actor(), &origin.0).await?;
        return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/office/storage?done=prices")).finish());
    }
    let mut page = StoragePage::load(&site, &visitor, &db).await?;
    page.problem = true;
    for (field, read) in page.prices.iter_mut().zip(read) {
        field.value = fields.one(field.name).into();
        if read.is_none() {
            field.error = "Enter dollars such as 0.023: up to 1,000, with up to six decimals.".into();
        }
    }
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

/// `0.023` as 23,000 millionths.
fn millionths(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('$');
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let fits = !text.is_empty() && text != "." && whole.len() <= 4 && part.len() <= 6;
    if !fits || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: i64 = format!("{whole}{part:0<6}").parse().ok()?;
    (amount <= MOST).then_some(amount)
}

/// Without zeros at the end: `0.023`.
fn price(millionths: i64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// To the cent, or to the tenth of one where it is less.
fn dollars(millionths: i64) -> String {
    match millionths {
        0 => "$0".into(),
        1..1000 => "< $0.001".into(),
        1000..999_500 => format!("$0.{:03}", (millionths + 500) / 1000),
        _ => {
            let cents = (millionths + 5000) / 10_000;
            format!("${}.{:02}", grouped(cents / 100), cents % 100)
        }
    }
}

/// A number that fits above a bar.
fn in_unit(bytes: i64, (_, unit): Unit) -> String {
    match bytes / unit {
        0..10 => format!("{}.{}", bytes / unit, bytes % unit * 10 / unit),
        many => grouped(many),
    }
}

impl MonthRow {
    fn new(month: &Month) -> Self {
        Self {
            month: month.first.format("%B %Y").to_string(),
            uploads: grouped(month.counted.uploads),
            uploaded: file_size(month.counted.bytes),
            links: grouped(month.counted.links),
            linked: file_size(month.counted.link_bytes),
            stored: file_size(month.stored),
            storage: dollars(month.cost.storage),
            requests: dollars(month.cost.put + month.cost.get),
            egress: dollars(month.cost.egress),
            total: dollars(month.cost.total()),
        }
    }
}

impl StoragePage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database) -> Result<Self, Error> {
        let usage = storage_usage::usage(db, site.clock.now()).await?;
        let most = usage.months.iter().map(|month| month.stored).max().unwrap_or_default();
        let unit = if most < 10_000_000_000 { MB } else { GB };
        let value = |month: &Month| Value {
            amount: month.stored,
            text: in_unit(month.stored, unit),
            label: month.first.format("%b").to_string(),
            title: format!(
                "{}: {} stored, {}",
                month.first.format("%B %Y"),
                file_size(month.stored),
                dollars(month.cost.total())
            ),
        };
        let last = usage.months.last().map(|month| month.cost).unwrap_or_default();
        let field = |name, label, amount| PriceField { name, label, value: price(amount), error: String::new() };
        let prices = usage.prices;
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/storage"),
            problem: false,
            place: site.storage.place(),
            documents: grouped(usage.documents),
            stored: file_size(usage.stored),
            this_month: dollars(last.total()),
            a_year: dollars(usage.months.iter().map(|month| month.cost.total()).sum()),
            unit: unit.0,
            chart: Chart::new(usage.months.iter().map(value).collect()),
            months: usage.months.iter().rev().map(MonthRow::new).collect(),
            prices: vec![
                field("storage_gb_month", "Keeping a GB for a month", prices.storage_gb_month),
                field("put_thousand", "A thousand uploads (PUT)", prices.put_thousand),
                field("get_thousand", "A thousand fetches (GET, HEAD)", prices.get_thousand),
                field("egress_gb", "Sending out a GB", prices.egress_gb),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_they_are_shown() {
        for (text, expected) in [
            ("0.023", Some(23_000)),
            ("$0.0004", Some(400)),
            ("5", Some(5_000_000)),
            (".5", Some(500_000)),
            ("1000", Some(1_000_000_000)),
            ("1000.000001", None),
            ("0.0000001", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
        assert_eq!((price(23_000), price(5_000_000), price(0)), ("0.023".into(), "5".into(), "0".into()));
        assert_eq!(
            (dollars(0), dollars(999), dollars(1_500), dollars(12_345_678), dollars(999_600)),
            ("$0".into(), "< $0.001".into(), "$0.002".into(), "$12.35".into(), "$1.00".into())
        );
    }
}
