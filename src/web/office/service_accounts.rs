//! `/office/service-accounts`: logins of programs, and their API tokens.
//!
//! The office manages those of customers; an administrator manages those of the terminal too.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use crate::accounts::customers;
use crate::accounts::people::Authority;
use crate::web::Error;
use crate::web::auth::{Audience, Fresh, OfficeStaff};
use crate::web::context::Context;
use crate::web::flash::Done;
use crate::web::forms::{Fields, choices};
use crate::web::service_pages::{self, Place};
use crate::web::token_pages;

async fn place<A: Audience>(context: &Context<A>) -> Result<Place, Error> {
    let all = customers::all(&mut *context.db.get().await?).await?;
    let active = all.into_iter().filter(|customer| customer.active);
    let active = active.map(|customer| (customer.code.clone(), format!("{} ({})", customer.name, customer.code)));
    let is_choice = Authority::of(&context.viewer).roles().len() > 1;
    let none = if is_choice { "None (of the terminal)" } else { "Choose a customer" };
    let companies = choices(none, active, "");
    Ok(Place { base: "/office/service-accounts", back: ("/office/users", "Users"), users: "/office/users", companies })
}

/// `GET /office/service-accounts`
pub async fn page(context: Context<OfficeStaff>) -> Result<HttpResponse, Error> {
    service_pages::show(&context, place(&context).await?).await
}

/// `POST /office/service-accounts`
pub async fn add(context: Context<Fresh<OfficeStaff>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    service_pages::add(&context, place(&context).await?, &fields).await
}

/// `GET /office/service-accounts/{id}/tokens`
pub async fn tokens(context: Context<OfficeStaff>, id: Path<i64>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let (owner, place) = (token_pages::owner(&context, *id).await?, place(&context).await?);
    token_pages::show(&context, service_pages::tokens_of(&place, *id), &owner, &done).await
}

/// `POST /office/service-accounts/{id}/tokens`
pub async fn make(context: Context<Fresh<OfficeStaff>>, id: Path<i64>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let (owner, place) = (token_pages::owner(&context, *id).await?, place(&context).await?);
    token_pages::make(&context, service_pages::tokens_of(&place, *id), &owner, &fields).await
}

/// `GET /office/service-accounts/{id}/tokens/{token}/revoke`: asks.
pub async fn ask_revoke(context: Context<OfficeStaff>, path: Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (id, token) = path.into_inner();
    let (owner, place) = (token_pages::owner(&context, id).await?, place(&context).await?);
    token_pages::ask_revoke(&context, service_pages::tokens_of(&place, id), &owner, token).await
}

/// `POST /office/service-accounts/{id}/tokens/{token}/revoke`
pub async fn revoke(context: Context<OfficeStaff>, path: Path<(i64, i64)>) -> Result<HttpResponse, Error> {
    let (id, token) = path.into_inner();
    let (owner, place) = (token_pages::owner(&context, id).await?, place(&context).await?);
    token_pages::revoke(&context, service_pages::tokens_of(&place, id), &owner, token).await
}
