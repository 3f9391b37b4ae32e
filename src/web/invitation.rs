//! `/invitation?token=…` and `/password?token=…`: set the first password, or replace a forgotten one.
//!
//! The token is in the query. Log lines leave the query out, and `Referrer-Policy` hides it from other sites.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, REFERRER_POLICY};
use actix_web::web::{Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::context::PublicContext;
use super::counting::Proof;
use super::flash::{see_other, start as flash};
use super::form_field::{FormField, PASSWORD_SCRIPT};
use super::login_session::LoginSession;
use super::page::{Layout, html_with_status};
use super::problem::Problem;
use super::sso_link::SsoLink;
use super::{Error, auth, login_step};
use crate::accounts::Token;
use crate::accounts::entry::Opened;
use crate::accounts::invitation::{self, AcceptError, Purpose, TypedPassword};
use crate::accounts::login::LoginError;
use crate::field_errors::FieldErrors;

#[derive(Template)]
#[template(path = "session/invitation.html")]
struct InvitationPage {
    layout: Layout,
    token: String,
    email: String,
    name: String,
    is_reset: bool,
    errors: FieldErrors,
}

/// Tells a user whose login has no password how to log in.
#[derive(Template)]
#[template(path = "session/sso_only.html")]
struct SsoOnlyPage {
    layout: Layout,
    email: String,
    name: String,
    link: SsoLink,
}

#[derive(serde::Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

#[derive(serde::Deserialize)]
pub struct PasswordForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    new_password: String,
    #[serde(default)]
    repeat_password: String,
}

/// Shows the form. The link stays valid until the password is set.
pub async fn page(context: PublicContext, link: Query<Link>) -> Result<HttpResponse, Error> {
    match InvitationPage::find(&context, link.into_inner().token).await? {
        Ok(page) => Ok(page.answer(StatusCode::OK)),
        Err(page) => Ok(page.answer(StatusCode::OK)),
    }
}

/// Sets the password, and logs in.
pub async fn accept(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
    form: Form<PasswordForm>,
) -> Result<HttpResponse, Error> {
    let PublicContext { site, db, origin } = &context;
    let Form(PasswordForm { token, new_password, repeat_password }) = form;
    let presented = Token::presented(&token);
    let viewer = auth::current(&request)?;
    let typed = TypedPassword {
        new: &new_password,
        repeated: &repeat_password,
        replaces: viewer.as_ref(),
        policy: &site.factor_policy,
        breached: site.breached.as_ref(),
    };
    let accepted = invitation::accept(db, &site.clock, origin, &presented, typed).await;
    if let Ok(Opened { waits_for, .. }) = &accepted {
        site.count_login(Proof::Link, Ok::<_, &LoginError>(*waits_for));
    }
    let error = match accepted {
        Ok(Opened { session: token, waits_for }) => {
            session.start(&token)?;
            return Ok(match waits_for {
                None => see_other("/", Some(flash::PASSWORD_SET)),
                Some(step) => see_other(&login_step::path(step, "/"), None),
            });
        }
        Err(error) => error,
    };
    let field = match error {
        AcceptError::Gone => return Err(Error::InvitationGone),
        AcceptError::SsoRequired | AcceptError::New(_) => "new_password",
        AcceptError::Repeat => "repeat_password",
        AcceptError::Busy(busy) => return Err(Error::TooMany(busy.to_string())),
        AcceptError::Db(error) => return Err(error.into()),
    };
    let mut page = match InvitationPage::find(&context, token).await? {
        Ok(page) => page,
        Err(page) => return Ok(page.answer(StatusCode::FORBIDDEN)),
    };
    page.errors = FieldErrors::one(field, error.to_string());
    page.layout = page.layout.problem(Problem::new("Your password was not set.").fields(&page.errors));
    Ok(page.answer(StatusCode::UNPROCESSABLE_ENTITY))
}

impl InvitationPage {
    /// Returns the form, or what to say instead to a user of single sign-on.
    async fn find(context: &PublicContext, token: String) -> Result<Result<Self, SsoOnlyPage>, Error> {
        let presented = Token::presented(&token);
        let user = invitation::find(&mut *context.db.get().await?, context.site.clock.now(), &presented).await?;
        let (user, purpose) = user.ok_or(Error::InvitationGone)?;
        if let (true, Some(link)) =
            (context.site.factor_policy.requires_sso_of(&user), SsoLink::new(&context.site, "/"))
        {
            return Ok(Err(SsoOnlyPage { layout: context.layout(), email: user.email, name: user.name, link }));
        }
        Ok(Ok(Self {
            layout: context.layout().script(&context.site, PASSWORD_SCRIPT),
            token,
            email: user.email,
            name: user.name,
            is_reset: purpose == Purpose::Reset,
            errors: FieldErrors::default(),
        }))
    }

    fn answer(self, status: StatusCode) -> HttpResponse {
        without_referrer(html_with_status(&self, status))
    }
}

impl SsoOnlyPage {
    fn answer(self, status: StatusCode) -> HttpResponse {
        without_referrer(html_with_status(&self, status))
    }
}

fn without_referrer(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
