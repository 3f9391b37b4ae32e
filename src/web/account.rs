//! `/account`: one's password and sessions.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use super::auth::{AnyUser, Customers, Visitor};
use super::forms::{Choice, Fields};
use super::page::{Layout, timestamp};
use super::request::Origin;
use super::{Error, Site};
use crate::accounts::account::{self, ChangeError, NewPassword, Notify};
use crate::accounts::{Role, sessions};
use crate::db::Database;

#[derive(Template, WebTemplate)]
#[template(path = "account/account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    name: String,
    role_label: &'static str,
    companies: String,
    password_error_current: String,
    password_error_new: String,
    password_error_repeat: String,
    /// For those who have companies to be told about.
    notify: Vec<Choice>,
    sessions: Vec<SessionRow>,
}

struct SessionRow {
    id: i64,
    device: String,
    ip: String,
    started: String,
    started_iso: String,
    last_seen: String,
    last_seen_iso: String,
    current: bool,
}

#[derive(serde::Deserialize)]
pub struct Notice {
    #[serde(default)]
    done: String,
}

impl Notice {
    /// Known words only: nothing of the address is shown.
    fn text(&self) -> &'static str {
        match self.done.as_str() {
            "password" => "Your password is changed. Every other session has been ended.",
            "session" => "The session is ended.",
            "mail" => "Saved. That is how you are mailed from now on.",
            _ => "",
        }
    }
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

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<AnyUser>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let page = AccountPage::new(&visitor, &site, &db).await?;
    Ok(AccountPage { layout: Layout::new(&site, Some(&visitor), "").notice(notice.text()), ..page }
        .respond_to(&request))
}

pub async fn change_password(
    request: HttpRequest,
    visitor: Visitor<AnyUser>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<PasswordForm>,
) -> Result<HttpResponse, Error> {
    let Form(PasswordForm { current_password, new_password, repeat_password }) = form;
    let change = NewPassword { current: &current_password, new: &new_password, repeated: &repeat_password };
    let error = match account::change_password(&db, &site.clock, &visitor, &origin.0, change).await {
        Ok(()) => return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/account?done=password")).finish()),
        Err(error) => error,
    };
    let mut page = AccountPage::new(&visitor, &site, &db).await?;
    match error {
        ChangeError::Current | ChangeError::Slowed(_) => page.password_error_current = error.to_string(),
        ChangeError::New(_) | ChangeError::Same => page.password_error_new = error.to_string(),
        ChangeError::Repeat => page.password_error_repeat = error.to_string(),
        ChangeError::Db(error) => return Err(error.into()),
    }
    let mut response = page.respond_to(&request);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// `POST /account/mail`: `notify`.
pub async fn set_notify(
    visitor: Visitor<Customers>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let wish = Notify::named(fields.one("notify")).ok_or(Error::BadRequest)?;
    account::set_notify(&db, &site.clock, &visitor, &origin.0, wish).await?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/account?done=mail")).finish())
}

/// Somebody else's session id ends nothing, and the answer is the same.
pub async fn end_session(
    visitor: Visitor<AnyUser>,
    db: Data<Database>,
    origin: Origin,
    form: Form<EndForm>,
) -> Result<HttpResponse, Error> {
    let id: i64 = form.id.parse().map_err(|_| Error::BadRequest)?;
    account::end_session(&db, &visitor, &origin.0, id).await?;
    let target = if id == visitor.session_id { "/login" } else { "/account?done=session" };
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, target)).finish())
}

pub async fn end_all_sessions(
    visitor: Visitor<AnyUser>,
    db: Data<Database>,
    session: Session,
    origin: Origin,
) -> Result<HttpResponse, Error> {
    account::end_all_sessions(&db, &visitor, &origin.0).await?;
    session.purge();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/login")).finish())
}

impl AccountPage {
    async fn new(visitor: &Visitor<AnyUser>, site: &Site, db: &Database) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let wish = account::notify(&mut connection, visitor).await?;
        let notify = [
            (Notify::Immediately, "At once, a minute after it came in"),
            (Notify::Daily, "Once a day, in the morning"),
            (Notify::Never, "Never"),
        ];
        let notify = notify.map(|(known, label)| Choice {
            value: known.as_str().into(),
            label: label.into(),
            selected: known == wish,
        });
        let open = sessions::of_user(&mut connection, site.clock.now(), visitor.user_id).await?;
        let row = |session: sessions::Session| {
            let (started, seen) =
                (timestamp(session.created_at, site.time_zone), timestamp(session.last_seen_at, site.time_zone));
            SessionRow {
                id: session.id,
                device: device(&session.user_agent),
                ip: session.ip.map(|net| net.addr().to_string()).unwrap_or_default(),
                started: started.text,
                started_iso: started.iso,
                last_seen: seen.text,
                last_seen_iso: seen.iso,
                current: session.id == visitor.session_id,
            }
        };
        Ok(Self {
            layout: Layout::new(site, Some(visitor), ""),
            email: visitor.email.clone(),
            name: visitor.name.clone(),
            role_label: visitor.role.label(),
            companies: visitor.company_names(),
            password_error_current: String::new(),
            password_error_new: String::new(),
            password_error_repeat: String::new(),
            notify: if visitor.role == Role::Customer && visitor.seeing_from.is_none() {
                notify.into()
            } else {
                Vec::new()
            },
            sessions: open.into_iter().map(row).collect(),
        })
    }
}

/// "Firefox on Windows": enough to tell one's own devices apart. Order matters, since browsers claim to be others.
fn device(agent: &str) -> String {
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name);
    let browser = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.into(),
        (None, None) if agent.is_empty() => "Unknown device".into(),
        (None, None) => agent.chars().take(60).collect(),
    }
}
