//! Programs: `Authorization: Bearer ptk_…` ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
//!
//! The header decides alone: cookies beside it are dropped, no session is opened, and no page, form or redirect to the login
//! is sent. A handler is open to tokens only if its audience names a scope ([`super::auth::Scoped`]); every other one
//! answers 403. A token in a URL is refused and revoked, on every route.

use actix_web::HttpRequest;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::error::TokenProblem;
use super::request::Origin;
use super::{Error, Site, token_request};
use crate::accounts::api_tokens::{ApiToken, NotAllowed, TokenChecker, TokenError, revoke_exposed};
use crate::db::Database;

/// Refuses a request whose URL has a token, and revokes the token: proxies, browsers and logs keep URLs.
///
/// Covers every route, also those without a login.
pub async fn refuse_in_url(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let url = request.uri().path_and_query().map_or("", |url| url.as_str());
    let tokens = ApiToken::find_in_url(url);
    if tokens.is_empty() {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    token_request::mark(&request);
    let error = match revoke(request.request(), &tokens).await {
        Ok(()) => Error::Token(TokenProblem::InUrl),
        Err(error) => error,
    };
    Ok(request.error_response(error).map_body(|_, body| EitherBody::right(body)))
}

async fn revoke(request: &HttpRequest, tokens: &[ApiToken]) -> Result<(), Error> {
    let (site, db, Origin(origin)) = parts(request)?;
    Ok(revoke_exposed(&db, &site.clock, &origin, tokens).await?)
}

/// Replaces the session of a request with an `Authorization` header by the token's user.
pub async fn authenticate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if !has_token(request.headers()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    token_request::mark(&request);
    request.headers_mut().remove(COOKIE);
    if let Err(error) = accept(request.request()).await {
        return Ok(request.error_response(error).map_body(|_, body| EitherBody::right(body)));
    }
    let response = next.call(request).await?;
    // Handlers without an audience, such as those before the login. None of them has changed anything for this request.
    let is_open = token_request::is_decided(response.request())
        || matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        || response.status().is_server_error();
    if is_open {
        return Ok(response.map_into_left_body());
    }
    let refusal = Error::Token(TokenProblem::NotAllowed(NotAllowed::AnyToken));
    let response = response.error_response(refusal);
    Ok(response.map_body(|_, body| EitherBody::right(body)))
}

/// Another scheme is meant for a proxy in front of the portal, such as one that asks for a password.
fn has_token(headers: &HeaderMap) -> bool {
    let is_other = |value: &HeaderValue| {
        let scheme = value.to_str().ok().and_then(|text| text.split(' ').next());
        scheme.is_some_and(|scheme| !scheme.is_empty() && !scheme.eq_ignore_ascii_case("bearer"))
    };
    !headers.get_all(AUTHORIZATION).all(is_other)
}

async fn accept(request: &HttpRequest) -> Result<(), Error> {
    let token = sent(request).map_err(Error::Token)?;
    let (site, db, Origin(origin)) = parts(request)?;
    let checker = TokenChecker { db: &db, clock: &site.clock, policy: &site.factor_policy, origin: &origin };
    let checked = checker.check(&token).await.map_err(|error| match error {
        TokenError::Refused => Error::Token(TokenProblem::Invalid),
        TokenError::Slowed(wait) => Error::RateLimited(wait),
        TokenError::Db(error) => error.into(),
    })?;
    token_request::set_rate(request, checked.rate);
    if checked.rate.is_exceeded {
        return Err(Error::RateLimited(std::time::Duration::from_secs(checked.rate.reset_seconds.into())));
    }
    token_request::accept(request, checked.viewer);
    Ok(())
}

/// Reads the header. Nothing that is malformed reaches the database.
fn sent(request: &HttpRequest) -> Result<ApiToken, TokenProblem> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else { return Err(TokenProblem::Malformed) };
    let text = header.to_str().map_err(|_| TokenProblem::Malformed)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    match token.trim_matches(' ') {
        _ if !scheme.eq_ignore_ascii_case("bearer") => Err(TokenProblem::Malformed),
        "" => Err(TokenProblem::Malformed),
        token => ApiToken::parse(token).ok_or(TokenProblem::Invalid),
    }
}

fn parts(request: &HttpRequest) -> Result<(Data<Site>, Data<Database>, Origin), Error> {
    let (site, db) = (request.app_data::<Data<Site>>(), request.app_data::<Data<Database>>());
    let (Some(site), Some(db)) = (site, db) else {
        return Err(Error::Internal("the server has no site or no database".into()));
    };
    Ok((site.clone(), db.clone(), Origin::of(request)?))
}
