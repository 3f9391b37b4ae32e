//! What the office does with BOLs: issue, void and weigh them.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::request;
use super::types::{IdempotencyKey, IssuedBol, NewBol, VoidRequest, VoidedBol, WeighedBol, WeightRequest, non_blank};
use crate::bols::weight::Variance;
use crate::bols::{Bol, BolNumber, choices};
use crate::issuing::RequestKey;
use crate::web::Error;
use crate::web::auth::{Audience, BolsIssue, OfficeStaff, Scoped};
use crate::web::context::Context;

/// Issue a bill of lading.
///
/// It gets the next number, and its PDF is stored. Nothing is issued on any other answer than 200 and 201.
#[utoipa::path(
    post,
    path = "/api/v1/bols",
    operation_id = "issue_bol",
    tag = "Bills of lading",
    params(IdempotencyKey),
    request_body = NewBol,
    responses(
        (status = 201, description = "The BOL is issued.", body = IssuedBol, headers(("Location" = String, description = "Its address in this API."))),
        (status = 200, description = "An earlier request with this key has issued it.", body = IssuedBol, headers(("Location" = String, description = "Its address in this API."))),
        (status = 409, description = "The key was used for another request."),
    ),
    security(("token" = ["bols:issue"]), ("session" = []))
)]
pub async fn issue(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, BolsIssue>>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let fields: Map<String, Value> = request::json(&body)?;
    let draft = request::draft(&fields).map_err(Error::Fields)?;
    let issued = context.issuer().issue(&draft, &request::key(&request)?).await?;
    let origin = context.site.public_url.origin();
    let (url, page_url) =
        (format!("{origin}/api/v1/bols/{}", issued.number), format!("{origin}/bols/{}", issued.number));
    let status = if issued.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok(HttpResponse::build(status).insert_header((LOCATION, url.as_str())).json(IssuedBol {
        id: issued.id,
        number: issued.number,
        url,
        page_url,
    }))
}

/// Void a bill of lading.
///
/// The stamped copy becomes the next version of its PDF. A void BOL stays void, and its number is never used again.
#[utoipa::path(
    post,
    path = "/api/v1/bols/{number}/void",
    operation_id = "void_bol",
    tag = "Bills of lading",
    params(("number" = String, Path, description = "The number of the BOL."), IdempotencyKey),
    request_body = VoidRequest,
    responses(
        (status = 200, description = "The BOL is void.", body = VoidedBol),
        (status = 409, description = "It is void already, or the key was used for another request."),
    ),
    security(("token" = ["bols:issue"]), ("session" = []))
)]
pub async fn void(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, BolsIssue>>,
    number: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let VoidRequest { reason } = request::json(&body)?;
    let key = request::given_key(&request)?;
    let key = key.as_deref().map(|key| RequestKey::of_operation(key, "void", &[number.as_str(), &reason]));
    context.issuer().void(&number, &reason.replace('\0', ""), key).await?;
    let bol = find(&context, &number).await?;
    let voided_at = bol.voided_at.ok_or_else(|| Error::Internal(format!("{number} is not void")))?;
    Ok(HttpResponse::Ok().json(VoidedBol {
        voided_at,
        voided_by: non_blank(&bol.voided_by),
        reason: non_blank(&bol.void_reason),
        number: bol.number,
    }))
}

/// Enter the official weight.
///
/// The certified weight in pounds. The stamped copy becomes the next version of the PDF. A weight that is more than 5 %
/// off the shipped one answers 422 with a warning to confirm.
#[utoipa::path(
    post,
    path = "/api/v1/bols/{number}/weight",
    operation_id = "weigh_bol",
    tag = "Bills of lading",
    params(("number" = String, Path, description = "The number of the BOL."), IdempotencyKey),
    request_body = WeightRequest,
    responses(
        (status = 200, description = "The weight is entered.", body = WeighedBol),
        (status = 409, description = "The BOL is void, or the key was used for another request."),
    ),
    security(("token" = ["bols:issue"]), ("session" = []))
)]
pub async fn weigh(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, BolsIssue>>,
    number: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let WeightRequest { official_weight_lb, confirm } = request::json(&body)?;
    let pounds = official_weight_lb.to_string();
    let key = request::given_key(&request)?;
    let key = key.as_deref().map(|key| RequestKey::of_operation(key, "weigh", &[number.as_str(), &pounds]));
    context.issuer().weigh(&number, &pounds, &confirm.join(","), key).await?;
    let net_lb = find(&context, &number).await?.net_lb;
    let variance_percent = Variance::new(official_weight_lb, net_lb).percent();
    let number = number.to_string();
    Ok(HttpResponse::Ok().json(WeighedBol { number, official_weight_lb, net_lb, variance_percent }))
}

async fn find<A: Audience>(context: &Context<A>, number: &BolNumber) -> Result<Bol, Error> {
    choices::bol(&context.db, number).await?.ok_or(Error::NotFound)
}
