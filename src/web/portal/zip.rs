//! `GET /bols/download.zip`: the PDFs of the BOLs that the list shows with these filters, or of those named by
//! `number`.

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use crate::accounts::response_slots::ResponseKind;
use crate::bols::search;
use crate::documents::zip::{BolZip, MAX_BOLS, MAX_NUMBERS, Selection};
use crate::web::Error;
use crate::web::auth::DocumentReaders;
use crate::web::context::Context;
use crate::web::forms::BolFilter;
use crate::web::page::attachment;

pub async fn download(
    request: HttpRequest,
    context: Context<DocumentReaders>,
    filter: Query<BolFilter>,
) -> Result<HttpResponse, Error> {
    let numbers: Vec<String> = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name == "number")
        .map(|(_, number)| number.trim().to_uppercase())
        .collect();
    let slot = context.response_slot(ResponseKind::Zip).await?;
    let zip = BolZip(context.document_fetcher());
    let selection = if numbers.is_empty() {
        let filter = BolFilter { after: String::new(), before: String::new(), ..filter.into_inner() };
        let (search, errors) = filter.resolve(&context).await?;
        if !errors.is_empty() {
            return Err(Error::Invalid(errors.summary()));
        }
        match search::search(&context.db, &context.viewer.scope(), &search).await?.count {
            0 => return Err(Error::Invalid("No bill of lading matches; there is nothing to download.".into())),
            count if count > MAX_BOLS as i64 => {
                return Err(Error::Invalid(format!(
                    "More than {MAX_BOLS} bills of lading match. Choose a shorter range of dates, then download the rest separately."
                )));
            }
            _ => Selection::Matching(Box::new(search)),
        }
    } else if numbers.len() > MAX_NUMBERS {
        return Err(Error::Invalid(format!("Name up to {MAX_NUMBERS} bills of lading.")));
    } else {
        Selection::These(zip.find(&numbers).await?.ok_or(Error::NotFound)?)
    };
    let bytes = zip.stream(selection, slot).map_err(|busy| Error::Unavailable(busy.to_string()))?;
    Ok(attachment(&format!("bols-{}.zip", context.site.today()), "application/zip", true, bytes))
}
