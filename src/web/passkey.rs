//! What pages with a passkey share: the button, the answer with the options, and what a refusal says.
//!
//! `static/passkeys.js` shows the button, and sends the passkey's answer with the form of the button, as the field `passkey`.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;
use askama::filters::HtmlSafe;
use serde_json::Value;

use super::page::Layout;
use super::problem::Problem;
use super::wait::in_words;
use super::{Error, Site};
use crate::accounts::factors::passkeys::authentication::PasskeyChecker;
use crate::accounts::factors::passkeys::{PasskeyError, RelyingParty};
use crate::audit::Origin;
use crate::db::Database;

/// The field of a form with the passkey's answer.
pub const FIELD: &str = "passkey";
const SCRIPT: &str = "passkeys.js";

/// A button that asks for a passkey. Without the script it is hidden.
#[derive(Template)]
#[template(path = "passkey_button.html")]
pub struct PasskeyButton {
    label: &'static str,
    /// The address of the options.
    options: &'static str,
    /// `get` or `create`.
    kind: &'static str,
    is_primary: bool,
    /// The browser offers passkeys in the list below a field, too.
    is_offered: bool,
}

/// The template escapes what it shows.
impl HtmlSafe for PasskeyButton {}

impl PasskeyButton {
    /// Asks for a passkey that exists.
    pub fn get(label: &'static str, options: &'static str) -> Self {
        Self { label, options, kind: "get", is_primary: false, is_offered: false }
    }

    /// Makes a passkey.
    pub fn create(label: &'static str, options: &'static str) -> Self {
        Self { kind: "create", ..Self::get(label, options) }
    }

    pub fn primary(self, is_primary: bool) -> Self {
        Self { is_primary, ..self }
    }

    pub fn offered(self) -> Self {
        Self { is_offered: true, ..self }
    }

    /// The button, if the portal's address has passkeys.
    pub fn on(self, site: &Site) -> Option<Self> {
        site.passkeys.is_some().then_some(self)
    }
}

impl Layout {
    /// Runs the script on a page that has the button.
    pub fn passkey_script(self, site: &Site, button: Option<&PasskeyButton>) -> Self {
        if button.is_some() { self.script(site, SCRIPT) } else { self }
    }
}

impl Site {
    /// Passkeys of this portal, or the error that its address has none.
    pub fn relying_party(&self) -> Result<&RelyingParty, Error> {
        const NONE: &str = "Passkeys need a portal with a host name and https. Use another way.";
        self.passkeys.as_ref().ok_or_else(|| Error::Conflict(NONE.into()))
    }

    pub fn passkey_checker<'a>(&'a self, db: &'a Database, origin: &'a Origin) -> Result<PasskeyChecker<'a>, Error> {
        Ok(PasskeyChecker { db, clock: &self.clock, party: self.relying_party()?, policy: &self.factor_policy, origin })
    }
}

/// Answers a script that asks for options: JSON, or problem JSON.
pub fn options(begun: Result<Value, PasskeyError>) -> Result<HttpResponse, Error> {
    match begun {
        Ok(options) => Ok(HttpResponse::Ok().json(options)),
        Err(PasskeyError::Slowed(wait)) => Err(Error::TooMany(too_many(wait))),
        Err(PasskeyError::Ended) => Err(Error::LoginRequired),
        Err(PasskeyError::Internal(cause)) => Err(Error::Internal(cause)),
        Err(PasskeyError::Db(error)) => Err(error.into()),
        Err(error) => Err(Error::Conflict(error.to_string())),
    }
}

/// What a page says about an answer that was not accepted, and how long to wait.
pub fn refusal(error: PasskeyError) -> Result<(Problem, Option<Duration>), Error> {
    match error {
        PasskeyError::Ended => Err(Error::LoginRequired),
        PasskeyError::Internal(cause) => Err(Error::Internal(cause)),
        PasskeyError::Db(error) => Err(error.into()),
        PasskeyError::Slowed(wait) => Ok((Problem::new(too_many(wait)), Some(wait))),
        error => Ok((Problem::new(error.to_string()), None)),
    }
}

fn too_many(wait: Duration) -> String {
    format!("Too many attempts. Try again in {}.", in_words(wait))
}
