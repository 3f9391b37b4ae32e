//! `/login/sso`: logging in at the issuer of single sign-on, and what to say when that fails.
//!
//! The answer's code is in the query. Log lines leave the query out, and `Referrer-Policy` hides it from other sites.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use url::form_urlencoded::byte_serialize;

use super::auth::AnyUser;
use super::context::{Context, PublicContext};
use super::cookies::LongCookie;
use super::counting::Proof;
use super::flash::see_other;
use super::login_session::LoginSession;
use super::login_step;
use super::page::{Layout, html_with_status};
use super::sso_link::SsoLink;
use super::{Error, auth};
use crate::accounts::sso::identity::Denial;
use crate::accounts::sso::{Callback, SingleSignOn, SsoError, Visitor};
use crate::accounts::{Token, Viewer};

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

#[derive(Template)]
#[template(path = "session/sso_problem.html")]
struct ProblemPage {
    layout: Layout,
    title: String,
    advice: String,
    /// To try again.
    link: Option<SsoLink>,
    login: String,
}

/// `GET /login/sso`: leads to the issuer.
pub async fn begin(request: HttpRequest, context: PublicContext, query: Query<Next>) -> Result<HttpResponse, Error> {
    let sso = context.site.sso.as_ref().ok_or(Error::NotFound)?;
    let next = auth::local_path(&query.next);
    if auth::current(&request)?.is_some() {
        return Ok(see_other(next, None));
    }
    lead_to_issuer(&request, &context, sso, (next, None)).await
}

/// `GET /login/sso/confirm`: has a logged-in user log in at the issuer again, before a change that needs it.
pub async fn confirm(
    request: HttpRequest,
    context: PublicContext,
    user: Context<AnyUser>,
    query: Query<Next>,
) -> Result<HttpResponse, Error> {
    let sso = context.site.sso.as_ref().ok_or(Error::NotFound)?;
    lead_to_issuer(&request, &context, sso, (auth::local_path(&query.next), Some(&user.viewer))).await
}

async fn lead_to_issuer(
    request: &HttpRequest,
    context: &PublicContext,
    sso: &SingleSignOn,
    (next, confirms): (&str, Option<&Viewer>),
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = context;
    // Two tabs that log in at once share the cookie.
    let kept = LongCookie::SingleSignOn.of(request, site).filter(|value| is_token(value));
    let browser = match kept {
        Some(value) => Token::presented(&value),
        None => Token::generate()?,
    };
    match sso.begin(db, site.clock.now(), &browser, (next, confirms, origin.ip)).await {
        Ok(url) => {
            let mut response = HttpResponse::SeeOther().insert_header((LOCATION, url.as_str())).finish();
            LongCookie::SingleSignOn.set(&mut response, site, browser.as_str().to_owned())?;
            Ok(response)
        }
        Err(SsoError::Db(error)) => Err(error.into()),
        Err(SsoError::TooMany) => Err(Error::TooMany(
            "Many logins were begun from your network and not finished. Try again in a few minutes, or log in with your \
             password."
                .into(),
        )),
        Err(error) => {
            tracing::warn!("single sign-on: {error}");
            Ok(problem(context, sso, next, &error))
        }
    }
}

/// `GET /login/sso/callback`: takes the issuer's answer, and opens the session.
pub async fn finish(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
    answer: Query<Callback>,
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let sso = site.sso.as_ref().ok_or(Error::NotFound)?;
    let browser = LongCookie::SingleSignOn.of(&request, site);
    let viewer = auth::current(&request)?;
    let visitor = Visitor { origin, browser: browser.as_deref(), replaces: viewer.as_ref() };
    let finished = sso.finish(db, (&site.clock, &site.factor_policy), &visitor, &answer).await?;
    site.count_login(Proof::Sso, finished.outcome.as_ref().map(|opened| opened.waits_for));
    let next = auth::local_path(&finished.next);
    match finished.outcome {
        Ok(opened) => {
            session.start(&opened.session)?;
            Ok(match opened.waits_for {
                None => see_other(next, None),
                Some(step) => see_other(&login_step::path(step, next), None),
            })
        }
        Err(error) => Ok(problem(&context, sso, next, &error)),
    }
}

