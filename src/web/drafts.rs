//! Nothing typed is lost: a form that can't be answered is shown again as a draft.
//!
//! The session has ended, the database is away, the form is too large: the page that says so carries what was typed in
//! hidden fields. Its button, or the login, sends them to the form's own address with `?draft=…`. The handler
//! then shows its form again and changes nothing, because [`super::context::Context::change`] refuses. The user
//! presses the form's button again.
//!
//! The server keeps nothing. A draft is what the browser itself has sent from a page of this site
//! ([`super::cross_site`]), so it belongs to its user. Passwords and files are in no draft.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{ACCEPT, CONTENT_LENGTH};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::stream;
use url::form_urlencoded;

use super::form_address::FormAddress;
use super::limits::{MAX_DRAFT_BYTES, MAX_FORM_BYTES, PayloadStream};
use super::login_session::LoginSession;
use super::problem::Problem;
use super::{Error, token_request};
use crate::accounts::api_tokens::manage::TokenChangeError;
use crate::accounts::people::PeopleError;
use crate::bols::lists::SaveError;
use crate::field_errors::FieldErrors;
use crate::issuing::IssueError;
use crate::webhooks::WebhookError;

/// Begins the names of typed fields, so that a form that carries them can have fields of its own.
const PREFIX: &str = "typed.";
/// The query of a form that is sent after its user's proof ([`super::confirm`]).
const CONFIRMED: &str = "confirmed";
/// An assignment names 1,000 BOLs. Other forms have 30 fields, and a selection of the inbox 200.
const MAX_FIELDS: usize = 1_100;

/// Why a form could not be answered. The address of the draft says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    SessionEnded,
    Unavailable,
    TooLarge,
    Failed,
}

impl Reason {
    const ALL: [(Self, &'static str); 4] = [
        (Self::SessionEnded, "session"),
        (Self::Unavailable, "unavailable"),
        (Self::TooLarge, "large"),
        (Self::Failed, "failed"),
    ];

    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::SessionEnded,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    fn of_query(query: &str) -> Option<Self> {
        let word = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "draft")?.1;
        Some(Self::ALL.into_iter().find(|(_, known)| *known == word).map_or(Self::Failed, |(reason, _)| reason))
    }

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(reason, _)| *reason == self).map_or("failed", |(_, word)| word)
    }

    /// What the form says when it is shown again. `state` is "Not issued yet", for example.
    pub fn problem(self, state: &'static str) -> Problem {
        let advice = match self {
            Self::SessionEnded => "Your session had ended. What you typed is below: check it, and send it again.",
            Self::Unavailable => "The portal was busy or away. What you typed is below: check it, and send it again.",
            Self::TooLarge => {
                "The form was larger than 128 KB. What you typed is below: shorten the longest text, and send it again."
            }
            Self::Failed => "Something went wrong. What you typed is below: check it, and send it again.",
        };
        Problem::new(format!("{state}.")).label(state).advice(advice)
    }
}

/// A form to be shown again: the address that does it, and what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub path: String,
    /// Names with their prefix, as they are sent again.
    pub fields: Vec<(String, String)>,
}

impl Draft {
    /// The draft of a form that this request has sent, if a browser sent it and its page can show it again.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let sent = request.extensions().get::<Sent>().cloned()?;
        let path = FormAddress::of(request.path())?.restored_path(request.path())?;
        accepts_html(request).then(|| Self { path, fields: sent.0.iter().map(with_prefix).collect() })
    }

    /// The draft that another form carries in its fields. `path` is checked here.
    pub fn carried(path: &str, fields: &[(String, String)]) -> Option<Self> {
        let is_restored = is_plain(path) && FormAddress::of(path).is_some_and(FormAddress::restores);
        is_restored.then(|| Self { path: path.into(), fields: typed(fields) })
    }

    /// The form that this request has sent without a fresh proof, to be sent again after it. Passwords are not kept.
    pub fn unproven(request: &HttpRequest) -> Option<Self> {
        let sent = request.extensions().get::<Sent>().cloned()?;
        FormAddress::of(request.path())?;
        Some(Self { path: request.path().into(), fields: sent.0.iter().map(with_prefix).collect() })
    }

    /// The draft of such a form. `path` is checked here.
    pub fn repeated(path: &str, fields: &[(String, String)]) -> Option<Self> {
        let is_form = is_plain(path) && FormAddress::of(path).is_some();
        is_form.then(|| Self { path: path.into(), fields: typed(fields) })
    }

    /// The page with the form.
    pub fn page(&self) -> Option<String> {
        Some(FormAddress::of(&self.path)?.page(&self.path))
    }

    /// The address that carries the form out after the proof.
    pub fn confirmed_href(&self) -> String {
        format!("{}?{CONFIRMED}", self.path)
    }

    /// The address that shows the form again.
    pub fn href(&self, reason: Reason) -> String {
        format!("{}?draft={}", self.path, reason.word())
    }
}

/// Whether a path has nothing that would end it, or lead elsewhere.
fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte))
}

/// The typed fields among those of another form, with their prefix.
fn typed(fields: &[(String, String)]) -> Vec<(String, String)> {
    fields.iter().filter(|(name, _)| name.starts_with(PREFIX)).take(MAX_FIELDS).cloned().collect()
}

