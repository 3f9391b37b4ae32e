//! `GET /bols/download.zip`: the PDFs of the BOLs that the list shows with these filters, or of those with a `number` each.

use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded;

use crate::bols::search;
use crate::db::Database;
use crate::documents::fetcher::DocumentFetcher;
use crate::documents::zip::{BolZip, MAX_BOLS, MAX_NUMBERS, Selection};
use crate::web::auth::{DocumentReaders, Visitor};
use crate::web::forms::BolFilter;
use crate::web::page::attachment;
use crate::web::request::Origin;
use crate::web::{Error, Site};

pub async fn download(
    request: HttpRequest,
    visitor: Visitor<DocumentReaders>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    filter: Query<BolFilter>,
) -> Result<HttpResponse, Error> {
    let numbers: Vec<String> = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name == "number")
        .map(|(_, number)| number.trim().to_uppercase())
        .collect();
    let zip = BolZip(DocumentFetcher {
        db: db.get_ref().clone(),
        storage: site.storage.clone(),
        spool: site.spool.clone(),
        viewer: visitor.viewer.clone(),
        origin: origin.0.clone(),
    });
    let selection = if numbers.is_empty() {
        let filter = BolFilter { after: String::new(), ..filter.into_inner() };
        let (search, errors) = filter.resolve(&db, &visitor).await?;
        if errors.any() {
            return Err(Error::Invalid(errors.summary()));
        }
        match search::search(&db, &visitor.scope(), &search).await?.count {
            0 => return Err(Error::Invalid("No bill of lading matches; there is nothing to download.".into())),
            count if count > MAX_BOLS as i64 => {
                return Err(Error::Invalid(format!(
                    "More than {MAX_BOLS} bills of lading match. Choose a shorter range of dates, and download the others after them."
                )));
            }
            _ => Selection::Matching(Box::new(search)),
        }
    } else if numbers.len() > MAX_NUMBERS || numbers.iter().any(|number| number.contains(['\0', '%'])) {
        return Err(Error::Invalid(format!("Name up to {MAX_NUMBERS} bills of lading.")));
    } else {
        Selection::These(zip.find(&numbers).await?.ok_or(Error::NotFound)?)
    };
    let bytes = zip.stream(selection).map_err(|busy| Error::Unavailable(busy.to_string()))?;
    let today = site.clock.now().with_timezone(&site.time_zone).format("%Y-%m-%d");
    Ok(attachment(&format!("bols-{today}.zip"), "application/zip", true, bytes))
}