/// `GET /login/sso/out`: leads to the issuer's own logout, after that of the portal.
pub async fn log_out(context: PublicContext) -> Result<HttpResponse, Error> {
    let sso = context.site.sso.as_ref().ok_or(Error::NotFound)?;
    let label = sso.label();
    let (status, title) = match sso.end_session(context.site.clock.now()).await {
        Ok(Some(url)) => return Ok(HttpResponse::SeeOther().insert_header((LOCATION, url.as_str())).finish()),
        Ok(None) => (StatusCode::OK, format!("You are still logged in at {label}.")),
        Err(fault) => {
            tracing::warn!("single sign-on: {fault}");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{label} doesn’t answer right now."))
        }
    };
    let page = ProblemPage {
        layout: context.layout(),
        title: first_upper(&title),
        advice: "You are logged out of the portal. To log out there too, close every window of the browser.".into(),
        link: None,
        login: "/login".into(),
    };
    Ok(html_with_status(&page, status))
}

/// Whether a cookie has the form of a [`Token`].
fn is_token(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says why the login failed, and what to do.
fn problem(context: &PublicContext, sso: &SingleSignOn, next: &str, error: &SsoError) -> HttpResponse {
    let label = sso.label();
    let (title, advice) = words(label, error);
    let is_away = matches!(error, SsoError::Issuer(_));
    let page = ProblemPage {
        layout: context.layout(),
        title: first_upper(&title),
        advice,
        link: SsoLink::new(&context.site, next),
        login: login_path(next),
    };
    let status = if is_away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN };
    let mut response = html_with_status(&page, status);
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if is_away {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

/// The login page, which leads on to a page.
fn login_path(next: &str) -> String {
    match next {
        "/" => "/login".into(),
        next => format!("/login?next={}", byte_serialize(next.as_bytes()).collect::<String>()),
    }
}

/// What happened, and what to do.
fn words(label: &str, error: &SsoError) -> (String, String) {
    const AGAIN: &str = "You are not logged in. Begin again.";
    let (title, advice) = match error {
        SsoError::Issuer(_) => (
            format!("{label} doesn’t answer as it should."),
            "Nothing is wrong with your login. Try again in a minute, or log in with your password.".into(),
        ),
        SsoError::NotRunning => ("This login took too long, or was finished before.".into(), AGAIN.into()),
        SsoError::OtherBrowser => ("This login was begun in another browser.".into(), AGAIN.into()),
        SsoError::Code => (format!("{label} takes this login no longer."), AGAIN.into()),
        SsoError::Declined(_) => (
            format!("{label} has not logged you in."),
            format!("Try again. If it happens again, ask the people who run {label} for access to the portal."),
        ),
        SsoError::Invalid(_) => (
            format!("The answer of {label} is not valid."),
            "You are not logged in. Try again. If it happens again, tell the terminal office: the portal’s access log has \
             the reason."
                .into(),
        ),
        SsoError::Denied(denial) => denied(label, *denial),
        SsoError::TooMany | SsoError::Db(_) => ("The portal can’t log you in right now.".into(), "Try again in a minute.".into()),
    };
    (title, advice)
}

fn denied(label: &str, denial: Denial) -> (String, String) {
    match denial {
        Denial::NoLogin => (
            "The portal has no login with your address.".into(),
            format!("Ask the terminal office to invite the address that you have at {label}. Then log in again."),
        ),
        Denial::NotVerified => (
            format!("{label} doesn’t confirm your email address."),
            format!(
                "Ask the people who run {label} to confirm that the address is yours. Until then, log in with your \
                 password."
            ),
        ),
        Denial::LinkedToAnother => (
            format!("The login with your address belongs to another person at {label}."),
            "If it is yours, ask an administrator of the portal to unlink it. Then log in again.".into(),
        ),
        Denial::Disabled => ("Your login is disabled.".into(), "Ask the terminal office to enable it.".into()),
        Denial::NoRole => (
            format!("{label} gives you no role in the portal."),
            format!("Ask the people who run {label} for a role in the portal. Then log in again."),
        ),
        Denial::AnotherRole => (
            format!("{label} doesn’t know you as an administrator of the portal."),
            format!("Ask the people who run {label} to give you that role, or log in with your password."),
        ),
        Denial::AnotherUser => (
            format!("You are another person at {label} than in the portal."),
            "Nothing was confirmed. Log out here, and log in again as the person that you want to be.".into(),
        ),
        Denial::NoCompany => (
            "The portal has no login with your address.".into(),
            "A customer’s login needs a company. Ask the terminal office, or your company’s administrator, to invite you."
                .into(),
        ),
    }
}

/// A label such as "single sign-on" may begin a sentence.
fn first_upper(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
