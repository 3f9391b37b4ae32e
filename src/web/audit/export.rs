//! `GET /audit/export`: the filtered log as a file.

use actix_web::HttpResponse;
use actix_web::web::Query;

use super::{Search, log_page, read_filter};
use crate::accounts::response_slots::ResponseKind;
use crate::audit::export::{Export, ExportError, Format};
use crate::audit::filter::FilterText;
use crate::web::Error;
use crate::web::auth::{Auditors, LogRead, Scoped};
use crate::web::context::Context;
use crate::web::page::attachment;

#[derive(serde::Deserialize)]
pub struct Options {
    #[serde(default)]
    format: String,
}

pub async fn download(
    context: Context<Scoped<Auditors, LogRead>>,
    options: Query<Options>,
    text: Query<FilterText>,
) -> Result<HttpResponse, Error> {
    let format = options.format.parse::<Format>();
    let format = format.map_err(|()| Error::Invalid("Set format to csv, jsonl or xlsx.".into()))?;
    let (is_program, context) = (context.viewer.token().is_some(), context.admitted());
    let Context { viewer, site, db, origin, .. } = &context;
    // An export has all pages.
    let text = FilterText { after: String::new(), ..text.into_inner() };
    let read = {
        let mut connection = db.get().await?;
        match read_filter(&mut connection, site, &text).await? {
            Ok(search) => search,
            Err(errors) if is_program => return Err(Error::Invalid(errors.summary())),
            Err(errors) => return log_page::refuse(&context, &mut connection, text, errors).await,
        }
    };
    let (Search { filter, .. }, filter_json) = (read, text.to_json());
    let slot = context.response_slot(ResponseKind::Export).await?;
    let (by, origin, access) = (viewer.actor().into(), origin.clone(), Some(context.access().export_check(slot)));
    let export = Export { filter, format, zone: site.time_zone, filter_json, by, origin, access };
    let (bytes, _) = export.begin(db.get_ref().clone(), &site.exports).await.map_err(|error| match error {
        ExportError::Busy => Error::Unavailable(error.to_string()),
        ExportError::Db(error) => error.into(),
    })?;
    let name = format!("access-log-{}.{}", site.today(), format.as_str());
    Ok(attachment(&name, format.content_type(), format == Format::Xlsx, bytes))
}
