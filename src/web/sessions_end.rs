//! `/sessions/end?token=…`: ends every session of a user, from an email about a new device.
//!
//! Opening the link changes nothing, because mail scanners open links.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, REFERRER_POLICY};
use actix_web::web::{Form, Query};
use askama::Template;

use super::Error;
use super::context::PublicContext;
use super::page::{Layout, html_with_status};
use crate::accounts::new_device;

#[derive(Template)]
#[template(path = "session/sessions_end.html")]
struct SessionsEndPage {
    layout: Layout,
    token: String,
    state: State,
}

enum State {
    /// Asks. Names the login.
    Asks(String),
    Done,
    /// The link was used, or is too old, or never was one.
    Gone,
}

#[derive(serde::Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

/// Asks, and names the login.
pub async fn page(context: PublicContext, link: Query<Link>) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, .. } = &context;
    let token = link.into_inner().token;
    let user = new_device::find(&mut *db.get().await?, site.clock.now(), &site.links, &token).await?;
    let state = user.map_or(State::Gone, |user| State::Asks(user.email));
    Ok(SessionsEndPage { layout: context.layout(), token, state }.answer())
}

/// `POST /sessions/end`: `token`.
pub async fn end(context: PublicContext, form: Form<Link>) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let token = form.into_inner().token;
    let ended = new_device::end_all_sessions(db, &site.clock, (&site.links, origin), &token).await?;
    let state = if ended { State::Done } else { State::Gone };
    Ok(SessionsEndPage { layout: context.layout(), token: String::new(), state }.answer())
}

impl SessionsEndPage {
    fn answer(&self) -> HttpResponse {
        let status = if matches!(self.state, State::Gone) { StatusCode::GONE } else { StatusCode::OK };
        let mut response = html_with_status(self, status);
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}