fn with_prefix((name, value): &(String, String)) -> (String, String) {
    (format!("{PREFIX}{name}"), value.clone())
}

/// Whether the client is a browser that shows pages. Programs get short answers.
pub fn accepts_html(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.into_iter().any(|value| value.contains("text/html"))
}

/// The typed fields of a form that arrived whole.
#[derive(Clone)]
struct Sent(Vec<(String, String)>);

impl Sent {
    fn new(fields: impl Iterator<Item = (String, String)>) -> Self {
        let is_secret = |name: &str| name.contains("password") || name.contains("token");
        Self(fields.filter(|(name, _)| !is_secret(name)).take(MAX_FIELDS).collect())
    }
}

/// The reason why this request shows a draft again, if it does.
pub fn reason(request: &HttpRequest) -> Option<Reason> {
    request.extensions().get::<Reason>().copied()
}

/// Keeps the fields of a form until it is answered, and lets only the typed fields of a draft through.
pub async fn keep(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // Programs see no form again, and send none to a handler that admits them.
    if request.method() != Method::POST || !is_form || token_request::is_program(request.request()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let reason = Reason::of_query(request.query_string());
    if let Err(error) = take_fields(&mut request, reason).await {
        return Ok(request.error_response(error).map_body(|_, body| EitherBody::right(body)));
    }
    let mut response = next.call(request).await?;
    if reason.is_some() && response.status() == StatusCode::UNPROCESSABLE_ENTITY {
        // Nothing is wrong with a draft.
        *response.response_mut().status_mut() = StatusCode::OK;
    }
    Ok(response.map_into_left_body())
}

/// Reads the body, keeps its fields, and hands the handler what it may see.
async fn take_fields(request: &mut ServiceRequest, reason: Option<Reason>) -> Result<(), Error> {
    let address = FormAddress::of(request.path());
    if reason.is_some() && !address.is_some_and(FormAddress::restores) {
        // The handler would carry the form out.
        return Err(Error::BadRequest);
    }
    let viewer = LoginSession::of(request.request()).viewer().ok().flatten();
    let is_user = viewer.is_some();
    let most = if is_user && address.is_some() { MAX_DRAFT_BYTES } else { MAX_FORM_BYTES };
    let body = match read(request.take_payload(), most).await {
        Body::Whole(body) => body,
        // The handler refuses the user before it reads a form.
        Body::TooLarge(payload) if !is_user && address.is_some() => {
            request.set_payload(payload);
            return Ok(());
        }
        Body::TooLarge(_) => return Err(Error::TooLarge),
        Body::BrokenOff(payload) => {
            request.set_payload(payload);
            return Ok(());
        }
    };
    let fields = form_urlencoded::parse(&body).into_owned();
    if reason.is_none() && request.query_string() == CONFIRMED && address.is_some() {
        hand_over_typed(request, fields);
        return Ok(());
    }
    let Some(reason) = reason else {
        if address.is_some() {
            request.extensions_mut().insert(Sent::new(fields));
        }
        if body.len() > MAX_FORM_BYTES {
            // For the layout of the error page.
            if let Some(viewer) = viewer {
                request.extensions_mut().insert(viewer);
            }
            return Err(Error::TooLarge);
        }
        request.set_payload(Payload::from(body));
        return Ok(());
    };
    hand_over_typed(request, fields);
    request.extensions_mut().insert(reason);
    Ok(())
}

/// Lets the handler see the typed fields alone, without their prefix.
fn hand_over_typed(request: &mut ServiceRequest, fields: impl Iterator<Item = (String, String)>) {
    let typed = fields.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value)));
    let sent = Sent::new(typed);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&sent.0).finish();
    request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
    request.set_payload(Payload::from(Bytes::from(body)));
    request.extensions_mut().insert(sent);
}

enum Body {
    Whole(Bytes),
    TooLarge(Payload),
    /// The reader of the handler gets the same error.
    BrokenOff(Payload),
}

async fn read(mut payload: Payload, most: usize) -> Body {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        match chunk {
            Ok(chunk) if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
            chunk => {
                let is_broken = chunk.is_err();
                let begun = stream::iter([Ok::<_, PayloadError>(body.freeze()), chunk]);
                let payload: PayloadStream = Box::pin(begun.chain(payload));
                let payload = Payload::Stream { payload };
                return if is_broken { Body::BrokenOff(payload) } else { Body::TooLarge(payload) };
            }
        }
    }
    Body::Whole(body.freeze())
}

/// An error with which a handler shows its form again, without a message.
pub trait NotYet {
    fn not_yet() -> Self;
}

impl NotYet for SaveError {
    fn not_yet() -> Self {
        Self::Fields(FieldErrors::default())
    }
}

impl NotYet for PeopleError {
    fn not_yet() -> Self {
        Self::Fields(FieldErrors::default())
    }
}

impl NotYet for TokenChangeError {
    fn not_yet() -> Self {
        Self::Fields(FieldErrors::default())
    }
}

impl NotYet for WebhookError {
    fn not_yet() -> Self {
        Self::Fields(FieldErrors::default())
    }
}

impl NotYet for IssueError {
    fn not_yet() -> Self {
        Self::Invalid(FieldErrors::default())
    }
}
