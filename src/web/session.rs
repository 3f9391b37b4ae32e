//! Logging in and out.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use actix_web::web::{Form, Query};
use actix_web::{HttpRequest, HttpResponse};

use super::context::PublicContext;
use super::cookies::LongCookie;
use super::counting::Proof;
use super::drafts::Draft;
use super::flash::{Done, login as flash, see_other, start};
use super::forms::Fields;
use super::login_page::{LoginPage, after_login};
use super::login_session::LoginSession;
use super::page::start_page;
use super::problem::{FieldLink, Problem};
use super::wait::{in_words, whole_seconds};
use super::{Error, auth, login_step, sso_link};
use crate::accounts::account;
use crate::accounts::login::{self, Credentials, LoggedIn, LoginError, LoginRules};
use crate::accounts::passwords::BUSY_RETRY;
use crate::accounts::sessions::Step;

#[derive(serde::Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// What was typed, and where the login leads.
struct Typed {
    email: String,
    next: String,
    /// A form that waits for this login.
    draft: Option<Draft>,
}

/// `GET /`: redirects to the user's start page, which shows the flash of this address.
pub async fn home(request: HttpRequest, done: Query<Done>) -> Result<HttpResponse, Error> {
    let viewer = auth::current(&request)?;
    Ok(see_other(viewer.as_ref().map_or("/login", start_page), done.find(start::ALL)))
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
    if let Some(half) = LoginSession::of(&request).half() {
        return Ok(see_other(&login_step::path(half.step, next), None));
    }
    let page = LoginPage::new(&context.site, next);
    let page = match done.find(flash::ALL) {
        Some(flash) => LoginPage {
            why: Some(flash.text.into()),
            log_out_of_issuer: (flash == flash::LOGGED_OUT_HERE && page.sso.is_some()).then_some(sso_link::LOG_OUT),
            layout: page.layout.script(&context.site, "forget-draft.js"),
            ..page
        },
        None => page.why(&context.site, &request),
    };
    Ok(page.answer(StatusCode::OK))
}

/// `POST /login`: `email`, `password`, `next`. With a draft, the browser sends its form again afterwards (307).
pub async fn log_in(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let fields = Fields::with_nul(form);
    let typed = Typed {
        email: fields.one("email").into(),
        next: auth::local_path(fields.one("next")).into(),
        draft: Draft::carried(fields.one("draft"), fields.pairs()),
    };
    let (device, remembered) = (LongCookie::Device.of(&request, site), LongCookie::Remembered.of(&request, site));
    let viewer = auth::current(&request)?;
    let credentials = Credentials {
        email: &typed.email,
        password: fields.one("password"),
        device: device.as_deref(),
        remembered: remembered.as_deref(),
        replaces: viewer.as_ref(),
    };
    let rules = LoginRules { clock: &site.clock, devices: &site.devices, policy: &site.factor_policy };
    let result = login::log_in(db, rules, origin, &credentials).await;
    site.count_login(Proof::Password, result.as_ref().map(|logged_in| logged_in.waits_for));
    match result {
        Ok(LoggedIn { session: token, device, waits_for }) => {
            session.start(&token)?;
            let mut response = typed.after_login(waits_for);
            if let Some(device) = device {
                LongCookie::Device.set(&mut response, site, device)?;
            }
            Ok(response)
        }
        Err(LoginError::Db(error)) => Err(error.into()),
        Err(LoginError::SsoRequired) => Ok(sso_required(&context, typed)),
        Err(error) => Ok(refused(&context, typed, &error)),
    }
}

impl Typed {
    /// Leads on to the page asked for, or has the browser send a kept form again.
    ///
    /// The browser repeats the whole login form, with the password, to this site. The form's address ignores all but the
    /// typed fields.
    ///
    /// A session that waits for a second factor leads to the page for it, which gets the kept form in the same way. Setting
    /// one up takes minutes, so the form is not kept then.
    fn after_login(&self, waits_for: Option<Step>) -> HttpResponse {
        let repeat = |to: String| HttpResponse::TemporaryRedirect().insert_header((LOCATION, to)).finish();
        match (&self.draft, waits_for) {
            (Some(draft), None) => repeat(after_login(draft)),
            (Some(_), Some(Step::Factor)) => repeat(login_step::FACTOR.into()),
            (None, None) => see_other(&self.next, None),
            (_, Some(step)) => see_other(&login_step::path(step, &self.next), None),
        }
    }
}

/// Says that this login has to use single sign-on, whose button is below the form.
fn sso_required(context: &PublicContext, typed: Typed) -> HttpResponse {
    let Typed { email, next, draft } = typed;
    let page = LoginPage::new(&context.site, &next);
    let label = page.sso.as_ref().map_or("single sign-on", |sso| &sso.label);
    let mut problem = Problem::new(format!("Your login uses {label} instead of a password."));
    problem.links.extend(page.sso.iter().map(|sso| {
        // With a kept form, the words below the form say how.
        let href = if draft.is_some() { "#sso" } else { &sso.href };
        FieldLink { href: Some(href.into()), message: format!("Log in with {label}") }
    }));
    let page = LoginPage { layout: page.layout.problem(problem), email, draft, needs_sso: true, ..page };
    page.answer(StatusCode::FORBIDDEN)
}

/// Shows the form again, with the reason and the address that was typed.
fn refused(context: &PublicContext, typed: Typed, error: &LoginError) -> HttpResponse {
    let Typed { email, next, draft } = typed;
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
    let mut problem = Problem::new(message);
    for (field, text) in [("email", "Check the email address"), ("password", "Type the password again")] {
        problem.links.push(FieldLink { href: Some(format!("#{field}")), message: text.into() });
    }
    let page = LoginPage::new(&context.site, &next);
    let why = draft.is_some().then(|| "What you typed before is still kept.".into());
    let page = LoginPage { layout: page.layout.problem(problem), email, why, draft, ..page };
    let mut response = page.answer(status);
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

/// `POST /logout`: ends the session on every instance, and records it. Does nothing without a session.
pub async fn log_out(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
) -> Result<HttpResponse, Error> {
    let mut done = flash::LOGGED_OUT;
    if let Some(viewer) = auth::current(&request)? {
        if account::log_out(&context.db, &viewer, &context.origin).await? {
            done = flash::LOGGED_OUT_HERE;
        }
    } else if let Some(half) = session.half() {
        account::cancel_login(&context.db, &half).await?;
    }
    session.end();
    let mut response = see_other("/login", Some(done));
    // Drops the cached pages of this site, so that the browser's Back button shows none of them.
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    Ok(response)
}
