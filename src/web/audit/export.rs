//! `GET /audit/export`: the filtered log as a file.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};

use super::download_filter;
use crate::audit::export::{Export, ExportError, Format};
use crate::audit::filter::FilterText;
use crate::db::Database;
use crate::web::auth::{Auditors, Visitor};
use crate::web::page::attachment;
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(serde::Deserialize)]
pub struct Options {
    #[serde(default)]
    format: String,
}

pub async fn download(
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    options: Query<Options>,
    text: Query<FilterText>,
) -> Result<HttpResponse, Error> {
    let format = options.format.parse::<Format>();
    let format = format.map_err(|()| Error::Invalid("Set format to csv, jsonl or xlsx.".into()))?;
    let (filter, filter_json) = download_filter(text.into_inner(), &site)?;
    let export = Export { filter, format, filter_json, by: visitor.actor().into(), origin: origin.0.clone() };
    let (bytes, _) = export.begin(db.get_ref().clone(), &site.exports).await.map_err(|error| match error {
        ExportError::Busy => Error::Unavailable(error.to_string()),
        ExportError::Db(error) => error.into(),
    })?;
    let today = site.clock.now().with_timezone(&site.time_zone).format("%Y-%m-%d");
    let name = format!("access-log-{today}.{}", format.as_str());
    Ok(attachment(&name, format.content_type(), format == Format::Xlsx, bytes))
}
