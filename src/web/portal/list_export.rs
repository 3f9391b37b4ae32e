//! `GET /bols/export`: the list as a file, with the filters of the list or the BOLs named by `number`.

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};

use crate::accounts::response_slots::ResponseKind;
use crate::bols::list_export::{ListExport, ListFormat};
use crate::web::Error;
use crate::web::auth::{BolListViewers, BolsRead, Scoped};
use crate::web::context::Context;
use crate::web::page::attachment;
use crate::web::selection::{Selected, SelectionForm};

#[derive(serde::Deserialize)]
pub struct Options {
    #[serde(default)]
    format: String,
}

pub async fn download(
    request: HttpRequest,
    context: Context<Scoped<BolListViewers, BolsRead>>,
    options: Query<Options>,
) -> Result<HttpResponse, Error> {
    let format = ListFormat::named(&options.format);
    let format = format.ok_or_else(|| Error::Invalid("Set format to csv or xlsx.".into()))?;
    let slot = context.response_slot(ResponseKind::List).await?;
    // Of any length: no file waits for its last row.
    let form = SelectionForm::parse(request.query_string());
    let (selection, total) = match form.resolve(&context, None).await? {
        Selected::Bols(selection, total) => (selection, total),
        Selected::Refused(response) => return Ok(response),
    };
    let (db, origin) = (context.db.get_ref().clone(), context.origin.clone());
    let export = ListExport { db, access: context.access(), origin, format, filter: form.filter_json() };
    let bytes = export.begin(selection, total, slot).await?;
    let name = format!("bols-{}.{}", context.site.today(), format.as_str());
    Ok(attachment(&name, format.content_type(), format == ListFormat::Xlsx, bytes))
}
