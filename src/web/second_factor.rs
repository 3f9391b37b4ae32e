//! `/login/factor` and `/login/enroll`: between the password and the second factor.
//!
//! The session can do nothing else: to every other page it is no session ([`super::login_session`]).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use askama::Template;

use super::cookies::LongCookie;
use super::drafts::Draft;
use super::flash::see_other;
use super::form_field::FormField;
use super::forms::Fields;
use super::login_page::after_login;
use super::login_session::LoginSession;
use super::login_step::path;
use super::page::{Layout, html};
use super::recovery_codes::RecoveryCodesPage;
use super::totp_setup::TotpSetup;
use super::typed_code::refusal;
use super::wait::form_again;
use super::{Error, Site, auth};
use crate::accounts::factors::code::{CodeError, TypedCode};
use crate::accounts::factors::enrollment::{Enrolled, Enrolling, Enrollment};
use crate::accounts::factors::second::{self, Given};
use crate::accounts::factors::{Factors, remembered};
use crate::accounts::sessions::{HalfLogin, Step};
use crate::audit;
use crate::db::Database;
use crate::field_errors::FieldErrors;

/// A request of a user who has given the password, but not the second factor.
pub struct HalfContext {
    pub half: HalfLogin,
    pub site: Data<Site>,
    pub db: Data<Database>,
    pub origin: audit::Origin,
}

impl HalfContext {
    fn layout(&self) -> Layout {
        Layout::new(&self.site, None, "")
    }

    fn enrollment(&self) -> Enrollment<'_> {
        let Self { half, site, db, origin } = self;
        Enrollment { db, clock: &site.clock, key: &site.factors, user: Enrolling::Half(half), origin }
    }
}

impl FromRequest for HalfContext {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = super::context::PublicContext::of(request).and_then(|context| {
            let half = LoginSession::of(request).half().ok_or(Error::LoginRequired)?;
            Ok(Self { half, site: context.site, db: context.db, origin: context.origin })
        });
        ready(context)
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

#[derive(Template)]
#[template(path = "session/factor.html")]
struct FactorPage {
    layout: Layout,
    email: String,
    next: String,
    draft: Option<Draft>,
    factors: Factors,
    /// Whether this browser can be remembered.
    may_remember: bool,
    is_remembered: bool,
    /// The recovery code was refused, so its field stays open.
    is_recovery_open: bool,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "session/enroll.html")]
struct EnrollPage {
    layout: Layout,
    email: String,
    next: String,
    setup: TotpSetup,
}

/// `GET /login/factor`
pub async fn factor_page(context: HalfContext, query: Query<Next>) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if context.half.step != Step::Factor {
        return Ok(see_other(&path(context.half.step, next), None));
    }
    Ok(html(&FactorPage::load(&context, next, None).await?))
}

/// `POST /login/factor`: `code` or `recovery_code`, `remember`, `next`. Without a code, which is how a login with a draft
/// arrives (307), it shows the page with the draft.
pub async fn give_factor(
    request: HttpRequest,
    context: HalfContext,
    session: LoginSession,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let HalfContext { half, site, db, origin } = &context;
    let next = auth::local_path(fields.one("next")).to_owned();
    let draft = Draft::carried(fields.one("draft"), fields.pairs());
    if half.step != Step::Factor {
        return Ok(see_other(&path(half.step, &next), None));
    }
    let typed = TypedCode::of_form(fields.one("code"), fields.one("recovery_code"));
    let is_remembered = fields.one("remember") == "true" && remembered::is_allowed(half.role);
    if !fields.pairs().iter().any(|(name, _)| name == "code" || name == "recovery_code") {
        return Ok(html(&FactorPage::load(&context, &next, draft).await?));
    }
    let device = LongCookie::Device.of(&request, site);
    let checker = site.code_checker(db);
    match second::give(checker, half, (origin, device.as_deref()), typed, is_remembered).await {
        Ok(given) => {
            let mut response = match &draft {
                Some(draft) => HttpResponse::TemporaryRedirect().insert_header((LOCATION, after_login(draft))).finish(),
                None => see_other(&next, None),
            };
            finish(&mut response, site, &session, given)?;
            Ok(response)
        }
        Err(CodeError::Ended) => Err(Error::LoginRequired),
        Err(CodeError::Db(error)) => Err(error.into()),
        Err(error) => {
            let page = FactorPage::load(&context, &next, draft).await?;
            Ok(FactorPage { is_remembered, ..page }.refused(typed, &error))
        }
    }
}

