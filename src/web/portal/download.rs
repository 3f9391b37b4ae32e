//! The way to a document: on record first, then a redirect to the short-lived link.

use actix_web::HttpResponse;
use actix_web::http::header::{LOCATION, REFERRER_POLICY};
use actix_web::web::{Data, Path, Query};

use crate::bols::BolNumber;
use crate::db::Database;
use crate::documents::{DocumentRef, LinkIssuer, Purpose};
use crate::web::auth::{DocumentReaders, Visitor};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(serde::Deserialize)]
pub struct Show {
    #[serde(default)]
    inline: String,
}

impl Show {
    fn purpose(&self) -> Purpose {
        if self.inline == "1" { Purpose::Preview } else { Purpose::Download }
    }
}

/// `GET /bols/{number}/download`: the current PDF of the BOL.
pub async fn bol(
    visitor: Visitor<DocumentReaders>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    number: Path<String>,
    show: Query<Show>,
) -> Result<HttpResponse, Error> {
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    redirect(&visitor, &site, &db, &origin, DocumentRef::BolNumber(number.as_str()), show.purpose()).await
}

/// `GET /documents/{id}/download`: any version of any document.
pub async fn document(
    visitor: Visitor<DocumentReaders>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
    show: Query<Show>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    redirect(&visitor, &site, &db, &origin, DocumentRef::Document(id), show.purpose()).await
}

async fn redirect(
    visitor: &Visitor<DocumentReaders>,
    site: &Site,
    db: &Database,
    origin: &Origin,
    document: DocumentRef<'_>,
    purpose: Purpose,
) -> Result<HttpResponse, Error> {
    let issuer = LinkIssuer { db, storage: &site.storage, clock: &site.clock, life: site.link_life };
    let issued = issuer.issue(&visitor.scope(), visitor.actor(), &origin.0, document, purpose).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, issued.url.as_str()))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .finish())
}
