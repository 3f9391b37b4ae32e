//! `GET /bols/download.zip`: the PDFs of the BOLs that the list shows with these filters, or of those named by
//! `number`. `documents` chooses which of them.

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};

use crate::accounts::response_slots::ResponseKind;
use crate::documents::Kind;
use crate::documents::zip::{BolZip, DocumentChoice, MAX_BOLS};
use crate::web::Error;
use crate::web::auth::{DocumentReaders, DocumentsRead, Scoped};
use crate::web::context::Context;
use crate::web::page::attachment;
use crate::web::selection::{Selected, SelectionForm};

#[derive(serde::Deserialize)]
pub struct Options {
    /// `all`, or the name of a kind. Blank: the kind that the list shows, or else the BOL itself.
    #[serde(default)]
    documents: String,
}

pub async fn download(
    request: HttpRequest,
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    options: Query<Options>,
) -> Result<HttpResponse, Error> {
    let form = SelectionForm::parse(request.query_string());
    let chosen = options.documents.trim();
    let documents = match chosen {
        "" => DocumentChoice::Kind(form.kind(&context.site).unwrap_or(Kind::Bol)),
        name => DocumentChoice::parse(name)
            .ok_or_else(|| Error::Invalid("Choose a kind of document from the list, or all.".into()))?,
    };
    let slot = context.response_slot(ResponseKind::Zip).await?;
    let selection = match form.resolve(&context, Some(MAX_BOLS)).await? {
        Selected::Bols(selection, _) => selection,
        Selected::Refused(response) => return Ok(response),
    };
    let zip = BolZip { fetcher: context.document_fetcher(), documents, lists_missing: !chosen.is_empty() };
    let bytes = zip.stream(selection, slot).map_err(|busy| Error::Unavailable(busy.to_string()))?;
    Ok(attachment(&format!("bols-{}.zip", context.site.today()), "application/zip", true, bytes))
}
