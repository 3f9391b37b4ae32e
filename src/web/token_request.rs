//! What a request with an API token carries along: the token's user, its rate, and whether an audience has decided about it.
//!
//! [`super::bearer`] puts it there. Such a request has no cookie, and gets no pages.

use actix_web::{HttpMessage, HttpRequest};

use crate::accounts::Viewer;
use crate::accounts::api_tokens::RateUse;

/// A request whose token was accepted.
#[derive(Clone)]
struct ByToken(Viewer);

/// A request with an `Authorization` header, whatever became of it.
struct IsProgram;

/// An audience has admitted or refused the token.
struct Decided;

/// Notes that the request comes from a program, so that its errors are no pages.
pub fn mark(request: &impl HttpMessage) {
    request.extensions_mut().insert(IsProgram);
}

/// Whether the request has an `Authorization` header. Then its cookies don't count.
pub fn is_program(request: &HttpRequest) -> bool {
    request.extensions().contains::<IsProgram>()
}

pub fn accept(request: &impl HttpMessage, viewer: Viewer) {
    request.extensions_mut().insert(ByToken(viewer));
}

/// The user of the token, if the request has a valid one.
pub fn viewer(request: &HttpRequest) -> Option<Viewer> {
    request.extensions().get::<ByToken>().map(|accepted| accepted.0.clone())
}

pub fn set_decided(request: &HttpRequest) {
    request.extensions_mut().insert(Decided);
}

/// Whether the handler has an audience. A handler without one must not answer a program.
pub fn is_decided(request: &HttpRequest) -> bool {
    request.extensions().contains::<Decided>()
}

/// Notes the requests of the token, for the headers of the answer.
pub fn set_rate(request: &impl HttpMessage, rate: RateUse) {
    request.extensions_mut().insert(rate);
}

pub fn rate(request: &HttpRequest) -> Option<RateUse> {
    request.extensions().get::<RateUse>().copied()
}
