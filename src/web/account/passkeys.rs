//! `/account/passkeys`: the user's own passkeys.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use askama::Template;

use crate::accounts::device_name;
use crate::accounts::factors::Factors;
use crate::accounts::factors::enrollment::{Enrolled, Enrolling};
use crate::accounts::factors::passkeys::registration::Registration;
use crate::accounts::factors::passkeys::{self, PasskeyError, PasskeyRow};
use crate::field_errors::FieldErrors;
use crate::web::auth::{AnyUser, Audience, Fresh};
use crate::web::context::Context;
use crate::web::flash::{Done, passkeys as flash, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::Fields;
use crate::web::login_session::LoginSession;
use crate::web::page::{Layout, Timestamp, html, timestamp};
use crate::web::passkey::PasskeyButton;
use crate::web::problem::Problem;
use crate::web::question::Question;
use crate::web::recovery_codes::RecoveryCodesPage;
use crate::web::wait::form_again;
use crate::web::{Error, passkey};

const HERE: &str = "/account/passkeys";

#[derive(Template)]
#[template(path = "account/passkeys.html")]
struct PasskeysPage {
    layout: Layout,
    /// Whether the portal's address has passkeys.
    is_available: bool,
    passkeys: Vec<Row>,
}

struct Row {
    id: i64,
    name: String,
    kind: &'static str,
    added: Timestamp,
    last_used: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "account/new_passkey.html")]
struct NewPage {
    layout: Layout,
    /// `None` if the portal's address has no passkeys.
    button: Option<PasskeyButton>,
    name: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "account/rename_passkey.html")]
struct RenamePage {
    layout: Layout,
    id: i64,
    /// As stored.
    passkey: String,
    /// As typed.
    name: String,
    errors: FieldErrors,
}

/// `GET /account/passkeys`
pub async fn page(context: Context<AnyUser>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, .. } = &context;
    let zone = site.time_zone;
    let passkeys = passkeys::of_user(&mut *db.get().await?, viewer.user_id).await?;
    let row = |passkey: PasskeyRow| Row {
        id: passkey.id,
        kind: kind(&passkey),
        name: passkey.name,
        added: timestamp(passkey.created_at, zone),
        last_used: passkey.last_used_at.map(|at| timestamp(at, zone)),
    };
    Ok(html(&PasskeysPage {
        layout: context.layout("").flash(&done, flash::ALL),
        is_available: site.passkeys.is_some(),
        passkeys: passkeys.into_iter().map(row).collect(),
    }))
}

/// Where the passkey is, as its flags of the last use say.
fn kind(passkey: &PasskeyRow) -> &'static str {
    match (passkey.backed_up, passkey.backup_eligible) {
        (true, _) => "Synced",
        (false, true) => "Not synced yet",
        (false, false) => "This device only",
    }
}

/// `GET /account/passkeys/new`
pub async fn new_page(context: Context<Fresh<AnyUser>>) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let name = device_name(&context.origin.user_agent);
    Ok(html(&NewPage::new(&context, name)))
}

/// `POST /account/passkeys/options`: JSON for the browser.
pub async fn options(context: Context<Fresh<AnyUser>>) -> Result<HttpResponse, Error> {
    passkey::options(registration(&context)?.begin().await)
}

/// `POST /account/passkeys`: `name`, `passkey`. With the first factor it shows the recovery codes, once.
pub async fn add(
    context: Context<Fresh<AnyUser>>,
    session: LoginSession,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let name = fields.one("name");
    let error = match registration(&context)?.finish(name, fields.one(passkey::FIELD)).await {
        Ok(Enrolled { recovery_codes, session: token }) => {
            session.start(&token)?;
            return Ok(if recovery_codes.is_empty() {
                see_other(HERE, Some(flash::ADDED))
            } else {
                html(&RecoveryCodesPage::new(context.layout(""), recovery_codes, flash::ADDED.on(HERE)))
            });
        }
        Err(error) => error,
    };
    let errors = match error {
        PasskeyError::Name => FieldErrors::one("name", error.to_string()),
        _ => FieldErrors::default(),
    };
    let (problem, wait) = passkey::refusal(error)?;
    let problem = if errors.is_empty() { problem } else { Problem::new("The passkey was not added.").fields(&errors) };
    let page = NewPage::new(&context, name.to_owned());
    Ok(form_again(&NewPage { layout: page.layout.problem(problem), errors, ..page }, wait))
}

