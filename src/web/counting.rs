//! What the handlers count for the metrics: requests, and how logins ended.

use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::web::Data;

use super::Site;
use crate::accounts::factors::code::CodeError;
use crate::accounts::factors::passkeys::PasskeyError;
use crate::accounts::login::LoginError;
use crate::accounts::sessions::Step;
use crate::accounts::sso::SsoError;
use crate::metrics::Metrics;

const SUCCESS: &str = "success";
/// The password was right, and a second factor is missing.
const FACTOR_MISSING: &str = "factor_missing";
const REFUSED: &str = "refused";
/// Too many attempts, or too many at a time.
const THROTTLED: &str = "throttled";
/// The portal, its database or the issuer failed.
const ERROR: &str = "error";

/// How a login was proven. The name is the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Password,
    /// A link from an email, which set the password.
    Link,
    SecondFactor,
    Passkey,
    Sso,
}

impl Proof {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Link => "link",
            Self::SecondFactor => "second_factor",
            Self::Passkey => "passkey",
            Self::Sso => "sso",
        }
    }
}

/// Why a login failed, for the metrics.
pub trait LoginFailure {
    fn outcome(&self) -> &'static str;
}

impl LoginFailure for LoginError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Wrong | Self::SsoRequired => REFUSED,
            Self::Slowed(_) | Self::Busy(_) => THROTTLED,
            Self::Db(_) => ERROR,
        }
    }
}

impl LoginFailure for CodeError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Slowed(_) => THROTTLED,
            Self::Db(_) => ERROR,
            _ => REFUSED,
        }
    }
}

impl LoginFailure for PasskeyError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Slowed(_) => THROTTLED,
            Self::Internal(_) | Self::Db(_) => ERROR,
            _ => REFUSED,
        }
    }
}

impl LoginFailure for SsoError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::TooMany => THROTTLED,
            Self::Issuer(_) | Self::Db(_) => ERROR,
            _ => REFUSED,
        }
    }
}

impl Site {
    /// Counts an attempt to log in: what the session still waits for, or why there is none.
    pub fn count_login<E: LoginFailure>(&self, proof: Proof, result: Result<Option<Step>, &E>) {
        let outcome = match result {
            Ok(None) => SUCCESS,
            Ok(Some(_)) => FACTOR_MISSING,
            Err(error) => error.outcome(),
        };
        if let Some(metrics) = &self.metrics {
            metrics.login(proof.as_str(), outcome);
        }
    }
}

/// Counts an answered request by the pattern of its route.
pub fn count_request<B>(response: &ServiceResponse<B>, method: &Method, duration: Duration) {
    let request = response.request();
    let metrics: Option<&Metrics> = request.app_data::<Data<Site>>().and_then(|site| site.metrics.as_ref());
    if let Some(metrics) = metrics {
        metrics.request(request.match_pattern(), method.as_str(), response.status().as_u16(), duration);
    }
}
