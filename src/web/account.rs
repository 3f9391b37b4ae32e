//! `/account`: the user's password, notices and sessions.

pub mod factors;
pub mod passkeys;
pub mod tokens;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Query};
use askama::Template;

use super::Error;
use super::auth::{AnyUser, Customers};
use super::context::Context;
use super::flash::{Done, account as flash, login, see_other};
use super::form_field::{FormField, PASSWORD_SCRIPT};
use super::forms::{Choice, Fields};
use super::login_session::LoginSession;
use super::page::{Layout, Timestamp, date, html, html_with_status, non_empty, timestamp};
use super::problem::Problem;
use crate::accounts::account::{self, ChangeError, NewPassword, Notify};
use crate::accounts::factors::Factors;
use crate::accounts::login_history::{self, LoginAttempt};
use crate::accounts::{device_name, sessions, step_up};
use crate::field_errors::FieldErrors;

#[derive(Template)]
#[template(path = "account/account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    name: String,
    role_label: &'static str,
    companies: Option<String>,
    factors: Factors,
    /// The day from which a second factor is required, while there is none.
    factor_due: Option<String>,
    /// Whether the login has a password that counts.
    has_password: bool,
    /// About the form that changes the password.
    errors: FieldErrors,
    /// Empty for users without companies.
    notify: Vec<Choice>,
    sessions: Vec<SessionRow>,
    /// Of the last 30 days, latest first.
    logins: Vec<LoginRow>,
    /// There are more than the page shows.
    has_more_logins: bool,
}

struct SessionRow {
    id: i64,
    device: String,
    ip: String,
    started: String,
    started_iso: String,
    last_seen: String,
    last_seen_iso: String,
    /// "password and app"
    method: String,
    current: bool,
}

/// An attempt to log in.
struct LoginRow {
    at: Timestamp,
    label: String,
    device: String,
    ip: String,
    is_refused: bool,
}

#[derive(serde::Deserialize)]
pub struct PasswordForm {
    #[serde(default)]
    current_password: String,
    #[serde(default)]
    new_password: String,
    #[serde(default)]
    repeat_password: String,
}

#[derive(serde::Deserialize)]
pub struct EndForm {
    #[serde(default)]
    id: String,
}

pub async fn page(context: Context<AnyUser>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let page = AccountPage::new(&context).await?;
    Ok(html(&AccountPage { layout: page.layout.flash(&done, flash::ALL), ..page }))
}

