//! Who may call a handler: its signature says so. `Context<DocumentReaders>` admits no auditor.
//!
//! An audience is defined by a capability ([`crate::accounts`]). [`Scoped`] opens a handler to API tokens too. Which BOLs
//! its members see is a separate question, which [`Viewer::scope`] answers for the database.

use std::future::ready;
use std::marker::PhantomData;

use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use super::error::TokenProblem;
use super::login_session::LoginSession;
use super::request::Origin;
use super::{Error, Site, token_request};
use crate::accounts::Viewer;
use crate::accounts::api_tokens::{self, NotAllowed, TokenScope};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::Database;

/// The users who may call a handler.
pub trait Audience {
    /// Whether the user must have proved who they are within the last minutes.
    const NEEDS_FRESH_PROOF: bool = false;
    /// Which API tokens may call the handler.
    const TOKENS: TokenAccess = TokenAccess::Closed;

    fn admits(viewer: &Viewer) -> bool;
}

/// Which API tokens may call a handler. The token's owner has to belong to the audience too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAccess {
    Closed,
    /// Every valid token, whatever its scopes.
    Any,
    /// Tokens with this scope.
    With(TokenScope),
}

/// The same users, once they have proved who they are within the last minutes ([`super::confirm`]). For changes that an
/// unattended browser or a stolen session must not make.
pub struct Fresh<A>(PhantomData<A>);

impl<A: Audience> Audience for Fresh<A> {
    const NEEDS_FRESH_PROOF: bool = true;

    fn admits(viewer: &Viewer) -> bool {
        A::admits(viewer)
    }
}

/// The same users, and their API tokens with the scope `S`: `Context<Scoped<DocumentReaders, DocumentsRead>>`. A person needs
/// no scope.
pub struct Scoped<A, S>(PhantomData<(A, S)>);

/// A type for each scope, for [`Scoped`].
pub trait RequiredScope {
    const TOKENS: TokenAccess;
}

impl<A: Audience, S: RequiredScope> Audience for Scoped<A, S> {
    // A token gives no fresh proof, so `admitted` refuses it in spite of its scope.
    const NEEDS_FRESH_PROOF: bool = A::NEEDS_FRESH_PROOF;
    const TOKENS: TokenAccess = S::TOKENS;

    fn admits(viewer: &Viewer) -> bool {
        A::admits(viewer)
    }
}

