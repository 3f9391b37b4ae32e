//! Logging in and out.

use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::web::{Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::context::PublicContext;
use super::flash::{Done, login as flash, see_other};
use super::login_session::LoginSession;
use super::page::{Layout, html, html_with_status, start_page};
use super::{Error, Site, auth};
use crate::accounts::login::{self, Credentials, LoggedIn, LoginError};
use crate::accounts::passwords::BUSY_RETRY;
use crate::accounts::{DeviceKey, account};

#[derive(Template)]
#[template(path = "session/login.html")]
struct LoginPage {
    layout: Layout,
    email: String,
    next: String,
    error: Option<String>,
}

#[derive(serde::Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

#[derive(serde::Deserialize)]
pub struct LoginForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /`: redirects to the user's start page.
pub async fn home(request: HttpRequest) -> Result<HttpResponse, Error> {
    let viewer = auth::current(&request)?;
    Ok(see_other(viewer.as_ref().map_or("/login", start_page), None))
}

pub async fn login_page(
    request: HttpRequest,
    context: PublicContext,
    query: Query<Next>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if auth::current(&request)?.is_some() {
        return Ok(see_other(next, None));
    }
    let page = LoginPage {
        layout: context.layout().flash(&done, flash::ALL),
        email: String::new(),
        next: next.into(),
        error: None,
    };
    Ok(html(&page))
}

/// `POST /login`: `email`, `password`, `next`.
pub async fn log_in(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
    form: Form<LoginForm>,
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let Form(LoginForm { email, password, next }) = form;
    let next = auth::local_path(&next).to_owned();
    let device = request.cookie(device_cookie_name(site));
    let device = device.as_ref().map(Cookie::value);
    let viewer = auth::current(&request)?;
    let credentials = Credentials { email: &email, password: &password, device, replaces: viewer.as_ref() };
    match login::log_in(db, &site.clock, &site.devices, origin, &credentials).await {
        Ok(LoggedIn { session: token, device }) => {
            session.start(&token)?;
            let mut response = see_other(&next, None);
            if let Some(device) = device {
                let added = response.add_cookie(&device_cookie(site, device));
                added.map_err(|error| Error::Internal(error.to_string()))?;
            }
            Ok(response)
        }
        Err(LoginError::Db(error)) => Err(error.into()),
        Err(error) => Ok(refused(&context, email, next, &error)),
    }
}

/// Shows the form again, with the reason and the address that was typed.
fn refused(context: &PublicContext, email: String, next: String, error: &LoginError) -> HttpResponse {
    let (status, message) = match error {
        LoginError::Slowed(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, format!("Too many attempts. Try again in {}.", in_words(*wait)))
        }
        LoginError::Busy(busy) => (StatusCode::TOO_MANY_REQUESTS, busy.to_string()),
        _ => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The email address and the password don't match. Check both and try again.".into(),
        ),
    };
    let page = LoginPage { layout: context.layout(), email, next, error: Some(message) };
    let mut response = html_with_status(&page, status);
    let wait = match error {
        LoginError::Slowed(wait) => Some(*wait),
        LoginError::Busy(_) => Some(BUSY_RETRY),
        _ => None,
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(wait).into());
    }
    response
}

fn device_cookie_name(site: &Site) -> &'static str {
    if site.public_url.is_https() { "__Host-device" } else { "device" }
}

fn device_cookie(site: &Site, value: String) -> Cookie<'static> {
    Cookie::build(device_cookie_name(site), value)
        .path("/")
        .http_only(true)
        .secure(site.public_url.is_https())
        .same_site(SameSite::Lax)
        .max_age(actix_web::cookie::time::Duration::seconds(DeviceKey::LIFE.num_seconds()))
        .finish()
}

/// `POST /logout`: ends the session on every instance, and records it. Does nothing without a session.
pub async fn log_out(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
) -> Result<HttpResponse, Error> {
    if let Some(viewer) = auth::current(&request)? {
        account::log_out(&context.db, &viewer, &context.origin).await?;
    }
    session.end();
    let mut response = see_other("/login", None);
    // Drops the cached pages of this site, so that the browser's Back button shows none of them.
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    Ok(response)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn in_words(wait: Duration) -> String {
    match whole_seconds(wait) {
        1 => "a second".into(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}
