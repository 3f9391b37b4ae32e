//! Single sign-on with OpenID Connect: the authorization code flow with PKCE, `state` and `nonce`.
//!
//! [`SingleSignOn::begin`] sends the browser to the issuer. Its answer comes back with the browser, and
//! [`SingleSignOn::finish`] opens the session. What the issuer says counts only after the checks in [`id_token`], and an
//! issuer opens no login but those that [`identity`] links to it.

mod discovery;
mod exchange;
mod http;
mod id_token;
pub mod identity;
mod keys;
mod person;
mod running;

use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use url::Url;

use self::discovery::{Discovery, Metadata};
use self::exchange::{Exchange, ExchangeError};
use self::http::Http;
use self::identity::{Denial, Linking};
use self::keys::Keys;
use self::person::{ClaimedRole, Person};
use self::running::{Running, StateFault};
use super::entry::{Entry, Method, Opened};
use super::factor_policy::SSO;
use super::throttle::{Attempt, Decision};
use super::viewer::FRESH;
use super::{Policy, Token, Viewer, step_up};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::config::OidcConfig;
use crate::db::{Database, DbError};

pub use http::IssuerFault;
pub use running::LIFE;

/// The path of the issuer's answers.
pub const CALLBACK: &str = "/login/sso/callback";

/// The configured issuer. Its documents are kept in memory for minutes; everything else is in the database.
pub struct SingleSignOn {
    config: OidcConfig,
    /// Of the portal.
    public_origin: String,
    redirect_uri: String,
    http: Http,
    discovery: Discovery,
    keys: Keys,
}

/// The parameters of the issuer's answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Callback {
    pub code: String,
    pub state: String,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    pub error: Option<String>,
}

/// The browser that has the issuer's answer.
pub struct Visitor<'a> {
    pub origin: &'a Origin,
    /// Its cookie from the begin of the login.
    pub browser: Option<&'a str>,
    /// The user who is logged in in this browser now.
    pub replaces: Option<&'a Viewer>,
}

/// What happened to an answer: the page that it leads to, and the session or why there is none.
pub struct Finished {
    pub next: String,
    pub outcome: Result<Opened, SsoError>,
}

#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
    /// Too many logins of this network are running.
    #[error("too many running logins")]
    TooMany,
    /// The answer belongs to no running login.
    #[error("no running login")]
    NotRunning,
    #[error("begun in another browser")]
    OtherBrowser,
    /// The issuer has refused the login. The word is its error code.
    #[error("the issuer says {0}")]
    Declined(String),
    /// The code was used before, or is no code of this issuer.
    #[error("the issuer refuses the code")]
    Code,
    /// The text says what is wrong with the answer.
    #[error("invalid answer: {0}")]
    Invalid(String),
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(SsoError);

impl SsoError {
    /// The reason in the log. `None`: no login was refused.
    fn reason(&self) -> Option<String> {
        match self {
            Self::Issuer(_) => Some("issuer_unavailable".into()),
            // Anyone can make up a state. The log would only grow.
            Self::NotRunning | Self::TooMany | Self::Db(_) => None,
            Self::OtherBrowser => Some("other_browser".into()),
            Self::Declined(word) => Some(format!("issuer_{word}")),
            Self::Code => Some("code_refused".into()),
            Self::Invalid(what) => Some(format!("id_token_{what}")),
            Self::Denied(denial) => Some(denial.to_string()),
        }
    }
}

impl From<ExchangeError> for SsoError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Issuer(fault) => Self::Issuer(fault),
            ExchangeError::Code => Self::Code,
            ExchangeError::Token(fault) => Self::Invalid(fault.to_string()),
        }
    }
}

