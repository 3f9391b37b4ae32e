//! The same for customers' systems: JSON, and problems as `application/problem+json` (RFC 9457).

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde_json::json;

use super::auth::{Listers, Readers, Visitor};
use super::forms::{BolFilter, encode};
use super::request::Origin;
use super::{Error, Site};
use crate::audit::Asked;
use crate::bols::search::{self, Row};
use crate::bols::weight::Pounds;
use crate::db::Database;
use crate::documents::{Desk, Purpose};

/// `GET /api/bols`: the list with the filters of the page. `next` goes into `after` for the next page.
pub async fn bols(
    visitor: Visitor<Listers>,
    db: Data<Database>,
    filter: Query<BolFilter>,
) -> Result<HttpResponse, Error> {
    let (search, errors) = filter.parse();
    if errors.any() {
        return Err(Error::Invalid(errors.summary()));
    }
    let found = search::search(&db, &visitor.reach(), &search).await?;
    let bols: Vec<_> = found.rows.iter().map(|(row, is_new)| bol(row, *is_new)).collect();
    Ok(HttpResponse::Ok().json(json!({"bols": bols, "next": found.next.as_ref().map(encode)})))
}

fn bol(row: &Row, is_new: bool) -> serde_json::Value {
    json!({
        "id": row.id,
        "number": row.number,
        "date": row.bol_date,
        "customer": row.customer_name,
        "product": row.product,
        "lot": row.lot,
        "customerPo": row.customer_po,
        "releaseNumber": row.release_number,
        "carrier": row.carrier,
        "truckNumber": row.truck_number,
        "trailerNumber": row.trailer_number,
        "shipTo": row.ship_to,
        "netLb": row.net_lb,
        "netTons": Pounds(row.net_lb).short_tons().replace(',', ""),
        "status": if row.voided_at.is_some() { "void" } else { "issued" },
        "documentKinds": row.document_kinds,
        "new": is_new,
    })
}

/// `GET /api/bol/{id}/download/`: a link to the current PDF, on record first.
pub async fn download(
    visitor: Visitor<Readers>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let desk = Desk { db: &db, storage: &site.storage, clock: &site.clock, life: site.link_life };
    let asked = Asked::BolId(id);
    let issued = desk.issue(&visitor.reach(), visitor.actor(), &origin.0, asked, Purpose::Download).await?;
    Ok(HttpResponse::Ok().json(json!({
        "downloadUrl": issued.url.as_str(),
        "expiresIn": issued.life.as_secs(),
        "bolNumber": issued.bol_number,
        "fileName": issued.file_name,
    })))
}
