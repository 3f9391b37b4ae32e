//! Redirects to a document's short-lived link. The access log records the link first.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, REFERRER_POLICY};
use actix_web::web::{Path, Query};

use crate::bols::BolNumber;
use crate::documents::{DocumentRef, Purpose};
use crate::web::Error;
use crate::web::auth::{DocumentReaders, DocumentsRead, Scoped};
use crate::web::context::Context;
use crate::web::flash::see_other;

#[derive(serde::Deserialize)]
pub struct Show {
    /// `1`: shown in the browser instead of saved.
    #[serde(default)]
    inline: String,
    /// The kind of document; blank for the BOL itself.
    #[serde(default)]
    kind: String,
}

impl Show {
    fn purpose(&self) -> Purpose {
        if self.inline == "1" { Purpose::Preview } else { Purpose::Download }
    }
}

/// `GET /bols/{number}/download`: the current PDF of the BOL, or the current document of another `kind`.
pub async fn bol(
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    number: Path<String>,
    show: Query<Show>,
) -> Result<HttpResponse, Error> {
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let number = number.as_str();
    let document = match show.kind.trim() {
        "" => DocumentRef::BolNumber(number),
        kind => DocumentRef::Current { number, kind: kind.parse().map_err(|_| Error::NotFound)? },
    };
    redirect(&context, document, show.purpose()).await
}

/// `GET /documents/{id}/download`: any version of any document.
pub async fn document(
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    id: Path<i64>,
    show: Query<Show>,
) -> Result<HttpResponse, Error> {
    redirect(&context, DocumentRef::Document(*id), show.purpose()).await
}

async fn redirect(
    context: &Context<Scoped<DocumentReaders, DocumentsRead>>,
    document: DocumentRef<'_>,
    purpose: Purpose,
) -> Result<HttpResponse, Error> {
    let Context { viewer, origin, .. } = context;
    let issued = context.link_issuer().issue(&viewer.scope(), viewer.actor(), origin, document, purpose).await?;
    let mut response = see_other(issued.url.as_str(), None);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