/// Starts the whole session, and sets the cookies of the browser.
fn finish(response: &mut HttpResponse, site: &Site, session: &LoginSession, given: Given) -> Result<(), Error> {
    session.start(&given.session)?;
    if let Some(device) = given.device {
        LongCookie::Device.set(response, site, device)?;
    }
    if let Some(token) = given.remembered {
        LongCookie::Remembered.set(response, site, token.as_str().to_owned())?;
    }
    Ok(())
}

impl FactorPage {
    async fn load(context: &HalfContext, next: &str, draft: Option<Draft>) -> Result<Self, Error> {
        let HalfContext { half, db, .. } = context;
        Ok(Self {
            layout: context.layout(),
            email: half.email.clone(),
            next: next.into(),
            draft,
            factors: Factors::of(&mut *db.get().await?, half.user_id).await?,
            may_remember: remembered::is_allowed(half.role),
            is_remembered: false,
            is_recovery_open: false,
            errors: FieldErrors::default(),
        })
    }

    fn refused(self, typed: TypedCode<'_>, error: &CodeError) -> HttpResponse {
        let (problem, errors, wait) = refusal(typed, error);
        let is_recovery_open = matches!(typed, TypedCode::Recovery(_));
        let page = Self { layout: self.layout.problem(problem), errors, is_recovery_open, ..self };
        form_again(&page, wait)
    }
}

/// `GET /login/enroll`: sets up the first factor of a login that must have one.
pub async fn enroll_page(context: HalfContext, query: Query<Next>) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if context.half.step != Step::Enrollment {
        return Ok(see_other(&path(context.half.step, next), None));
    }
    EnrollPage::load(&context, next, FieldErrors::default()).await.map(|page| html(&page))
}

/// `POST /login/enroll`: `code`, `next`. Shows the recovery codes, once.
pub async fn enroll(context: HalfContext, session: LoginSession, fields: Fields) -> Result<HttpResponse, Error> {
    let next = auth::local_path(fields.one("next")).to_owned();
    if context.half.step != Step::Enrollment {
        return Ok(see_other(&path(context.half.step, &next), None));
    }
    match context.enrollment().confirm(fields.one("code")).await {
        Ok(Enrolled { recovery_codes, session: token }) => {
            session.start(&token)?;
            let page = RecoveryCodesPage::new(context.layout(), recovery_codes, next);
            Ok(html(&page))
        }
        Err(CodeError::Ended) => Err(Error::LoginRequired),
        Err(CodeError::Db(error)) => Err(error.into()),
        Err(error) => {
            let (problem, errors, wait) = refusal(TypedCode::App(""), &error);
            let page = EnrollPage::load(&context, &next, errors).await?;
            Ok(form_again(&EnrollPage { layout: page.layout.problem(problem), ..page }, wait))
        }
    }
}

impl EnrollPage {
    async fn load(context: &HalfContext, next: &str, errors: FieldErrors) -> Result<Self, Error> {
        let secret = match context.enrollment().begin().await {
            Ok(secret) => secret,
            Err(CodeError::Db(error)) => return Err(error.into()),
            Err(_) => return Err(Error::LoginRequired),
        };
        Ok(Self {
            layout: context.layout(),
            email: context.half.email.clone(),
            next: next.into(),
            setup: TotpSetup::new(secret, errors),
        })
    }
}
