//! `/account/factors`: the user's own second factors.

use actix_web::HttpResponse;
use actix_web::web::{Form, Query};
use askama::Template;

use crate::accounts::device_name;
use crate::accounts::factors::code::{CodeError, TypedCode};
use crate::accounts::factors::enrollment::{Enrolled, Enrolling, Enrollment};
use crate::accounts::factors::{Factors, remembered};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::{AnyUser, Audience, Fresh};
use crate::web::context::Context;
use crate::web::flash::{Done, factors as flash, see_other};
use crate::web::login_session::LoginSession;
use crate::web::page::{self, Layout, Timestamp, html, timestamp};
use crate::web::question::Question;
use crate::web::recovery_codes::RecoveryCodesPage;
use crate::web::totp_setup::TotpSetup;
use crate::web::typed_code::refusal;
use crate::web::wait::form_again;

pub const HERE: &str = "/account/factors";

#[derive(Template)]
#[template(path = "account/factors.html")]
struct FactorsPage {
    layout: Layout,
    factors: Factors,
    /// The day from which a factor is required.
    due: Option<String>,
    devices: Vec<DeviceRow>,
}

struct DeviceRow {
    id: i64,
    name: String,
    ip: String,
    since: Timestamp,
    last_used: Timestamp,
}

#[derive(Template)]
#[template(path = "account/totp.html")]
struct TotpPage {
    layout: Layout,
    setup: TotpSetup,
    /// The user has an app already.
    replaces: bool,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct CodeForm {
    code: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct DeviceForm {
    id: String,
}

/// `GET /account/factors`
pub async fn page(context: Context<AnyUser>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, .. } = &context;
    let (now, zone) = (site.clock.now(), site.time_zone);
    let mut connection = db.get().await?;
    let devices = remembered::of_user(&mut connection, now, viewer.user_id).await?;
    let row = |device: remembered::RememberedDevice| DeviceRow {
        id: device.id,
        name: device_name(&device.user_agent),
        ip: device.ip.map(|net| net.addr().to_string()).unwrap_or_default(),
        since: timestamp(device.created_at, zone),
        last_used: timestamp(device.last_used_at, zone),
    };
    Ok(html(&FactorsPage {
        layout: context.layout("").flash(&done, flash::ALL),
        factors: Factors::of(&mut connection, viewer.user_id).await?,
        due: viewer.factor_due_at.map(|due| page::date(due.with_timezone(&zone).date_naive())),
        devices: devices.into_iter().map(row).collect(),
    }))
}

/// `GET /account/factors/app`: the QR code of a new app.
pub async fn set_up_app(context: Context<Fresh<AnyUser>>) -> Result<HttpResponse, Error> {
    Ok(html(&TotpPage::load(&context.proven(), FieldErrors::default()).await?))
}

/// `POST /account/factors/app`: `code`. Shows the recovery codes, once.
pub async fn confirm_app(
    context: Context<Fresh<AnyUser>>,
    session: LoginSession,
    form: Form<CodeForm>,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    match enrollment(&context).confirm(&form.code).await {
        Ok(Enrolled { recovery_codes, session: token }) => {
            session.start(&token)?;
            Ok(html(&RecoveryCodesPage::new(context.layout(""), recovery_codes, HERE.into())))
        }
        // The page was loaded again: the app is confirmed.
        Err(CodeError::Ended) => Ok(see_other(HERE, None)),
        Err(CodeError::Db(error)) => Err(error.into()),
        Err(error) => {
            let (problem, errors, wait) = refusal(TypedCode::App(""), &error);
            let page = TotpPage::load(&context, errors).await?;
            Ok(form_again(&TotpPage { layout: page.layout.problem(problem), ..page }, wait))
        }
    }
}

/// `POST /account/factors/recovery-codes`: replaces the codes, and shows the new ones once.
pub async fn replace_recovery_codes(context: Context<Fresh<AnyUser>>) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let codes = enrollment(&context).replace_recovery_codes().await?;
    Ok(match codes {
        Some(codes) => html(&RecoveryCodesPage::new(context.layout(""), codes, HERE.into())),
        None => see_other(HERE, None),
    })
}

/// `GET /account/factors/app/remove`: asks.
pub async fn ask_remove_app(context: Context<AnyUser>) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, .. } = &context;
    let factors = Factors::of(&mut *db.get().await?, viewer.user_id).await?;
    if !factors.has_app {
        return Ok(see_other(HERE, None));
    }
    let (codes, then) = if factors.passkeys > 0 {
        ("Its codes stop working at once.", "Your passkeys and your recovery codes stay as they are.")
    } else if site.factor_policy.requires(viewer.role) {
        (
            "Its codes and your recovery codes stop working at once.",
            "Your login must have a second factor, so the next page asks you to set up a new one.",
        )
    } else {
        ("Its codes and your recovery codes stop working at once.", "From then on, the password alone logs you in.")
    };
    Ok(html(&Question {
        layout: context.layout(""),
        title: "Remove the authenticator app?".into(),
        consequences: vec![codes.into(), then.into()],
        action: format!("{HERE}/app/remove"),
        fields: Vec::new(),
        button: "Remove app".into(),
        back: (HERE.into(), "Second factor".into()),
    }))
}

/// `POST /account/factors/app/remove`
pub async fn remove_app(context: Context<Fresh<AnyUser>>) -> Result<HttpResponse, Error> {
    let is_removed = enrollment(&context).remove_app().await?;
    Ok(see_other(HERE, is_removed.then_some(flash::APP_REMOVED)))
}

/// `POST /account/factors/devices/forget`: `id`. That of another user's device forgets nothing, and gets the same response.
pub async fn forget_device(context: Context<AnyUser>, form: Form<DeviceForm>) -> Result<HttpResponse, Error> {
    let id: i64 = form.id.parse().map_err(|_| Error::BadRequest)?;
    remembered::forget(context.acting(), id).await?;
    Ok(see_other(HERE, Some(flash::DEVICE_FORGOTTEN)))
}

fn enrollment<A: Audience>(context: &Context<A>) -> Enrollment<'_> {
    let Context { viewer, site, db, origin, .. } = context;
    Enrollment { db, clock: &site.clock, key: &site.factors, user: Enrolling::Viewer(viewer), origin }
}

impl TotpPage {
    async fn load(context: &Context<AnyUser>, errors: FieldErrors) -> Result<Self, Error> {
        let secret = match enrollment(context).begin().await {
            Ok(secret) => secret,
            Err(CodeError::Db(error)) => return Err(error.into()),
            Err(_) => return Err(Error::LoginRequired),
        };
        let factors = Factors::of(&mut *context.db.get().await?, context.viewer.user_id).await?;
        Ok(Self { layout: context.layout(""), setup: TotpSetup::new(secret, errors), replaces: factors.has_app })
    }
}
