//! Voiding a BOL and entering its official weight: a page and a form each.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::bols::weight::Pounds;
use crate::bols::{Bol, BolNumber, choices};
use crate::db::Database;
use crate::issuing::IssueError;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::page::{Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/void.html")]
struct VoidPage {
    layout: Layout,
    bol: Summary,
    reason: String,
    error: String,
}

#[derive(Template, WebTemplate)]
#[template(path = "office/weight.html")]
struct WeightPage {
    layout: Layout,
    bol: Summary,
    official_weight_lb: String,
    error: String,
}

/// The part of the BOL that tells the user that it is the right one.
struct Summary {
    number: String,
    customer: String,
    product: String,
    net_lb: String,
    net_tons: String,
    is_void: bool,
}

impl Summary {
    fn new(bol: &Bol) -> Self {
        let net = Pounds(bol.net_lb);
        Self {
            number: bol.number.clone(),
            customer: bol.customer_name.clone(),
            product: bol.product.clone(),
            net_lb: net.to_string(),
            net_tons: net.short_tons(),
            is_void: bol.voided_at.is_some(),
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Void {
    reason: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Weight {
    official_weight_lb: String,
}

pub async fn void_page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    number: Path<String>,
) -> Result<HttpResponse, Error> {
    let bol = find(&db, &parsed(&number)?).await?;
    let layout = Layout::new(&site, Some(&visitor), "/bols");
    let page = VoidPage { layout, bol: Summary::new(&bol), reason: String::new(), error: String::new() };
    Ok(page.respond_to(&request))
}

/// `POST /office/bols/{number}/void`
pub async fn void(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    number: Path<String>,
    form: Form<Void>,
) -> Result<HttpResponse, Error> {
    let number = parsed(&number)?;
    let error = match site.issuer(&db, &visitor, &origin.0).void(&number, &form.reason).await {
        Ok(()) => return Ok(done(&number, "void")),
        Err(error) => error,
    };
    let (status, error) = beside_field(error)?;
    let bol = Summary::new(&find(&db, &number).await?);
    let layout = Layout::new(&site, Some(&visitor), "/bols");
    let page = VoidPage { layout, bol, reason: form.into_inner().reason, error };
    Ok(with_status(page.respond_to(&request), status))
}

pub async fn weight_page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    number: Path<String>,
) -> Result<HttpResponse, Error> {
    let bol = find(&db, &parsed(&number)?).await?;
    let official_weight_lb = bol.official_weight_lb.map(|lb| Pounds(lb).to_string()).unwrap_or_default();
    let layout = Layout::new(&site, Some(&visitor), "/bols");
    let page = WeightPage { layout, bol: Summary::new(&bol), official_weight_lb, error: String::new() };
    Ok(page.respond_to(&request))
}

/// `POST /office/bols/{number}/weight`
pub async fn weigh(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    number: Path<String>,
    form: Form<Weight>,
) -> Result<HttpResponse, Error> {
    let number = parsed(&number)?;
    let error = match site.issuer(&db, &visitor, &origin.0).weigh(&number, &form.official_weight_lb).await {
        Ok(()) => return Ok(done(&number, "weight")),
        Err(error) => error,
    };
    let (status, error) = beside_field(error)?;
    let bol = Summary::new(&find(&db, &number).await?);
    let layout = Layout::new(&site, Some(&visitor), "/bols");
    let page = WeightPage { layout, bol, official_weight_lb: form.into_inner().official_weight_lb, error };
    Ok(with_status(page.respond_to(&request), status))
}

fn parsed(number: &str) -> Result<BolNumber, Error> {
    number.parse().map_err(|_| Error::NotFound)
}

async fn find(db: &Database, number: &BolNumber) -> Result<Bol, Error> {
    choices::bol(db, number).await?.ok_or(Error::NotFound)
}

fn done(number: &BolNumber, what: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/bols/{number}?done={what}"))).finish()
}

/// Returns the status, and the message beside the page's one field. Failures that the page can't explain stay errors.
fn beside_field(error: IssueError) -> Result<(StatusCode, String), Error> {
    match error {
        IssueError::Invalid(problems) => {
            let messages: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            Ok((StatusCode::UNPROCESSABLE_ENTITY, messages.join(" ")))
        }
        IssueError::Refused(why) => Ok((StatusCode::CONFLICT, why.into())),
        IssueError::Storage(cause) => {
            tracing::warn!(%cause, "the stamped copy could not be stored");
            Ok((
                StatusCode::SERVICE_UNAVAILABLE,
                "The stamped copy could not be stored, so nothing was changed. Try again in a minute.".into(),
            ))
        }
        IssueError::Db(cause) if cause.is_unreachable() => {
            tracing::warn!(%cause, "nothing was stamped");
            Ok((
                StatusCode::SERVICE_UNAVAILABLE,
                "The database is busy or away, so nothing was changed. Try again in a minute.".into(),
            ))
        }
        error => Err(error.into()),
    }
}
