//! Cookies besides the session’s: known devices, those that are not asked for the second factor, and the one that binds a
//! passkey’s challenge.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};

use super::{Error, Site};
use crate::accounts::factors::remembered;
use crate::accounts::{DeviceKey, sso};

/// Longer than a challenge is good for, so that several in a row share the cookie.
const PASSKEY_SECONDS: i64 = 600;

/// A cookie of its own, which no other site sends and no script reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongCookie {
    /// A browser in which the account has logged in before ([`DeviceKey`]).
    Device,
    /// A browser that is not asked for the second factor ([`remembered`]).
    Remembered,
    /// A browser that has begun a login by single sign-on ([`sso`]).
    SingleSignOn,
    /// A browser that was asked for a passkey before the login.
    Passkey,
}

impl LongCookie {
    /// Browsers accept the prefix `__Host-` over https only.
    fn name(self, site: &Site) -> &'static str {
        match (self, site.public_url.is_https()) {
            (Self::Device, true) => "__Host-device",
            (Self::Device, false) => "device",
            (Self::Remembered, true) => "__Host-remembered",
            (Self::Remembered, false) => "remembered",
            (Self::SingleSignOn, true) => "__Host-sso",
            (Self::SingleSignOn, false) => "sso",
            (Self::Passkey, true) => "__Host-passkey",
            (Self::Passkey, false) => "passkey",
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Device => DeviceKey::LIFE.num_seconds(),
            Self::Remembered => remembered::LIFE.num_seconds(),
            Self::SingleSignOn => sso::LIFE.num_seconds(),
            Self::Passkey => PASSKEY_SECONDS,
        }
    }

    /// The value that the browser sent.
    pub fn of(self, request: &HttpRequest, site: &Site) -> Option<String> {
        request.cookie(self.name(site)).map(|cookie| cookie.value().to_owned())
    }

    pub fn set(self, response: &mut HttpResponse, site: &Site, value: String) -> Result<(), Error> {
        let cookie = Cookie::build(self.name(site), value)
            .path("/")
            .http_only(true)
            .secure(site.public_url.is_https())
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(self.seconds()))
            .finish();
        response.add_cookie(&cookie).map_err(|error| Error::Internal(error.to_string()))
    }
}