/// Keeps an issuer's word for an error out of trouble: it appears in the log.
fn error_word(word: &str) -> String {
    let is_word = (1..=40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_word { word.into() } else { "error".into() }
}

impl SingleSignOn {
    /// `public_origin` is the portal's address.
    pub fn new(config: OidcConfig, public_origin: String) -> Self {
        let redirect_uri = format!("{public_origin}{CALLBACK}");
        let (discovery, keys) = (Discovery::default(), Keys::default());
        Self { config, public_origin, redirect_uri, http: Http::new(), discovery, keys }
    }

    /// The issuer's name on pages.
    pub fn label(&self) -> &str {
        &self.config.label
    }

    /// The portal's address for the issuer's answers, which the issuer must know.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Asks the issuer for its addresses and its keys, for `primetrade check`. Returns where logins lead.
    pub async fn probe(&self, now: DateTime<Utc>) -> Result<String, IssuerFault> {
        let metadata = self.metadata(now).await?;
        let keys = self.http.get(&metadata.keys, None).await?;
        match keys["keys"].as_array().map_or(0, Vec::len) {
            0 => Err(IssuerFault(format!("{} has no keys", metadata.keys))),
            _ => Ok(metadata.authorization.origin().ascii_serialization()),
        }
    }

    async fn metadata(&self, now: DateTime<Utc>) -> Result<Arc<Metadata>, IssuerFault> {
        self.discovery.metadata(&self.http, &self.config, now).await
    }

    /// Begins a login of this browser, and returns the issuer's address for it. `browser` is the value of the cookie that
    /// the answer must come with. A logged-in user who `confirms` has to log in at the issuer again.
    pub async fn begin(
        &self,
        db: &Database,
        now: DateTime<Utc>,
        browser: &Token,
        (next, confirms, address): (&str, Option<&Viewer>, Option<IpAddr>),
    ) -> Result<Url, SsoError> {
        let metadata = self.metadata(now).await?;
        let confirms = confirms.map(|viewer| viewer.user_id);
        let begun = running::begin(&mut *db.get().await?, now, browser, (next, confirms, address)).await?;
        let begun = begun.ok_or(SsoError::TooMany)?;
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", begun.state.as_str())
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &begun.challenge)
            .append_pair("code_challenge_method", "S256");
        if confirms.is_some() {
            url.query_pairs_mut().append_pair("prompt", "login").append_pair("max_age", "0");
        }
        Ok(url)
    }

    /// Opens a session for the issuer's answer, and records how it went.
    pub async fn finish(
        &self,
        db: &Database,
        (clock, policy): (&Clock, &Policy),
        visitor: &Visitor<'_>,
        answer: &Callback,
    ) -> Result<Finished, DbError> {
        let (state, browser) = (Token::presented(&answer.state), visitor.browser.map(Token::presented));
        let taken = running::take(&mut *db.get().await?, clock.now(), &state, browser.as_ref()).await?;
        let running = match taken {
            Ok(running) => running,
            Err(fault) => {
                let error = match fault {
                    StateFault::OtherBrowser => SsoError::OtherBrowser,
                    StateFault::Unknown | StateFault::Expired => SsoError::NotRunning,
                };
                self.record((db, clock.now()), visitor, None, &error).await?;
                return Ok(Finished { next: "/".into(), outcome: Err(error) });
            }
        };
        let mut person = None;
        let outcome = match self.person(clock.now(), answer, &running).await {
            Ok(found) => {
                let opened = self.open(db, (clock.now(), policy), visitor, (&found, running.confirms)).await;
                person = Some(found);
                opened
            }
            Err(error) => Err(error),
        };
        match outcome {
            Err(SsoError::Db(error)) => return Err(error),
            Err(ref error) => self.record((db, clock.now()), visitor, person.as_ref(), error).await?,
            Ok(_) => {}
        }
        Ok(Finished { next: running.next, outcome })
    }

    /// Returns the person for whom the issuer answers.
    async fn person(&self, now: DateTime<Utc>, answer: &Callback, running: &Running) -> Result<Person, SsoError> {
        let metadata = self.metadata(now).await?;
        match &answer.iss {
            Some(issuer) if *issuer != self.config.issuer => return Err(SsoError::Invalid("issuer".into())),
            None if metadata.names_itself => return Err(SsoError::Invalid("issuer".into())),
            _ => {}
        }
        if let Some(error) = &answer.error {
            return Err(SsoError::Declined(error_word(error)));
        }
        let Self { http, config, keys, redirect_uri, .. } = self;
        let exchange = Exchange { http, config, metadata: &metadata, keys, redirect_uri, now };
        let claims: Value = exchange.claims(&answer.code, running).await?;
        Ok(Person::read(&claims, config))
    }

    async fn open(
        &self,
        db: &Database,
        (now, policy): (DateTime<Utc>, &Policy),
        visitor: &Visitor<'_>,
        (person, confirms): (&Person, Option<i64>),
    ) -> Result<Opened, SsoError> {
        let linking = Linking { config: &self.config, origin: visitor.origin, now };
        db.transaction(async |connection: &mut AsyncPgConnection| {
            let resolved = match linking.resolve(connection, person).await? {
                Ok(resolved) => resolved,
                Err(denial) => return Ok(Err(denial)),
            };
            let user = resolved.user;
            if let Some(user_id) = confirms {
                let viewer = visitor.replaces.filter(|viewer| viewer.user_id == user_id && user.id == user_id);
                let Some(viewer) = viewer else { return Ok(Err(Denial::AnotherUser)) };
                let renewed = step_up::note(connection, now, (viewer, visitor.origin), SSO).await?;
                let renewed = renewed.map(|session| Opened { session, waits_for: None });
                return Ok(renewed.ok_or(Denial::AnotherUser));
            }
            let mut detail = json!({"issuer": self.config.issuer});
            if let ClaimedRole::Role(role) = person.role {
                detail["claimed_role"] = json!(role);
            }
            let entry = Entry {
                user: &user,
                method: match resolved.is_new_link {
                    true => Method::SsoLinking,
                    false => Method::Sso { recent: person.has_logged_in_since(now - FRESH) },
                },
                origin: visitor.origin,
                replaces: visitor.replaces,
                remembered: None,
                detail,
            };
            Ok::<_, DbError>(Ok(entry.open(connection, now, policy).await?))
        })
        .await?
        .map_err(SsoError::from)
    }

    /// Records a login that failed, with what the issuer says about the person.
    async fn record(
        &self,
        (db, now): (&Database, DateTime<Utc>),
        visitor: &Visitor<'_>,
        person: Option<&Person>,
        error: &SsoError,
    ) -> Result<(), DbError> {
        if let SsoError::Issuer(fault) = error {
            tracing::warn!("single sign-on: {fault}");
        }
        let Some(reason) = error.reason() else { return Ok(()) };
        let mut connection = db.get().await?;
        // Anyone can make such answers up, and the log must not grow with them. The first one of a waiting period counts.
        let mut attempt = Attempt::sso(visitor.origin.ip);
        let is_refused = matches!(attempt.begin(&mut connection, now).await?, Decision::Refuse(_));
        if is_refused && !attempt.is_first_refusal(&mut connection, now).await? {
            return Ok(());
        }
        let action = if is_refused { Action::LoginBlocked } else { Action::LoginFailed };
        let mut detail = json!({"method": "sso", "issuer": self.config.issuer, "reason": reason});
        if let Some(person) = person {
            detail["subject"] = json!(person.subject);
        }
        let email = person.and_then(|person| person.email.as_deref()).unwrap_or("-");
        let email: String = email.chars().filter(|c| !c.is_control()).take(254).collect();
        let outcome = if matches!(error, SsoError::Issuer(_)) { Outcome::Failed } else { Outcome::Denied };
        let event = Event::new(action, outcome, Actor::named(&email), visitor.origin).detail(detail);
        Ok(audit::record(&connection, &event).await?)
    }

    /// Returns the issuer's address that ends the user's session there (RP-Initiated Logout 1.0). `None`: it has none.
    pub async fn end_session(&self, now: DateTime<Utc>) -> Result<Option<Url>, IssuerFault> {
        let metadata = self.metadata(now).await?;
        Ok(metadata.end_session.clone().map(|mut url| {
            url.query_pairs_mut()
                .append_pair("client_id", &self.config.client_id)
                .append_pair("post_logout_redirect_uri", &format!("{}/login", self.public_origin));
            url
        }))
    }
}
