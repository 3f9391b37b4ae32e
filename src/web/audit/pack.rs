//! `GET /audit/pack`: a ZIP of events with their proof, and of the BOLs that they name.

use actix_web::HttpResponse;
use actix_web::web::Query;

use super::{Search, log_page, read_filter, unprovable};
use crate::accounts::response_slots::ResponseKind;
use crate::audit::export::ExportError;
use crate::audit::filter::FilterText;
use crate::audit_pack::{Pack, PackError};
use crate::web::Error;
use crate::web::auth::Auditors;
use crate::web::context::Context;
use crate::web::page::attachment;

#[derive(serde::Deserialize)]
pub struct Options {
    /// `1` adds the PDFs, which only an administrator may download.
    #[serde(default)]
    pdfs: String,
}

pub async fn download(
    context: Context<Auditors>,
    options: Query<Options>,
    text: Query<FilterText>,
) -> Result<HttpResponse, Error> {
    let with_pdfs = match options.pdfs.as_str() {
        "" | "0" => false,
        "1" if context.viewer.can_pack_documents() => true,
        "1" => return Err(Error::Forbidden),
        _ => return Err(Error::Invalid("Set pdfs to 1 or 0.".into())),
    };
    let site = &context.site;
    if with_pdfs && !context.viewer.has_fresh_proof(site.clock.now()) {
        return Err(Error::ProofRequired);
    }
    // A pack has all pages.
    let text = FilterText { after: String::new(), ..text.into_inner() };
    let read = {
        let mut connection = context.db.get().await?;
        match read_filter(&mut connection, site, &text).await? {
            Ok(search) => search,
            Err(errors) => return log_page::refuse(&context, &mut connection, text, errors).await,
        }
    };
    let (Search { filter, .. }, filter_json) = (read, text.to_json());
    let slot = context.response_slot(ResponseKind::Export).await?;
    let pack = Pack { fetcher: context.document_fetcher(), keys: site.seals.clone(), filter, filter_json, with_pdfs };
    let bytes = pack.begin(&site.exports, slot).await.map_err(pack_error)?;
    Ok(attachment(&format!("access-log-pack-{}.zip", site.today()), "application/zip", true, bytes))
}

fn pack_error(error: PackError) -> Error {
    match error {
        PackError::Nothing => Error::Invalid(
            "No sealed event matches. Check the customer's code and the dates, or try again in a few seconds.".into(),
        ),
        PackError::TooMany => {
            Error::Invalid(format!("{error}. Choose a shorter range of dates, or leave out the PDFs."))
        }
        PackError::Proof(error) => unprovable(error),
        PackError::Export(ExportError::Busy) => Error::Unavailable(error.to_string()),
        PackError::Export(ExportError::Db(error)) => error.into(),
    }
}
