//! Other systems: JSON, and problems as `application/problem+json` (RFC 9457).
//!
//! The handlers in this file are those of `/api/bols` and `/api/bol`. The submodules have `/api/v1`, its OpenAPI document
//! and the page about it.

pub mod bols;
mod conditional;
pub mod customers;
pub mod documents;
pub mod inbox;
pub mod log;
pub mod me;
pub mod openapi;
pub mod reference;
mod request;
mod types;
pub mod work;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::json;

use super::Error;
use super::auth::{BolListViewers, BolsIssue, BolsRead, DocumentReaders, DocumentsRead, OfficeStaff, Scoped};
use super::bol_filter::{BolFilter, encode};
use super::context::Context;
use crate::accounts::api_tokens::TokenScope;
use crate::bols::Draft;
use crate::bols::search::{self, BolSummary};
use crate::bols::weight::Pounds;
use crate::documents::{DocumentRef, Purpose};
use crate::field_errors::FieldErrors;
use crate::issuing::{IssueError, Issued};

/// `GET /api/bols`: the list with the filters of the page. The client sends `next` as `after` for the next page.
pub async fn bols(
    context: Context<Scoped<BolListViewers, BolsRead>>,
    filter: Query<BolFilter>,
) -> Result<HttpResponse, Error> {
    let (search, errors) = filter.resolve(&context).await?;
    if !errors.is_empty() {
        return Err(Error::Invalid(errors.summary()));
    }
    let found = search::search_uncounted(&context.db, &context.viewer.scope(), &search).await?;
    let bols = found
        .rows
        .iter()
        .map(|(row, news)| ListedBol::new(row, row.owner(&found.owners, &context.viewer), news.is_some()))
        .collect();
    Ok(HttpResponse::Ok().json(BolPage { bols, next: found.next.as_ref().map(encode) }))
}

#[derive(Serialize)]
struct BolPage<'a> {
    bols: Vec<ListedBol<'a>>,
    next: Option<String>,
}

/// A BOL of the list. It borrows its texts: a page has a thousand of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedBol<'a> {
    id: i64,
    number: &'a str,
    date: NaiveDate,
    customer: Option<&'a str>,
    product: &'a str,
    lot: &'a str,
    customer_po: &'a str,
    release_number: &'a str,
    carrier: &'a str,
    truck_number: &'a str,
    trailer_number: &'a str,
    ship_to: &'a str,
    net_lb: i32,
    net_tons: String,
    status: &'static str,
    document_kinds: &'a [String],
    new: bool,
}

impl<'a> ListedBol<'a> {
    fn new(row: &'a BolSummary, customer: Option<&'a str>, new: bool) -> Self {
        Self {
            id: row.id,
            number: &row.number,
            date: row.bol_date,
            customer,
            product: &row.product,
            lot: &row.lot,
            customer_po: &row.customer_po,
            release_number: &row.release_number,
            carrier: &row.carrier,
            truck_number: &row.truck_number,
            trailer_number: &row.trailer_number,
            ship_to: &row.ship_to,
            net_lb: row.net_lb,
            net_tons: Pounds(row.net_lb).short_tons().replace(',', ""),
            status: if row.voided_at.is_some() { "void" } else { "issued" },
            document_kinds: &row.document_kinds,
            new,
        }
    }
}

/// `GET /api/bol/{id}/download/`: a link to the current PDF. The access log records it first.
pub async fn download(
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    let asked = DocumentRef::BolId(*id);
    let issued = context
        .link_issuer()
        .issue(&context.viewer.scope(), context.viewer.actor(), &context.origin, asked, Purpose::Download)
        .await?;
    Ok(HttpResponse::Ok().json(json!({
        "downloadUrl": issued.url.as_str(),
        "expiresIn": issued.life.as_secs(),
        "bolNumber": issued.bol_number,
        "fileName": issued.file_name,
    })))
}

/// `POST /api/bol/`: issues a BOL, like the office's form. A request with the `Idempotency-Key` and the load of an
/// earlier one returns the BOL of that request. A token that may not read documents gets no link to the PDF.
pub async fn create(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, BolsIssue>>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let draft = match read(&body) {
        Ok(draft) => draft,
        Err(errors) => return Ok(unprocessable("Please correct the BOL", json!({ "errors": errors }))),
    };
    let issued = match context.issuer().issue(&draft, &request::key(&request)?).await {
        Ok(issued) => issued,
        Err(IssueError::Invalid(errors)) => {
            return Ok(unprocessable("Please correct the BOL", json!({ "errors": errors })));
        }
        Err(IssueError::Unconfirmed(warnings)) => {
            let title = "Please check the BOL, and send it again with these codes in confirm";
            return Ok(unprocessable(title, json!({ "warnings": warnings })));
        }
        Err(error) => return Err(error.into()),
    };
    let pdf_url =
        if context.viewer.allows(TokenScope::DocumentsRead) { pdf_url(&context, &issued).await } else { None };
    let url = format!("{}/bols/{}", context.site.public_url.origin(), issued.number);
    let status = if issued.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(HttpResponse::build(status)
        .insert_header((LOCATION, url.as_str()))
        .json(json!({"id": issued.id, "bolNumber": issued.number, "pdf_url": pdf_url, "url": url})))
}

/// The BOL is issued, even if no link to its PDF can be issued right now.
async fn pdf_url(context: &Context<Scoped<OfficeStaff, BolsIssue>>, issued: &Issued) -> Option<String> {
    let Context { viewer, origin, .. } = context;
    let asked = DocumentRef::BolId(issued.id);
    let link = context.link_issuer().issue(&viewer.scope(), viewer.actor(), origin, asked, Purpose::Download).await;
    match link {
        Ok(link) => Some(link.url.into()),
        Err(cause) => {
            tracing::warn!(%cause, number = issued.number, "issued a BOL, but can't issue a link to its PDF");
            None
        }
    }
}

fn read(body: &[u8]) -> Result<Draft, FieldErrors> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(FieldErrors::one("", "The body must be a JSON object with the form's fields."));
    };
    request::draft(&fields)
}

fn unprocessable(title: &str, more: serde_json::Value) -> HttpResponse {
    let mut problem = json!({"type": "about:blank", "title": title, "status": 422, "detail": "Nothing was issued."});
    if let (Some(problem), serde_json::Value::Object(more)) = (problem.as_object_mut(), more) {
        problem.extend(more);
    }
    HttpResponse::UnprocessableEntity().content_type("application/problem+json").body(problem.to_string())
}
