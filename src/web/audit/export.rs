//! `GET /audit/export`: the filtered log as a file.

use actix_web::HttpResponse;
use actix_web::web::Query;

use super::download_filter;
use crate::accounts::response_slots::ResponseKind;
use crate::audit::export::{Export, ExportError, Format};
use crate::audit::filter::FilterText;
use crate::web::Error;
use crate::web::auth::Auditors;
use crate::web::context::Context;
use crate::web::page::attachment;

#[derive(serde::Deserialize)]
pub struct Options {
    #[serde(default)]
    format: String,
}

pub async fn download(
    context: Context<Auditors>,
    options: Query<Options>,
    text: Query<FilterText>,
) -> Result<HttpResponse, Error> {
    let format = options.format.parse::<Format>();
    let format = format.map_err(|()| Error::Invalid("Set format to csv, jsonl or xlsx.".into()))?;
    let slot = context.response_slot(ResponseKind::Export).await?;
    let Context { viewer, site, db, origin, .. } = &context;
    let (filter, filter_json) = download_filter(text.into_inner(), site)?;
    let (by, origin, access) = (viewer.actor().into(), origin.clone(), Some(context.access().export_check(slot)));
    let export = Export { filter, format, zone: site.time_zone, filter_json, by, origin, access };
    let (bytes, _) = export.begin(db.get_ref().clone(), &site.exports).await.map_err(|error| match error {
        ExportError::Busy => Error::Unavailable(error.to_string()),
        ExportError::Db(error) => error.into(),
    })?;
    let name = format!("access-log-{}.{}", site.today(), format.as_str());
    Ok(attachment(&name, format.content_type(), format == Format::Xlsx, bytes))
}
