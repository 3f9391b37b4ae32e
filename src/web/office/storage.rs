//! `/office/storage`: what the storage holds, its use by month, and an estimate of its cost. For administrators.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use askama::Template;

use crate::bols::weight::grouped;
use crate::field_errors::FieldErrors;
use crate::operations::storage_usage::{self, Month, Prices};
use crate::units::file_size;
use crate::web::Error;
use crate::web::auth::{Admins, Fresh};
use crate::web::chart::{Chart, Value};
use crate::web::context::Context;
use crate::web::flash::{Done, see_other, storage as flash};
use crate::web::form_field::FormField;
use crate::web::forms::Fields;
use crate::web::page::{Layout, html, html_with_status};

const HERE: &str = "/office/storage";
/// The highest price: $1,000, in millionths of a dollar.
const MAX_PRICE_MILLIONTHS: i64 = 1_000_000_000;

/// A unit of the chart: its name and its bytes, as in [`file_size`].
type Unit = (&'static str, i64);
const MB: Unit = ("MB", 1_000_000);
const GB: Unit = ("GB", 1_000_000_000);

#[derive(Template)]
#[template(path = "office/storage.html")]
struct StoragePage {
    layout: Layout,
    place: String,
    documents: String,
    stored: String,
    this_month: String,
    a_year: String,
    /// The unit of the chart.
    unit: &'static str,
    chart: Chart,
    /// The newest first.
    months: Vec<MonthRow>,
    prices: Vec<PriceField>,
    /// About the prices.
    errors: FieldErrors,
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
}

pub async fn page(context: Context<Admins>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut page = StoragePage::load(&context).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST /office/storage/prices`: `storage_gb_month`, `put_thousand`, `get_thousand`, `egress_gb`, in dollars.
pub async fn save(context: Context<Fresh<Admins>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let read = |name| millionths(fields.one(name));
    let read = [read("storage_gb_month"), read("put_thousand"), read("get_thousand"), read("egress_gb")];
    if let [Some(storage_gb_month), Some(put_thousand), Some(get_thousand), Some(egress_gb)] = read
        && !context.is_draft()
    {
        let prices = Prices { storage_gb_month, put_thousand, get_thousand, egress_gb };
        storage_usage::change(&context.db, prices, context.viewer.actor(), &context.origin).await?;
        return Ok(see_other(HERE, Some(flash::PRICES_SAVED)));
    }
    let mut page = StoragePage::load(&context).await?;
    for (field, read) in page.prices.iter_mut().zip(read) {
        field.value = fields.one(field.name).into();
        if read.is_none() {
            page.errors.add(field.name, "Enter dollars such as 0.023: up to 1,000, with up to six decimals.");
        }
    }
    page.layout = page.layout.not_saved(&page.errors, str::to_owned);
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Parses a price in dollars, such as `0.023`, into millionths of a dollar.
fn millionths(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('$');
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let fits = !text.is_empty() && text != "." && whole.len() <= 4 && part.len() <= 6;
    if !fits || !whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: i64 = format!("{whole}{part:0<6}").parse().ok()?;
    (amount <= MAX_PRICE_MILLIONTHS).then_some(amount)
}

/// Formats a price without trailing zeros: `0.023`.
fn price(millionths: i64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats a cost, to the cent from $1 on and to a tenth of a cent below.
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

/// Formats a size so that it fits above a bar.
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
    async fn load(context: &Context<Admins>) -> Result<Self, Error> {
        let Context { site, db, .. } = context;
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
        let field = |name, label, amount| PriceField { name, label, value: price(amount) };
        let prices = usage.prices;
        Ok(Self {
            layout: context.layout(HERE),
            place: site.storage.place(),
            documents: grouped(usage.documents),
            stored: file_size(usage.stored),
            this_month: dollars(last.total()),
            a_year: dollars(usage.months.iter().map(|month| month.cost.total()).sum()),
            unit: unit.0,
            chart: Chart::new(usage.months.iter().map(value).collect()),
            months: usage.months.iter().rev().map(MonthRow::new).collect(),
            prices: vec![
                field("storage_gb_month", "Storing one GB for a month", prices.storage_gb_month),
                field("put_thousand", "A thousand uploads (PUT)", prices.put_thousand),
                field("get_thousand", "A thousand downloads (GET, HEAD)", prices.get_thousand),
                field("egress_gb", "Sending one GB", prices.egress_gb),
            ],
            errors: FieldErrors::default(),
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
