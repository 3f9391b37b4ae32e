//! `/account/tokens`: the user's own API tokens.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use crate::web::Error;
use crate::web::auth::{AnyUser, Fresh};
use crate::web::context::Context;
use crate::web::flash::Done;
use crate::web::forms::Fields;
use crate::web::token_pages::{self, Place};

fn place() -> Place {
    let back = ("/account".into(), "Your account".into());
    Place { base: "/account/tokens".into(), back, here: "", disable: None }
}

/// `GET /account/tokens`
pub async fn page(context: Context<AnyUser>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let owner = token_pages::owner(&context, context.viewer.user_id).await?;
    token_pages::show(&context, place(), &owner, &done).await
}

/// `POST /account/tokens`
pub async fn make(context: Context<Fresh<AnyUser>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let owner = token_pages::owner(&context, context.viewer.user_id).await?;
    token_pages::make(&context, place(), &owner, &fields).await
}

/// `GET /account/tokens/{token}/revoke`: asks.
pub async fn ask_revoke(context: Context<AnyUser>, token: Path<i64>) -> Result<HttpResponse, Error> {
    let owner = token_pages::owner(&context, context.viewer.user_id).await?;
    token_pages::ask_revoke(&context, place(), &owner, *token).await
}

/// `POST /account/tokens/{token}/revoke`. Needs no fresh proof, because it protects.
pub async fn revoke(context: Context<AnyUser>, token: Path<i64>) -> Result<HttpResponse, Error> {
    let owner = token_pages::owner(&context, context.viewer.user_id).await?;
    token_pages::revoke(&context, place(), &owner, *token).await
}
