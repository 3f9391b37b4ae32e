//! `/login/passkey`: a log-in with a passkey alone.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse};

use super::context::PublicContext;
use super::cookies::LongCookie;
use super::counting::Proof;
use super::drafts::Draft;
use super::flash::see_other;
use super::forms::Fields;
use super::login_page::{LoginPage, after_login};
use super::login_session::LoginSession;
use super::wait::form_again;
use super::{Error, auth, passkey};
use crate::accounts::Token;

/// `POST /login/passkey/options`: JSON for the browser. A cookie binds the challenge to it.
pub async fn options(request: HttpRequest, context: PublicContext) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let browser = match LongCookie::Passkey.of(&request, site) {
        Some(cookie) => Token::presented(&cookie),
        None => Token::generate()?,
    };
    let checker = site.passkey_checker(db, origin)?;
    let mut response = passkey::options(checker.begin_login(&browser).await)?;
    LongCookie::Passkey.set(&mut response, site, browser.as_str().to_owned())?;
    Ok(response)
}

/// `POST /login/passkey`: `passkey`, `next`, `draft` with typed fields.
pub async fn log_in(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let next = auth::local_path(fields.one("next"));
    let draft = Draft::carried(fields.one("draft"), fields.pairs());
    let browser = Token::presented(&LongCookie::Passkey.of(&request, site).unwrap_or_default());
    let viewer = auth::current(&request)?;
    let checker = site.passkey_checker(db, origin)?;
    let answer = fields.one(passkey::FIELD);
    let result = checker.log_in(&browser, answer, viewer.as_ref()).await;
    site.count_login(Proof::Passkey, result.as_ref().map(|_| None));
    let error = match result {
        Ok(token) => {
            session.start(&token)?;
            return Ok(match &draft {
                // The browser sends the kept form again, as after a password.
                Some(draft) => HttpResponse::TemporaryRedirect().insert_header((LOCATION, after_login(draft))).finish(),
                None => see_other(next, None),
            });
        }
        Err(error) => error,
    };
    let (problem, wait) = passkey::refusal(error)?;
    let page = LoginPage::new(site, next);
    let why = draft.is_some().then(|| "What you typed before is still kept.".into());
    Ok(form_again(&LoginPage { layout: page.layout.problem(problem), why, draft, ..page }, wait))
}
