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
use super::counting::{LoginFailure, Proof};
use super::drafts::Draft;
use super::flash::see_other;
use super::form_field::FormField;
use super::forms::Fields;
use super::login_page::after_login;
use super::login_session::LoginSession;
use super::login_step::path;
use super::page::{Layout, html};
use super::passkey::{self, PasskeyButton};
use super::recovery_codes::RecoveryCodesPage;
use super::totp_setup::TotpSetup;
use super::typed_code::refusal;
use super::wait::form_again;
use super::{Error, Site, auth};
use crate::accounts::device_name;
use crate::accounts::factors::code::{CodeError, TypedCode};
use crate::accounts::factors::enrollment::{Enrolled, Enrolling, Enrollment};
use crate::accounts::factors::passkeys::PasskeyError;
use crate::accounts::factors::passkeys::registration::Registration;
use crate::accounts::factors::second::{self, Given, Remembering};
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
    /// For a user with a passkey.
    passkey: Option<PasskeyButton>,
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
    /// Sets up a passkey instead.
    passkey: Option<PasskeyButton>,
}

/// `GET /login/factor`
pub async fn factor_page(context: HalfContext, query: Query<Next>) -> Result<HttpResponse, Error> {
    let next = auth::local_path(&query.next);
    if context.half.step != Step::Factor {
        return Ok(see_other(&path(context.half.step, next), None));
    }
    Ok(html(&FactorPage::load(&context, next, None).await?))
}

/// `POST /login/factor`: `code`, `recovery_code` or `passkey`, `remember`, `next`. Without a code, which is how a login with a draft
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
    if !fields.pairs().iter().any(|(name, _)| ["code", "recovery_code", passkey::FIELD].contains(&name.as_str())) {
        return Ok(html(&FactorPage::load(&context, &next, draft).await?));
    }
    let device = LongCookie::Device.of(&request, site);
    let answer = fields.one(passkey::FIELD);
    let given = if answer.is_empty() {
        let checker = site.code_checker(db);
        let given = second::give(checker, half, (origin, device.as_deref()), typed, is_remembered).await;
        given.map_err(NotGiven::Code)
    } else {
        let remembering = Remembering { devices: &site.devices, device: device.as_deref(), remember: is_remembered };
        let given = site.passkey_checker(db, origin)?.give(half, remembering, answer).await;
        given.map_err(NotGiven::Passkey)
    };
    site.count_login(Proof::SecondFactor, given.as_ref().map(|_| None));
    match given {
        Ok(given) => {
            let mut response = match &draft {
                Some(draft) => HttpResponse::TemporaryRedirect().insert_header((LOCATION, after_login(draft))).finish(),
                None => see_other(&next, None),
            };
            finish(&mut response, site, &session, given)?;
            Ok(response)
        }
        Err(error) => {
            let page = FactorPage::load(&context, &next, draft).await?;
            FactorPage { is_remembered, ..page }.refused(typed, error)
        }
    }
}

/// Why a factor was not accepted.
enum NotGiven {
    Code(CodeError),
    Passkey(PasskeyError),
}

impl LoginFailure for NotGiven {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Code(error) => error.outcome(),
            Self::Passkey(error) => error.outcome(),
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
        let HalfContext { half, site, db, .. } = context;
        let factors = Factors::of(&mut *db.get().await?, half.user_id).await?;
        let button = PasskeyButton::get("Log in with a passkey", "/login/factor/passkey/options");
        let passkey = button.primary(!factors.has_app).on(site).filter(|_| factors.passkeys > 0);
        Ok(Self {
            layout: context.layout().passkey_script(site, passkey.as_ref()),
            passkey,
            email: half.email.clone(),
            next: next.into(),
            draft,
            factors,
            may_remember: remembered::is_allowed(half.role),
            is_remembered: false,
            is_recovery_open: false,
            errors: FieldErrors::default(),
        })
    }

    fn refused(self, typed: TypedCode<'_>, error: NotGiven) -> Result<HttpResponse, Error> {
        let (problem, errors, wait) = match error {
            NotGiven::Code(CodeError::Ended) => return Err(Error::LoginRequired),
            NotGiven::Code(CodeError::Db(error)) => return Err(error.into()),
            NotGiven::Code(error) => refusal(typed, &error),
            NotGiven::Passkey(error) => {
                let (problem, wait) = passkey::refusal(error)?;
                (problem, FieldErrors::default(), wait)
            }
        };
        let is_recovery_open = matches!(typed, TypedCode::Recovery(_));
        let page = Self { layout: self.layout.problem(problem), errors, is_recovery_open, ..self };
        Ok(form_again(&page, wait))
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
    let result = context.enrollment().confirm(fields.one("code")).await;
    context.site.count_login(Proof::SecondFactor, result.as_ref().map(|_| None));
    match result {
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

/// `POST /login/factor/passkey/options`: JSON for the browser.
pub async fn factor_passkey_options(context: HalfContext) -> Result<HttpResponse, Error> {
    let HalfContext { half, site, db, origin } = &context;
    passkey::options(site.passkey_checker(db, origin)?.begin_factor(half).await)
}

/// `POST /login/enroll/passkey/options`: JSON for the browser.
pub async fn enroll_passkey_options(context: HalfContext) -> Result<HttpResponse, Error> {
    passkey::options(registration(&context)?.begin().await)
}

/// `POST /login/enroll/passkey`: `passkey`, `next`. The passkey gets the name of the browser. Shows the recovery codes, once.
pub async fn enroll_passkey(
    context: HalfContext,
    session: LoginSession,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let next = auth::local_path(fields.one("next")).to_owned();
    if context.half.step != Step::Enrollment {
        return Ok(see_other(&path(context.half.step, &next), None));
    }
    let name = device_name(&context.origin.user_agent);
    let result = registration(&context)?.finish(&name, fields.one(passkey::FIELD)).await;
    context.site.count_login(Proof::SecondFactor, result.as_ref().map(|_| None));
    match result {
        Ok(Enrolled { recovery_codes, session: token }) => {
            session.start(&token)?;
            Ok(html(&RecoveryCodesPage::new(context.layout(), recovery_codes, next)))
        }
        Err(error) => {
            let (problem, wait) = passkey::refusal(error)?;
            let page = EnrollPage::load(&context, &next, FieldErrors::default()).await?;
            Ok(form_again(&EnrollPage { layout: page.layout.problem(problem), ..page }, wait))
        }
    }
}

fn registration(context: &HalfContext) -> Result<Registration<'_>, Error> {
    let HalfContext { half, site, db, origin } = context;
    let (party, user) = (site.relying_party()?, Enrolling::Half(half));
    Ok(Registration { db, clock: &site.clock, key: &site.factors, party, user, origin })
}

impl EnrollPage {
    async fn load(context: &HalfContext, next: &str, errors: FieldErrors) -> Result<Self, Error> {
        let secret = match context.enrollment().begin().await {
            Ok(secret) => secret,
            Err(CodeError::Db(error)) => return Err(error.into()),
            Err(_) => return Err(Error::LoginRequired),
        };
        let passkey = PasskeyButton::create("Set up a passkey", "/login/enroll/passkey/options").on(&context.site);
        Ok(Self {
            layout: context.layout().passkey_script(&context.site, passkey.as_ref()),
            passkey,
            email: context.half.email.clone(),
            next: next.into(),
            setup: TotpSetup::new(secret, errors),
        })
    }
}
