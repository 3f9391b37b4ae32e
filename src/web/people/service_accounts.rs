//! `/people/service-accounts`: a customer's administrators manage the service accounts of their company.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use crate::accounts::Company;
use crate::web::Error;
use crate::web::auth::{Audience, CompanyAdmins, Fresh};
use crate::web::context::Context;
use crate::web::flash::Done;
use crate::web::forms::{Choice, Fields};
use crate::web::service_pages::{self, Place};
use crate::web::token_pages;

fn place<A: Audience>(context: &Context<A>) -> Place {
    let choice =
        |company: &Company| Choice { value: company.code.clone(), label: company.name.clone(), selected: false };
    let companies = context.viewer.administered().map(choice).collect();
    Place { base: "/people/service-accounts", back: ("/people", "People"), users: "/people", companies }
}

/// `GET /people/service-accounts`
pub async fn page(context: Context<CompanyAdmins>) -> Result<HttpResponse, Error> {
    service_pages::show(&context, place(&context)).await
}

/// `POST /people/service-accounts`
pub async fn add(context: Context<Fresh<CompanyAdmins>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    service_pages::add(&context, place(&context), &fields).await
}

/// `GET /people/service-accounts/{id}/tokens`
pub async fn tokens(context: Context<CompanyAdmins>, id: Path<i64>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let owner = token_pages::owner(&context, *id).await?;
    token_pages::show(&context, service_pages::tokens_of(&place(&context), *id), &owner, &done).await
}

/// `POST /people/service-accounts/{id}/tokens`
pub async fn make(
    context: Context<Fresh<CompanyAdmins>>,
    id: Path<i64>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let owner = token_pages::owner(&context, *id).await?;
    token_pages::make(&context, service_pages::tokens_of(&place(&context), *id), &owner, &fields).await
}

/// `GET /people/service-accounts/{id}/tokens/{token}/revoke`: asks.
pub async fn ask_revoke(context: Context<CompanyAdmins>, path: Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (id, token) = path.into_inner();
    let owner = token_pages::owner(&context, id).await?;
    token_pages::ask_revoke(&context, service_pages::tokens_of(&place(&context), id), &owner, token).await
}

/// `POST /people/service-accounts/{id}/tokens/{token}/revoke`
pub async fn revoke(context: Context<CompanyAdmins>, path: Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (id, token) = path.into_inner();
    let owner = token_pages::owner(&context, id).await?;
    token_pages::revoke(&context, service_pages::tokens_of(&place(&context), id), &owner, token).await
}