macro_rules! required_scopes {
    ($($(#[$doc:meta])* $name:ident => $tokens:expr,)*) => {
        $($(#[$doc])* pub struct $name;

        impl RequiredScope for $name {
            const TOKENS: TokenAccess = $tokens;
        })*
    };
}

required_scopes! {
    /// Any token: the handler tells a program about its own token alone.
    AnyScope => TokenAccess::Any,
    BolsRead => TokenAccess::With(TokenScope::BolsRead),
    DocumentsRead => TokenAccess::With(TokenScope::DocumentsRead),
    BolsIssue => TokenAccess::With(TokenScope::BolsIssue),
    DocumentsUpload => TokenAccess::With(TokenScope::DocumentsUpload),
    LogRead => TokenAccess::With(TokenScope::LogRead),
}

/// Declares an audience by the capability that it needs.
macro_rules! audience {
    ($(#[$doc:meta])* $name:ident, $admits:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Audience for $name {
            fn admits(viewer: &Viewer) -> bool {
                let admits: fn(&Viewer) -> bool = $admits;
                admits(viewer)
            }
        }
    };
}

audience!(
    /// Every user with a login.
    AnyUser,
    |_| true
);
audience!(
    /// Users who see the list of BOLs.
    BolListViewers,
    Viewer::can_list_bols
);
audience!(
    /// Users who open BOLs and their documents.
    DocumentReaders,
    Viewer::can_open_documents
);
audience!(
    /// The terminal's office: issues BOLs, files documents, and maintains the lists.
    OfficeStaff,
    Viewer::can_issue
);
audience!(
    /// Customers' users, who get emails about their companies' documents.
    Customers,
    Viewer::can_choose_notices
);
audience!(
    /// Customers' users who manage the logins of their company.
    CompanyAdmins,
    Viewer::can_manage_company
);
audience!(
    /// Users who read the access log.
    Auditors,
    Viewer::can_read_log
);
audience!(
    /// Administrators of the portal.
    Admins,
    Viewer::can_administer
);

/// Returns the user of a request, if the user belongs to the audience.
///
/// Decides at once, before the forms later in the handler's signature are read: a user who may not send a form learns
/// that, and nothing about the form. The refusal is recorded ([`record_refusal`]).
pub fn admit<A: Audience>(request: &HttpRequest) -> LocalBoxFuture<'static, Result<Viewer, Error>> {
    let viewer = match admitted::<A>(request) {
        Ok(viewer) => viewer,
        Err(error) => return Box::pin(ready(Err(error))),
    };
    let request = request.clone();
    Box::pin(async move {
        if A::NEEDS_FRESH_PROOF && !has_fresh_proof(&request, &viewer) {
            return Err(Error::ProofRequired);
        }
        if viewer.seeing_from.is_some() {
            record(&request, &viewer, Action::SeenAs, Outcome::Success).await?;
        }
        Ok(viewer)
    })
}

fn admitted<A: Audience>(request: &HttpRequest) -> Result<Viewer, Error> {
    let viewer = current(request)?.ok_or(Error::LoginRequired)?;
    request.extensions_mut().insert(viewer.clone());
    admit_token::<A>(request, &viewer)?;
    let is_admitted = A::admits(&viewer);
    match viewer.seeing_from {
        // Viewing as a customer is read-only.
        Some(_) if !is_admitted || A::NEEDS_FRESH_PROOF || !request.method().is_safe() => Err(Error::ReadOnlyView),
        None if !is_admitted => Err(Error::Forbidden),
        _ => Ok(viewer),
    }
}

/// Refuses a token that may not call the handler. Does nothing for a person's session.
fn admit_token<A: Audience>(request: &HttpRequest, viewer: &Viewer) -> Result<(), Error> {
    if viewer.token().is_none() {
        return Ok(());
    }
    token_request::set_decided(request);
    let missing = match A::TOKENS {
        _ if A::NEEDS_FRESH_PROOF => NotAllowed::AnyToken,
        TokenAccess::Closed => NotAllowed::AnyToken,
        TokenAccess::With(scope) if !viewer.allows(scope) => NotAllowed::Scope(scope),
        TokenAccess::Any | TokenAccess::With(_) => return Ok(()),
    };
    Err(Error::Token(TokenProblem::NotAllowed(missing)))
}

/// Without a clock, no proof is fresh.
fn has_fresh_proof(request: &HttpRequest, viewer: &Viewer) -> bool {
    request.app_data::<Data<Site>>().is_some_and(|site| viewer.has_fresh_proof(site.clock.now()))
}

/// Records that a logged-in user was refused.
pub async fn record_refusal(request: &HttpRequest) -> Result<(), Error> {
    let viewer = request.extensions().get::<Viewer>().cloned();
    match viewer {
        Some(viewer) => record(request, &viewer, Action::AccessDenied, Outcome::Denied).await,
        None => Ok(()),
    }
}

/// Records that a valid token was refused what its scopes don't allow.
pub async fn record_token_refusal(request: &HttpRequest, what: NotAllowed) -> Result<(), Error> {
    let Some(viewer) = token_request::viewer(request) else { return Ok(()) };
    let (Some(site), Some(db)) = (request.app_data::<Data<Site>>(), request.app_data::<Data<Database>>()) else {
        return Err(Error::Internal("the server has no site or no database".into()));
    };
    let (now, Origin(origin)) = (site.clock.now(), Origin::of(request)?);
    let mut connection = db.get().await?;
    let by = (&viewer, &origin);
    Ok(api_tokens::record_not_allowed(&mut connection, now, by, what, asked(request)).await?)
}

/// The logged-in user or the user of the token, if there is one.
///
/// A session that could not be looked up is an error: the user keeps the session and may try again.
pub fn current(request: &HttpRequest) -> Result<Option<Viewer>, Error> {
    match token_request::viewer(request) {
        Some(viewer) => Ok(Some(viewer)),
        None => LoginSession::of(request).viewer(),
    }
}

/// The path and the method of a request, for an event.
fn asked(request: &HttpRequest) -> serde_json::Value {
    let path: String = request.path().chars().take(300).collect();
    serde_json::json!({"path": path.replace('\0', ""), "method": request.method().as_str()})
}

/// Records an event about this request, with its method and path.
async fn record(request: &HttpRequest, viewer: &Viewer, action: Action, outcome: Outcome) -> Result<(), Error> {
    let (Some(db), Some(origin)) =
        (request.app_data::<Data<Database>>(), request.extensions().get::<Origin>().cloned())
    else {
        return Err(Error::Internal("the server has no database".into()));
    };
    let event = Event::new(action, outcome, viewer.actor(), &origin.0).detail(asked(request));
    let seen = viewer.seeing_from.and(viewer.companies.first());
    let event = if let Some(company) = seen { event.with_customer(company.id, &company.code) } else { event };
    let connection = db.get().await?;
    audit::record(&connection, &event).await?;
    Ok(())
}

/// `/login?next=…`, which leads back to the requested page. A form that was sent can't be repeated by a redirect, so it
/// gets `/login` alone. Browsers get the page with what was typed ([`super::drafts`]).
pub fn login_path(request: &HttpRequest) -> String {
    path_back("/login", request)
}

/// An address that leads back to the requested page by its parameter `next`.
pub fn path_back(page: &str, request: &HttpRequest) -> String {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if !request.method().is_safe() || target == "/" {
        return page.into();
    }
    let next: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    format!("{page}?next={next}")
}

/// Returns the path if it stays on this site, otherwise `/`.
///
/// Refuses `//host` and `/\host`, which browsers read as another host, and control characters, which they drop first.
pub fn local_path(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        // Browsers percent-encode everything else, and a header could not hold it.
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
