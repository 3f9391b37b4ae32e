//! Voiding a BOL and entering its official weight: a page and a form each.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Path};
use askama::Template;

use crate::bols::weight::Pounds;
use crate::bols::{Bol, BolNumber, choices};
use crate::field_errors::FieldErrors;
use crate::issuing::{IssueError, Warning};
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{bol as flash, see_other};
use crate::web::form_field::FormField;
use crate::web::page::{Layout, html, html_with_status, non_empty};
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "office/void.html")]
struct VoidPage {
    layout: Layout,
    bol: Summary,
    reason: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "office/weight.html")]
struct WeightPage {
    layout: Layout,
    bol: Summary,
    official_weight_lb: String,
    errors: FieldErrors,
    /// A doubtful weight, to be confirmed.
    warning: Option<Warning>,
}

/// The part of the BOL that tells the user that it is the right one.
struct Summary {
    number: String,
    customer: Option<String>,
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
            customer: non_empty(bol.customer_name.clone()),
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
    /// The code of the warning that was confirmed.
    confirm: String,
}

pub async fn void_page(context: Context<OfficeStaff>, number: Path<String>) -> Result<HttpResponse, Error> {
    let bol = Summary::new(&find(&context, &parsed(&number)?).await?);
    Ok(html(&VoidPage { layout: context.layout("/bols"), bol, reason: String::new(), errors: FieldErrors::default() }))
}

/// `POST /office/bols/{number}/void`
pub async fn void(
    context: Context<OfficeStaff>,
    number: Path<String>,
    form: Form<Void>,
) -> Result<HttpResponse, Error> {
    let number = parsed(&number)?;
    let issuer = context.issuer();
    let Err(error) = context.change(issuer.void(&number, &form.reason, None)).await else {
        return Ok(see_other(&format!("/bols/{number}"), Some(flash::VOIDED)));
    };
    let (status, errors) = beside_field("reason", error)?;
    let bol = Summary::new(&find(&context, &number).await?);
    let layout = refused(context.layout("/bols"), &bol, &errors);
    let page = VoidPage { layout, bol, reason: form.into_inner().reason, errors };
    Ok(html_with_status(&page, status))
}

pub async fn weight_page(context: Context<OfficeStaff>, number: Path<String>) -> Result<HttpResponse, Error> {
    let bol = find(&context, &parsed(&number)?).await?;
    let official_weight_lb = bol.official_weight_lb.map(|lb| Pounds(lb).to_string()).unwrap_or_default();
    let (layout, bol) = (context.layout("/bols"), Summary::new(&bol));
    Ok(html(&WeightPage { layout, bol, official_weight_lb, errors: FieldErrors::default(), warning: None }))
}

/// `POST /office/bols/{number}/weight`
pub async fn weigh(
    context: Context<OfficeStaff>,
    number: Path<String>,
    form: Form<Weight>,
) -> Result<HttpResponse, Error> {
    let number = parsed(&number)?;
    let Form(Weight { official_weight_lb, confirm }) = form;
    let issuer = context.issuer();
    let Err(error) = context.change(issuer.weigh(&number, &official_weight_lb, &confirm, None)).await else {
        return Ok(see_other(&format!("/bols/{number}"), Some(flash::WEIGHED)));
    };
    let (status, errors, warning) = match error {
        IssueError::Unconfirmed(warnings) => {
            (StatusCode::UNPROCESSABLE_ENTITY, FieldErrors::default(), warnings.into_iter().next())
        }
        error => {
            let (status, errors) = beside_field("official_weight_lb", error)?;
            (status, errors, None)
        }
    };
    let bol = Summary::new(&find(&context, &number).await?);
    let layout = refused(context.layout("/bols"), &bol, &errors);
    Ok(html_with_status(&WeightPage { layout, bol, official_weight_lb, errors, warning }, status))
}

fn parsed(number: &str) -> Result<BolNumber, Error> {
    number.parse().map_err(|_| Error::NotFound)
}

async fn find(context: &Context<OfficeStaff>, number: &BolNumber) -> Result<Bol, Error> {
    choices::bol(&context.db, number).await?.ok_or(Error::NotFound)
}

/// Says why nothing was changed. The page of a void BOL has no form to lead to.
fn refused(layout: Layout, bol: &Summary, errors: &FieldErrors) -> Layout {
    match errors.iter().next() {
        Some(error) if bol.is_void => layout.problem(Problem::new(format!("Nothing was changed. {}", error.message))),
        _ => layout.not_saved(errors, str::to_owned),
    }
}

/// Returns the status, and the message beside the page's one field. Failures that the page can't explain stay errors.
fn beside_field(field: &'static str, error: IssueError) -> Result<(StatusCode, FieldErrors), Error> {
    match error {
        IssueError::Invalid(errors) => Ok((StatusCode::UNPROCESSABLE_ENTITY, errors)),
        IssueError::Refused(why) => Ok((StatusCode::CONFLICT, FieldErrors::one(field, why))),
        IssueError::Storage(cause) => {
            tracing::warn!(%cause, "can't store the stamped copy");
            let message = "The stamped copy could not be stored, so nothing was changed. Try again in a minute.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, FieldErrors::one(field, message)))
        }
        IssueError::Db(cause) if cause.is_unreachable() => {
            tracing::warn!(%cause, "can't stamp a BOL");
            // A COMMIT whose answer is missing may have succeeded.
            let message = "The database is busy or can't be reached. In a minute, look whether the BOL has changed, and try again.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, FieldErrors::one(field, message)))
        }
        error => Err(error.into()),
    }
}
