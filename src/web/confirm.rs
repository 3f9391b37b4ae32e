//! `/confirm`: a logged-in user proves who they are again, before a change that needs it ([`super::auth::Fresh`]).
//!
//! A form that was sent without a fresh proof is carried in hidden fields. After the proof, the browser sends it to its own
//! address (307), where [`super::drafts`] unpacks it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::auth::AnyUser;
use super::context::Context;
use super::cookies::LongCookie;
use super::drafts::Draft;
use super::flash::{see_other, start};
use super::form_field::{FormField, PASSWORD_SCRIPT};
use super::forms::Fields;
use super::login_session::LoginSession;
use super::page::{Layout, html, html_with_status};
use super::passkey::{self, PasskeyButton};
use super::problem::Problem;
use super::sso_link::SsoLink;
use super::typed_code::refusal;
use super::wait::form_again;
use super::{Error, Site, auth};
use crate::accounts::Viewer;
use crate::accounts::factors::Factors;
use crate::accounts::factors::code::{CodeError, TypedCode};
use crate::accounts::factors::passkeys::PasskeyError;
use crate::accounts::passwords::BUSY_RETRY;
use crate::accounts::sso::identity;
use crate::accounts::step_up::{self, Proof, StepUpError};
use crate::db::Database;
use crate::field_errors::FieldErrors;

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

#[derive(Template)]
#[template(path = "session/confirm.html")]
pub struct ConfirmPage {
    layout: Layout,
    email: String,
    user_id: i64,
    /// The page that needs the proof, or that has the form.
    next: String,
    /// Where the user goes instead.
    back: String,
    /// The form that is sent after the proof.
    draft: Option<Draft>,
    factors: Factors,
    /// Whether the login has a password that counts.
    has_password: bool,
    /// Confirms at the issuer, if the login is linked to it.
    sso: Option<SsoLink>,
    /// For a user with a passkey.
    passkey: Option<PasskeyButton>,
    is_recovery_open: bool,
    errors: FieldErrors,
}

/// `GET /confirm?next=…`
pub async fn page(context: Context<AnyUser>, query: Query<Next>) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if context.viewer.has_fresh_proof(context.site.clock.now()) {
        return Ok(see_other(next, None));
    }
    let page = ConfirmPage::load(&context.site, &context.db, &context.viewer, (next, None)).await?;
    Ok(html(&page))
}

/// `POST /confirm/passkey/options`: JSON for the browser.
pub async fn passkey_options(context: Context<AnyUser>) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, origin, .. } = &context;
    passkey::options(site.passkey_checker(db, origin)?.begin_confirmation(viewer).await)
}

/// `POST /confirm`: `code`, `recovery_code`, `passkey` or `password`; `next`; `draft` with typed fields.
pub async fn confirm(
    request: HttpRequest,
    context: Context<AnyUser>,
    session: LoginSession,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, origin, .. } = &context;
    let next = auth::local_path(fields.one("next")).to_owned();
    let draft = Draft::repeated(fields.one("draft"), fields.pairs());
    if let Some(draft) = draft.as_ref().filter(|_| fields.one("user") != viewer.user_id.to_string()) {
        // Someone else has logged in in this browser since the form was sent.
        return Ok(see_other(&draft.page().unwrap_or_else(|| "/".into()), Some(start::OTHER_USER)));
    }
    let page = ConfirmPage::load(site, db, viewer, (&next, draft)).await?;
    let typed = TypedCode::of_form(fields.one("code"), fields.one("recovery_code"));
    // A login with a second factor can't confirm with the password alone.
    let proof = match (page.factors.is_any(), page.has_password) {
        (true, _) => Proof::Code(typed),
        (false, true) => Proof::Password(fields.one("password")),
        (false, false) => return Ok(page.confirmed_elsewhere(viewer, site)),
    };
    if fields.one("by") == "sso" {
        return Ok(page.confirmed_elsewhere(viewer, site));
    }
    let device = LongCookie::Device.of(&request, site);
    let answer = fields.one(passkey::FIELD);
    let confirmed = if answer.is_empty() {
        let confirmed = step_up::confirm(site.code_checker(db), viewer, (origin, device.as_deref()), proof).await;
        confirmed.map_err(NotConfirmed::Typed)
    } else {
        let confirmed = site.passkey_checker(db, origin)?.confirm(viewer, answer).await;
        confirmed.map_err(NotConfirmed::Passkey)
    };
    let error = match confirmed {
        Ok(token) => {
            session.start(&token)?;
            return Ok(page.lead_on());
        }
        Err(error) => error,
    };
    page.refused(typed, error)
}

