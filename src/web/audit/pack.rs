//! `GET /audit/pack`: events with what proves them, and the BOLs that they name, as a ZIP.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};

use super::filter::LogFilter;
use super::proof::unprovable;
use crate::accounts::Role;
use crate::audit::export::ExportError;
use crate::audit_pack::{Pack, PackError};
use crate::db::Database;
use crate::documents::fetcher::Courier;
use crate::web::auth::{Auditors, Visitor};
use crate::web::page::attachment;
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(serde::Deserialize)]
pub struct Wish {
    /// With the PDFs.
    #[serde(default)]
    pdfs: String,
}

pub async fn download(
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    wish: Query<Wish>,
    asked: Query<LogFilter>,
) -> Result<HttpResponse, Error> {
    let with_pdfs = match wish.pdfs.as_str() {
        "" | "0" => false,
        "1" if visitor.role == Role::Admin => true,
        "1" => return Err(Error::Forbidden),
        _ => return Err(Error::Invalid("pdfs is 1 or 0.".into())),
    };
    let (filter, told) = asked.into_inner().whole(&site)?;
    let courier = Courier {
        db: db.get_ref().clone(),
        storage: site.storage.clone(),
        spool: site.spool.clone(),
        viewer: visitor.viewer.clone(),
        origin: origin.0.clone(),
    };
    let pack = Pack { courier, keys: site.seals.clone(), filter, told, with_pdfs };
    let bytes = pack.begin(&site.exports).await.map_err(|error| match error {
        PackError::Nothing => Error::Invalid(
            "No event matches that has its seal already. Check the customer's code and the dates, or try again in some seconds."
                .into(),
        ),
        PackError::TooMany => Error::Invalid(format!("{error}. Choose a shorter range of dates, or leave out the PDFs.")),
        PackError::Span(error) => unprovable(error),
        PackError::Export(ExportError::Busy) => Error::Unavailable(error.to_string()),
        PackError::Export(ExportError::Db(error)) => error.into(),
    })?;
    let today = site.clock.now().with_timezone(&site.time_zone).format("%Y-%m-%d");
    Ok(attachment(&format!("access-log-pack-{today}.zip"), "application/zip", true, bytes))
}
