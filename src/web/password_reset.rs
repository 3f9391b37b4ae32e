//! `/password-reset`: a link to set a forgotten password anew is asked for.

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use super::page::{Layout, with_status};
use super::request::Origin;
use super::{Error, Site};
use crate::accounts::invitation::RESET_LIFE;
use crate::accounts::reset::{self, ResetError};
use crate::db::Database;
use crate::mail;

#[derive(Template, WebTemplate)]
#[template(path = "session/password_reset.html")]
struct ResetPage {
    layout: Layout,
    email: String,
    error: String,
    /// Asked for: what happens next.
    sent: bool,
    minutes: i64,
}

#[derive(serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

#[derive(serde::Deserialize)]
pub struct ResetForm {
    #[serde(default)]
    email: String,
}

pub async fn page(request: HttpRequest, site: Data<Site>, asked: Query<Asked>) -> HttpResponse {
    ResetPage::new(&site, asked.done == "sent").respond_to(&request)
}

/// The same answer whether or not there is such a login.
pub async fn ask(
    request: HttpRequest,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<ResetForm>,
) -> Result<HttpResponse, Error> {
    let email = form.into_inner().email;
    let mut page = ResetPage::new(&site, false);
    if !mail::is_address(email.trim()) {
        page.error = "Type the e-mail address that you log in with, such as jane@example.com.".into();
        page.email = email;
        return Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY));
    }
    match reset::request(&db, &site.clock, &site.links, &origin.0, &email).await {
        Ok(()) => Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/password-reset?done=sent")).finish()),
        Err(ResetError::Slowed(wait)) => {
            let seconds = wait.as_secs().max(1);
            page.error = format!("Too many requests from here. Try again in {seconds} seconds.");
            page.email = email;
            let mut response = with_status(page.respond_to(&request), StatusCode::TOO_MANY_REQUESTS);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            Ok(response)
        }
        Err(ResetError::Db(error)) => Err(error.into()),
    }
}

impl ResetPage {
    fn new(site: &Site, sent: bool) -> Self {
        let minutes = RESET_LIFE.num_minutes();
        Self { layout: Layout::new(site, None, ""), email: String::new(), error: String::new(), sent, minutes }
    }
}
