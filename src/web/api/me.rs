//! `GET /api/v1/me`: who the caller is.

use actix_web::{HttpRequest, HttpResponse};

use super::conditional;
use super::types::{Company, Me, Token};
use crate::accounts::api_tokens::TokenScope;
use crate::web::Error;
use crate::web::auth::{AnyScope, AnyUser, Scoped};
use crate::web::context::Context;
use crate::web::token_request;

/// Who the caller is.
///
/// The user's name, role and companies, as of this request, and what the token may do.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    operation_id = "get_me",
    tag = "Account",
    responses((status = 200, description = "The user.", body = Me)),
    security(("token" = []), ("session" = []))
)]
pub async fn get(request: HttpRequest, context: Context<Scoped<AnyUser, AnyScope>>) -> Result<HttpResponse, Error> {
    let viewer = &context.viewer;
    let companies = viewer.companies.iter();
    conditional::json(
        &request,
        &Me {
            name: viewer.name.clone(),
            email: viewer.email.clone(),
            role: viewer.role.as_str(),
            companies: companies
                .map(|company| Company { code: company.code.clone(), name: company.name.clone() })
                .collect(),
            token: viewer.token().map(|token| Token {
                name: token.name.clone(),
                scopes: token.scopes.iter().map(|scope| TokenScope::as_str(*scope)).collect(),
                requests_per_minute: token_request::rate(&request).map(|rate| rate.limit),
            }),
        },
    )
}
