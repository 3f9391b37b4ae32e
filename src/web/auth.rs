//! Who may call a handler stands in its signature: `Visitor<DocumentReaders>` can't be had by an auditor.
//!
//! A role says which pages; which BOLs is another question, and [`Viewer::reach`] answers it for the database.

use std::future::ready;
use std::marker::PhantomData;

use actix_session::SessionExt;
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use super::Error;
use super::request::Origin;
use super::session_store::{BROKEN, UNAVAILABLE, VIEWER};
use crate::accounts::{Role, Viewer};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::Database;

/// Some of the roles.
pub trait Audience {
    const ROLES: &'static [Role];

    /// Of those roles, this person too?
    fn admits(_viewer: &Viewer) -> bool {
        true
    }
}

/// AnyUser with a login.
pub struct AnyUser;
/// Those who may see the list of BOLs.
pub struct BolListViewers;
/// Those who may open a BOL and its documents.
pub struct DocumentReaders;

/// The terminal's office: those who may change things.
pub struct OfficeStaff;

pub struct Customers;

impl Audience for Customers {
    const ROLES: &'static [Role] = &[Role::Customer];
}

/// Those of a customer who look after its logins.
pub struct CompanyAdmins;

impl Audience for CompanyAdmins {
    const ROLES: &'static [Role] = &[Role::Customer];

    fn admits(viewer: &Viewer) -> bool {
        viewer.administered().next().is_some()
    }
}

impl Audience for AnyUser {
    const ROLES: &'static [Role] = &Role::ALL;
}

impl Audience for BolListViewers {
    const ROLES: &'static [Role] = &Role::ALL;
}

impl Audience for DocumentReaders {
    const ROLES: &'static [Role] = &[Role::Customer, Role::Office, Role::Admin];
}

impl Audience for OfficeStaff {
    const ROLES: &'static [Role] = &[Role::Office, Role::Admin];
}

/// Those who read the access log.
pub struct Auditors;

impl Audience for Auditors {
    const ROLES: &'static [Role] = &[Role::Auditor, Role::Admin];
}

/// Those who look after the portal itself.
pub struct Admins;

impl Audience for Admins {
    const ROLES: &'static [Role] = &[Role::Admin];
}

/// A logged-in user whose role is among the audience's.
pub struct Visitor<A: Audience> {
    pub viewer: Viewer,
    audience: PhantomData<A>,
}

impl<A: Audience> std::ops::Deref for Visitor<A> {
    type Target = Viewer;

    fn deref(&self) -> &Viewer {
        &self.viewer
    }
}

impl<A: Audience + 'static> FromRequest for Visitor<A> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    /// A refusal is there at once, before a form behind it in the handler's signature is looked at: whatever it holds, it is
    /// the refusal that is answered, and put on record ([`record_refusal`]).
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let viewer = match admitted::<A>(request) {
            Ok(viewer) => viewer,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let request = request.clone();
        Box::pin(async move {
            if viewer.seeing_from.is_some() {
                record(&request, &viewer, Action::SeenAs, Outcome::Success).await?;
            }
            Ok(Self { viewer, audience: PhantomData })
        })
    }
}

fn admitted<A: Audience>(request: &HttpRequest) -> Result<Viewer, Error> {
    let viewer = current(request)?.ok_or(Error::LoginRequired)?;
    request.extensions_mut().insert(viewer.clone());
    let is_admitted = A::ROLES.contains(&viewer.role) && A::admits(&viewer);
    match viewer.seeing_from {
        // Whoever looks as a customer does only looks.
        Some(_) if !is_admitted || !request.method().is_safe() => Err(Error::ReadOnlyView),
        None if !is_admitted => Err(Error::Forbidden),
        _ => Ok(viewer),
    }
}

/// Puts on record that somebody who is logged in was refused.
pub async fn record_refusal(request: &HttpRequest) -> Result<(), Error> {
    let viewer = request.extensions().get::<Viewer>().cloned();
    match viewer {
        Some(viewer) => record(request, &viewer, Action::AccessDenied, Outcome::Denied).await,
        None => Ok(()),
    }
}

/// Whoever is logged in, if anybody.
pub fn current(request: &HttpRequest) -> Result<Option<Viewer>, Error> {
    let session = request.get_session();
    let is_set = |mark| matches!(session.get::<bool>(mark), Ok(Some(true)));
    if is_set(UNAVAILABLE) {
        return Err(Error::Unavailable("the session can't be looked up".into()));
    }
    if is_set(BROKEN) {
        return Err(Error::Internal("the session's query failed".into()));
    }
    session.get::<Viewer>(VIEWER).map_err(|error| Error::Internal(error.to_string()))
}

/// What was asked for, with its path, for the log.
async fn record(request: &HttpRequest, viewer: &Viewer, action: Action, outcome: Outcome) -> Result<(), Error> {
    let (Some(db), Some(origin)) =
        (request.app_data::<Data<Database>>(), request.extensions().get::<Origin>().cloned())
    else {
        return Err(Error::Internal("no database at hand".into()));
    };
    let path: String = request.path().chars().take(300).collect();
    let event = Event::new(action, outcome, viewer.actor(), &origin.0)
        .detail(serde_json::json!({"path": path.replace('\0', ""), "method": request.method().as_str()}));
    let seen = viewer.seeing_from.and(viewer.companies.first());
    let event = if let Some(company) = seen { event.about(company.id, &company.code) } else { event };
    let mut connection = db.get().await?;
    audit::record(&mut connection, &event).await?;
    Ok(())
}

/// `/login?next=…`, back to where the visitor wanted to go, if that was something to look at.
pub fn login_path(request: &HttpRequest) -> String {
    let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str());
    if !request.method().is_safe() || wanted == "/" {
        return "/login".into();
    }
    let next: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    format!("/login?next={next}")
}

/// A path of ours, or the first page. Never another host: `//host`, `/\host` and control characters, which browsers
/// drop before they look, are refused.
pub fn local_path(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        // As browsers write addresses; everything else is percent-encoded, and no header could hold it.
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && !next.starts_with("/login")
        && next.len() <= 2000;
    if local { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local_path;

    #[test]
    fn next_stays_here() {
        assert_eq!(local_path("/bols?q=1"), "/bols?q=1");
        for bad in [
            "",
            "bols",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/a\r\nb",
            "/login?next=/",
            "javascript:1",
            "/Ä",
            "/a b",
        ] {
            assert_eq!(local_path(bad), "/", "{bad:?}");
        }
    }
}