fn registration<A: Audience>(context: &Context<A>) -> Result<Registration<'_>, Error> {
    let Context { viewer, site, db, origin, .. } = context;
    let (party, user) = (site.relying_party()?, Enrolling::Viewer(viewer));
    Ok(Registration { db, clock: &site.clock, key: &site.factors, party, user, origin })
}

impl NewPage {
    fn new(context: &Context<AnyUser>, name: String) -> Self {
        let site = &context.site;
        let button = PasskeyButton::create("Add passkey", "/account/passkeys/options").primary(true).on(site);
        let layout = context.layout("").passkey_script(site, button.as_ref());
        Self { layout, button, name, errors: FieldErrors::default() }
    }
}

/// `GET /account/passkeys/{id}/rename`
pub async fn rename_page(context: Context<AnyUser>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let PasskeyRow { id, name, .. } = find(&context, *id).await?;
    let layout = context.layout("");
    Ok(html(&RenamePage { layout, id, passkey: name.clone(), name, errors: FieldErrors::default() }))
}

/// `POST /account/passkeys/{id}/rename`: `name`
pub async fn rename(context: Context<AnyUser>, id: Path<i64>, fields: Fields) -> Result<HttpResponse, Error> {
    let passkey = find(&context, *id).await?;
    let typed = fields.one("name");
    let Some(name) = passkeys::clean_name(typed) else {
        let errors = FieldErrors::one("name", PasskeyError::Name.to_string());
        let layout = context.layout("").not_saved(&errors, str::to_owned);
        let page = RenamePage { layout, id: passkey.id, passkey: passkey.name, name: typed.to_owned(), errors };
        return Ok(form_again(&page, None));
    };
    passkeys::rename(context.acting(), passkey.id, &name).await?;
    Ok(see_other(HERE, Some(flash::RENAMED)))
}

/// `GET /account/passkeys/{id}/remove`: asks.
pub async fn ask_remove(context: Context<AnyUser>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let Context { viewer, site, db, .. } = &context;
    let passkey = find(&context, *id).await?;
    let factors = Factors::of(&mut *db.get().await?, viewer.user_id).await?;
    let is_last = !factors.has_app && factors.passkeys == 1;
    let then = match (is_last, site.factor_policy.requires(viewer.role)) {
        (false, _) => "Your other ways to log in stay as they are.",
        (true, true) => "Your login must have a second factor, so the next page asks you to set up a new one.",
        (true, false) => "From then on, the password alone logs you in. Your recovery codes stop working.",
    };
    Ok(html(&Question {
        layout: context.layout(""),
        title: format!("Remove the passkey “{}”?", passkey.name),
        consequences: vec![
            "It no longer logs you in. Delete it from your device or password manager too, where it is called “PrimeTrade \
             BOL portal”."
                .into(),
            then.into(),
            "Every other session of yours ends.".into(),
        ],
        action: format!("{HERE}/{}/remove", passkey.id),
        fields: Vec::new(),
        button: "Remove passkey".into(),
        back: (HERE.into(), "Passkeys".into()),
    }))
}

/// `POST /account/passkeys/{id}/remove`
pub async fn remove(context: Context<Fresh<AnyUser>>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let is_removed = passkeys::remove(context.acting(), *id).await?;
    if is_removed { Ok(see_other(HERE, Some(flash::REMOVED))) } else { Err(Error::NotFound) }
}

/// The user's passkey. That of another user is not found.
async fn find(context: &Context<AnyUser>, id: i64) -> Result<PasskeyRow, Error> {
    let found = passkeys::find(&mut *context.db.get().await?, context.viewer.user_id, id).await?;
    found.ok_or(Error::NotFound)
}