/// Why a proof was not accepted.
enum NotConfirmed {
    Typed(StepUpError),
    Passkey(PasskeyError),
}

impl ConfirmPage {
    async fn load(
        site: &Site,
        db: &Database,
        viewer: &Viewer,
        (next, draft): (&str, Option<Draft>),
    ) -> Result<Self, Error> {
        // The page with the form, which a user without proof may see, or the first page.
        let form = draft.as_ref().and_then(Draft::page);
        let mut connection = db.get().await?;
        let is_linked = identity::is_linked(&mut connection, viewer.user_id).await?;
        // A kept form waits in this tab, while another one leads to the issuer.
        let after_issuer = if draft.is_some() { "/" } else { next };
        let factors = Factors::of(&mut connection, viewer.user_id).await?;
        let button = PasskeyButton::get("Confirm with a passkey", "/confirm/passkey/options");
        let passkey = button.primary(!factors.has_app).on(site).filter(|_| factors.passkeys > 0);
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "")
                .script(site, PASSWORD_SCRIPT)
                .passkey_script(site, passkey.as_ref()),
            passkey,
            email: viewer.email.clone(),
            user_id: viewer.user_id,
            next: next.into(),
            back: form.unwrap_or_else(|| "/".into()),
            draft,
            factors,
            has_password: step_up::has_password(&mut connection, &site.factor_policy, viewer.user_id).await?,
            sso: SsoLink::to_confirm(site, after_issuer).filter(|_| is_linked),
            is_recovery_open: false,
            errors: FieldErrors::default(),
        })
    }

    /// Leads on after a proof, with the form if there is one.
    fn lead_on(&self) -> HttpResponse {
        match &self.draft {
            Some(draft) => HttpResponse::TemporaryRedirect().insert_header((LOCATION, draft.confirmed_href())).finish(),
            None => see_other(&self.next, None),
        }
    }

    /// Leads on if the user has confirmed at the issuer, in another tab.
    fn confirmed_elsewhere(self, viewer: &Viewer, site: &Site) -> HttpResponse {
        if viewer.has_fresh_proof(site.clock.now()) {
            return self.lead_on();
        }
        let place = self.sso.as_ref().map_or("single sign-on", |sso| &sso.label);
        let problem = Problem::new(format!("You have not confirmed with {place} yet."));
        form_again(&Self { layout: self.layout.problem(problem), ..self }, None)
    }

    fn refused(self, typed: TypedCode<'_>, error: NotConfirmed) -> Result<HttpResponse, Error> {
        let (problem, errors, wait) = match error {
            NotConfirmed::Passkey(error) => {
                let (problem, wait) = passkey::refusal(error)?;
                (problem, FieldErrors::default(), wait)
            }
            NotConfirmed::Typed(StepUpError::Code(CodeError::Ended)) => return Err(Error::LoginRequired),
            NotConfirmed::Typed(StepUpError::Code(CodeError::Db(error))) => return Err(error.into()),
            NotConfirmed::Typed(StepUpError::Code(error)) => refusal(typed, &error),
            NotConfirmed::Typed(error @ StepUpError::Password) => {
                let errors = FieldErrors::one("password", error.to_string());
                (Problem::new("The password was not accepted.").fields(&errors), errors, None)
            }
            NotConfirmed::Typed(StepUpError::Busy(busy)) => {
                (Problem::new(busy.to_string()), FieldErrors::default(), Some(BUSY_RETRY))
            }
        };
        let is_recovery_open = matches!(typed, TypedCode::Recovery(_));
        Ok(form_again(&Self { layout: self.layout.problem(problem), errors, is_recovery_open, ..self }, wait))
    }
}

/// The answer to a user whose proof is not fresh: the page, with the form that was sent, or a redirect to it.
pub async fn ask(request: &HttpRequest, viewer: &Viewer) -> Result<HttpResponse, Error> {
    if let Some(draft) = Draft::unproven(request) {
        let context = super::context::PublicContext::of(request)?;
        let next = draft.page().unwrap_or_else(|| "/".into());
        let page = ConfirmPage::load(&context.site, &context.db, viewer, (&next, Some(draft))).await?;
        return Ok(html_with_status(&page, StatusCode::FORBIDDEN));
    }
    Ok(see_other(&auth::path_back("/confirm", request), None))
}
