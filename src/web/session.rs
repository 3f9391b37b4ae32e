//! Logging in and out.

use std::time::Duration;

use actix_session::Session;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder, http::StatusCode};
use askama::Template;
use askama_web::WebTemplate;

use super::page::Layout;
use super::request::Origin;
use super::session_store::TOKEN;
use super::{Error, Site, auth};
use crate::accounts::login::{self, Credentials, LoggedIn, LoginError};
use crate::accounts::{DeviceKey, Role, account};
use crate::db::Database;

#[derive(Template, WebTemplate)]
#[template(path = "session/login.html")]
struct LoginPage {
    layout: Layout,
    email: String,
    next: String,
    error: String,
}

#[derive(serde::Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
    /// A known word, after something was done that leads here.
    #[serde(default)]
    done: String,
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

/// `GET /`: the first page of one's role.
pub async fn home(request: HttpRequest) -> Result<HttpResponse, Error> {
    let target = match auth::current(&request)?.map(|viewer| viewer.role) {
        Some(Role::Office | Role::Admin) => "/office",
        Some(Role::Customer) => "/bols",
        Some(Role::Auditor) => "/audit",
        None => "/login",
    };
    Ok(see_other(target))
}

pub async fn login_page(request: HttpRequest, site: Data<Site>, query: Query<Next>) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if auth::current(&request)?.is_some() {
        return Ok(see_other(next));
    }
    let notice = if query.done == "password" { "Your password is set. Log in with it." } else { "" };
    let page = LoginPage {
        layout: Layout::new(&site, None, "").notice(notice),
        email: String::new(),
        next: next.into(),
        error: String::new(),
    };
    Ok(page.respond_to(&request))
}

pub async fn log_in(
    request: HttpRequest,
    site: Data<Site>,
    db: Data<Database>,
    session: Session,
    origin: Origin,
    form: Form<LoginForm>,
) -> Result<HttpResponse, Error> {
    let Form(LoginForm { email, password, next }) = form;
    let next = auth::local_path(&next).to_owned();
    let device = request.cookie(device_cookie_name(&site));
    let device = device.as_ref().map(Cookie::value);
    let viewer = auth::current(&request)?;
    let credentials = Credentials { email: &email, password: &password, device, replaces: viewer.as_ref() };
    match login::log_in(&db, &site.clock, &site.devices, &origin.0, &credentials).await {
        Ok(LoggedIn { session: token, device }) => {
            // A new token: one that was known before the log-in is worth nothing after it.
            session.renew();
            session.insert(TOKEN, token.as_str()).map_err(|error| Error::Internal(error.to_string()))?;
            let mut response = see_other(&next);
            if let Some(device) = device {
                let added = response.add_cookie(&device_cookie(&site, device));
                added.map_err(|error| Error::Internal(error.to_string()))?;
            }
            Ok(response)
        }
        Err(LoginError::Db(error)) => Err(error.into()),
        Err(error) => Ok(refused(&request, &site, email, next, &error)),
    }
}

/// The form again, with the reason and the address that was typed.
fn refused(request: &HttpRequest, site: &Site, email: String, next: String, error: &LoginError) -> HttpResponse {
    let (status, message) = match error {
        LoginError::Slowed(wait) => {
            (StatusCode::TOO_MANY_REQUESTS, format!("Too many attempts. Try again in {}.", in_words(*wait)))
        }
        _ => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The e-mail address and the password don't match. Check both and try again.".into(),
        ),
    };
    let page = LoginPage { layout: Layout::new(site, None, ""), email, next, error: message };
    let mut response = page.respond_to(request);
    *response.status_mut() = status;
    if let LoginError::Slowed(wait) = error {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(*wait).into());
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

/// Ends the session on every instance, and says so in the log. Without a session there is nothing to end.
pub async fn log_out(
    request: HttpRequest,
    db: Data<Database>,
    session: Session,
    origin: Origin,
) -> Result<HttpResponse, Error> {
    if let Some(viewer) = auth::current(&request)? {
        account::log_out(&db, &viewer, &origin.0).await?;
    }
    session.purge();
    let mut response = see_other("/login");
    // So that "Back" shows nothing: cached pages of this site are dropped.
    response.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static("clear-site-data"),
        actix_web::http::header::HeaderValue::from_static("\"cache\""),
    );
    Ok(response)
}

fn see_other(target: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, target)).finish()
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
