//! `GET /audit/export`: what the log shows with these filters, as a file.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};

use super::filter::LogFilter;
use crate::audit::export::{Export, ExportError, Format};
use crate::db::Database;
use crate::web::auth::{Auditors, Visitor};
use crate::web::page::attachment;
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(serde::Deserialize)]
pub struct Wish {
    #[serde(default)]
    format: String,
}

pub fn links(filter: &LogFilter) -> Vec<(&'static str, String)> {
    let name = |format| match format {
        Format::Csv => "CSV",
        Format::JsonLines => "JSON Lines",
        Format::Xlsx => "Excel",
    };
    let exports = Format::ALL.into_iter().map(|format| (name(format), filter.export(format)));
    exports.chain([("Pack with proofs", filter.pack())]).collect()
}

pub async fn download(
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    wish: Query<Wish>,
    asked: Query<LogFilter>,
) -> Result<HttpResponse, Error> {
    let format: Format = wish.format.parse().map_err(|()| Error::Invalid("format is csv, jsonl or xlsx.".into()))?;
    let (filter, told) = asked.into_inner().whole(&site)?;
    let export = Export { filter, format, told, by: visitor.actor().into(), origin: origin.0.clone() };
    let (bytes, _) = export.begin(db.get_ref().clone(), &site.exports).await.map_err(|error| match error {
        ExportError::Busy => Error::Unavailable(error.to_string()),
        ExportError::Db(error) => error.into(),
    })?;
    let today = site.clock.now().with_timezone(&site.time_zone).format("%Y-%m-%d");
    let name = format!("access-log-{today}.{}", format.as_str());
    Ok(attachment(&name, format.content_type(), format == Format::Xlsx, bytes))
}