pub async fn change_password(
    context: Context<AnyUser>,
    session: LoginSession,
    form: Form<PasswordForm>,
) -> Result<HttpResponse, Error> {
    let Form(PasswordForm { current_password, new_password, repeat_password }) = form;
    let breached = context.site.breached.as_ref();
    let change = NewPassword { breached, current: &current_password, new: &new_password, repeated: &repeat_password };
    let error = match account::change_password(
        &context.db,
        &context.site.clock,
        &context.viewer,
        &context.origin,
        change,
    )
    .await
    {
        Ok(token) => {
            session.start(&token)?;
            return Ok(see_other("/account", Some(flash::PASSWORD_CHANGED)));
        }
        Err(error) => error,
    };
    let field = match error {
        ChangeError::Current | ChangeError::Slowed(_) => "current_password",
        ChangeError::New(_) | ChangeError::Same => "new_password",
        ChangeError::Repeat => "repeat_password",
        ChangeError::Busy(busy) => return Err(Error::TooMany(busy.to_string())),
        ChangeError::Db(error) => return Err(error.into()),
    };
    let mut page = AccountPage::new(&context).await?;
    page.errors = FieldErrors::one(field, error.to_string());
    page.layout = page.layout.problem(Problem::new("Your password was not changed.").fields(&page.errors));
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// `POST /account/mail`: `notify`.
pub async fn set_notify(context: Context<Customers>, fields: Fields) -> Result<HttpResponse, Error> {
    let choice = Notify::named(fields.one("notify")).ok_or(Error::BadRequest)?;
    account::set_notify(&context.db, &context.site.clock, &context.viewer, &context.origin, choice).await?;
    Ok(see_other("/account", Some(flash::NOTICES_SAVED)))
}

/// Ends one session of the user. The id of another user's session ends nothing, and gets the same response.
pub async fn end_session(context: Context<AnyUser>, form: Form<EndForm>) -> Result<HttpResponse, Error> {
    let id: i64 = form.id.parse().map_err(|_| Error::BadRequest)?;
    account::end_session(&context.db, &context.viewer, &context.origin, id).await?;
    let is_own = context.viewer.session().is_ok_and(|own| own == id);
    Ok(if is_own {
        see_other("/login", Some(login::LOGGED_OUT))
    } else {
        see_other("/account", Some(flash::SESSION_ENDED))
    })
}

pub async fn end_all_sessions(context: Context<AnyUser>, session: LoginSession) -> Result<HttpResponse, Error> {
    account::end_all_sessions(&context.db, &context.viewer, &context.origin).await?;
    session.end();
    Ok(see_other("/login", Some(login::LOGGED_OUT_EVERYWHERE)))
}

impl AccountPage {
    async fn new(context: &Context<AnyUser>) -> Result<Self, Error> {
        let Context { viewer, site, db, .. } = context;
        let mut connection = db.get().await?;
        let current = account::notify(&mut connection, viewer).await?;
        let notify = [
            (Notify::Immediately, "Immediately, within a few minutes"),
            (Notify::Daily, "Once a day, in the morning"),
            (Notify::Never, "Never"),
        ];
        let notify = notify.map(|(notify, label)| Choice {
            value: notify.as_str().into(),
            label: label.into(),
            selected: notify == current,
        });
        let open = sessions::of_user(&mut connection, site.clock.now(), viewer.user_id).await?;
        let row = |session: sessions::Session| {
            let (started, seen) =
                (timestamp(session.created_at, site.time_zone), timestamp(session.last_seen_at, site.time_zone));
            SessionRow {
                id: session.id,
                device: device_name(&session.user_agent),
                ip: session.ip.map(|net| net.addr().to_string()).unwrap_or_default(),
                started: started.text,
                started_iso: started.iso,
                last_seen: seen.text,
                last_seen_iso: seen.iso,
                method: login_history::method_label(&session.method),
                current: viewer.session().is_ok_and(|own| own == session.id),
            }
        };
        let attempts = login_history::of_viewer(&mut connection, site.clock.now(), viewer).await?;
        let has_more_logins = attempts.len() > login_history::MAX_ENTRIES;
        let login_row = |attempt: LoginAttempt| LoginRow {
            at: timestamp(attempt.occurred_at, site.time_zone),
            label: attempt.label(),
            device: device_name(attempt.user_agent.as_deref().unwrap_or_default()),
            ip: attempt.ip.map(|net| net.addr().to_string()).unwrap_or_default(),
            is_refused: attempt.is_refused(),
        };
        Ok(Self {
            logins: attempts.into_iter().take(login_history::MAX_ENTRIES).map(login_row).collect(),
            has_more_logins,
            layout: context.layout("").script(site, PASSWORD_SCRIPT),
            email: viewer.email.clone(),
            name: viewer.name.clone(),
            role_label: viewer.role.label(),
            companies: non_empty(viewer.company_names()),
            factors: Factors::of(&mut connection, viewer.user_id).await?,
            factor_due: viewer.factor_due_at.map(|due| date(due.with_timezone(&site.time_zone).date_naive())),
            has_password: step_up::has_password(&mut connection, &site.factor_policy, viewer.user_id).await?,
            errors: FieldErrors::default(),
            notify: if viewer.can_choose_notices() && viewer.seeing_from.is_none() {
                notify.into()
            } else {
                Vec::new()
            },
            sessions: open.into_iter().map(row).collect(),
        })
    }
}
