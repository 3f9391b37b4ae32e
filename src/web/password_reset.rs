//! `/password-reset`: requests an email with a link to replace a forgotten password.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{Form, Query};
use askama::Template;

use super::Error;
use super::context::PublicContext;
use super::flash::{Done, password_reset as flash, see_other};
use super::page::{Layout, html, html_with_status};
use super::problem::Problem;
use crate::accounts::invitation::RESET_LIFE;
use crate::accounts::reset::{self, ResetError};
use crate::field_errors::FieldErrors;
use crate::mail;

#[derive(Template)]
#[template(path = "session/password_reset.html")]
struct ResetPage {
    layout: Layout,
    email: String,
    errors: FieldErrors,
    /// The link was requested; the page says what happens next.
    sent: bool,
    minutes: i64,
}

#[derive(serde::Deserialize)]
pub struct ResetForm {
    #[serde(default)]
    email: String,
}

pub async fn page(context: PublicContext, done: Query<Done>) -> HttpResponse {
    html(&ResetPage::new(&context, done.find(flash::ALL).is_some()))
}

/// `POST /password-reset`: `email`. The response is the same whether or not a login has this address.
pub async fn ask(context: PublicContext, form: Form<ResetForm>) -> Result<HttpResponse, Error> {
    let email = form.into_inner().email;
    let PublicContext { site, db, origin } = &context;
    let mut page = ResetPage::new(&context, false);
    if mail::read_address(&email).is_none() {
        page.errors =
            FieldErrors::one("email", "Type the email address that you log in with, such as jane@example.com.");
        return Ok(html_with_status(&page.refused(email), StatusCode::UNPROCESSABLE_ENTITY));
    }
    match reset::request(db, &site.clock, site.login_links(), origin, &email).await {
        Ok(()) => Ok(see_other("/password-reset", Some(flash::SENT))),
        Err(ResetError::Slowed(wait)) => {
            let seconds = wait.as_secs().max(1);
            let message = format!("Too many requests from here. Try again in {seconds} seconds.");
            page.errors = FieldErrors::one("email", message);
            let mut response = html_with_status(&page.refused(email), StatusCode::TOO_MANY_REQUESTS);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
            Ok(response)
        }
        Err(ResetError::Db(error)) => Err(error.into()),
    }
}

impl ResetPage {
    fn refused(self, email: String) -> Self {
        let problem = Problem::new("No link was sent.").fields(&self.errors);
        Self { email, layout: self.layout.problem(problem), ..self }
    }

    fn new(context: &PublicContext, sent: bool) -> Self {
        let minutes = RESET_LIFE.num_minutes();
        Self { layout: context.layout(), email: String::new(), errors: FieldErrors::default(), sent, minutes }
    }
}
