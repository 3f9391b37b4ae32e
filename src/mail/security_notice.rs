//! Emails that tell a user of a change to how the login is protected. Everyone gets them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::local_time;

/// What has happened to a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SecurityNotice {
    AppAdded,
    AppRemoved,
    /// New recovery codes replace the former ones.
    RecoveryCodesReplaced,
    RecoveryCodeUsed {
        left: i64,
    },
    PasskeyAdded {
        passkey: String,
    },
    PasskeyRemoved {
        passkey: String,
    },
    /// The sign count of a passkey shows that there may be a copy.
    PasskeyCopied,
    /// An API token was made for the login.
    TokenMade {
        token: String,
    },
    /// An API token was revoked, because a program sent it in a URL.
    TokenExposed {
        token: String,
        /// The service account that it belonged to, or `None` for the reader's own.
        service: Option<String>,
    },
    /// An API token ends soon.
    TokenEnds {
        token: String,
        /// The service account that it belongs to, or `None` for the reader's own.
        service: Option<String>,
        ends: DateTime<Utc>,
    },
    /// By an administrator.
    FactorsReset,
    /// A login from a browser or a network that the user has not used before.
    NewDevice {
        /// "Firefox on Windows"
        device: String,
        ip: String,
        at: DateTime<Utc>,
        /// Of the link that ends every session.
        seed: String,
    },
    /// Single sign-on opens the login from now on.
    SsoLinked {
        label: String,
    },
    /// Someone who knows the password typed many wrong codes.
    WrongCodes,
}

impl SecurityNotice {
    /// The name in the outbox and in file names.
    pub fn purpose(&self) -> &'static str {
        match self {
            Self::WrongCodes => "wrong-codes",
            Self::NewDevice { .. } => "new-device",
            Self::PasskeyCopied => "passkey-copied",
            Self::TokenEnds { .. } => "token-ends",
            Self::TokenExposed { .. } => "token-exposed",
            _ => "security",
        }
    }

    /// The subject, and what has happened.
    pub(super) fn text(&self) -> (&'static str, String) {
        match self {
            Self::AppAdded => (
                "An authenticator app protects your login now",
                "An authenticator app was just set up for your login at the PrimeTrade BOL portal. From now on, logging in \
                 asks for its code."
                    .to_owned(),
            ),
            Self::AppRemoved => (
                "The authenticator app of your login was removed",
                "The authenticator app of your login at the PrimeTrade BOL portal was just removed. Its codes no \
                 longer work."
                    .to_owned(),
            ),
            Self::RecoveryCodesReplaced => (
                "You have new recovery codes",
                "New recovery codes were just made for your login at the PrimeTrade BOL portal. The earlier ones no longer \
                 work."
                    .to_owned(),
            ),
            Self::RecoveryCodeUsed { left } => (
                "A recovery code was used for your login",
                format!(
                    "A recovery code of your login at the PrimeTrade BOL portal was just used. {} If you have a new phone, \
                     set up its authenticator app under Account.",
                    match left {
                        0 => "It was the last one: make new codes under Account.".to_owned(),
                        1 => "One is left.".to_owned(),
                        left => format!("{left} are left."),
                    }
                ),
            ),
            Self::PasskeyAdded { passkey } => (
                "A passkey was added to your login",
                passkey_text(passkey, "added to", "It logs you in without a password. If you didn’t add it, remove it under \
                    Account: a new password alone does not."),
            ),
            Self::PasskeyRemoved { passkey } => (
                "A passkey of your login was removed",
                passkey_text(passkey, "removed from", "It no longer logs you in."),
            ),
            Self::PasskeyCopied => ("There may be a copy of your passkey", COPIED.to_owned()),
            Self::TokenMade { token } => (
                "An API token was made for your login",
                format!(
                    "The API token “{token}” was just made for your login at the PrimeTrade BOL portal. Programs that have it act \
                     in your name. If you didn’t make it, revoke it under Account, API tokens: a new password alone does not."
                ),
            ),
            Self::TokenExposed { token, service } => {
                ("An API token was revoked, because it was in a URL", token_exposed(token, service.as_deref()))
            }
            Self::TokenEnds { token, service, ends } => ("An API token ends soon", token_ends(token, service.as_deref(), *ends)),
            Self::FactorsReset => (
                "The second factors of your login were removed",
                "An administrator has just removed the second factors of your login at the PrimeTrade BOL portal, and has \
                 ended your sessions. Log in with your password, and set up a second factor again."
                    .to_owned(),
            ),
            Self::NewDevice { device, ip, at, .. } => (
                "A new device logged in to your PrimeTrade account",
                format!(
                    "Your login at the PrimeTrade BOL portal was just used on a device that you have not used before: {device}, \
                     from the address {ip}, on {}. If that was you, ignore this email.",
                    local_time::to_minute(*at, chrono_tz::UTC)
                ),
            ),
            Self::SsoLinked { label } => (
                "Single sign-on was linked to your login",
                format!(
                    "You have just logged in to the PrimeTrade BOL portal with {label} for the first time. From now on, \
                     your login there opens the portal too."
                ),
            ),
            Self::WrongCodes => (
                "Someone typed wrong codes for your login",
                "Someone who knows your password for the PrimeTrade BOL portal has typed several wrong codes. The portal \
                 slows further attempts down."
                    .to_owned(),
            ),
        }
    }
}

const COPIED: &str = "A passkey of your login at the PrimeTrade BOL portal was just refused. Its counter shows that someone may \
                      have a copy of it. Remove the passkey under Account, and add a new one.";

fn token_exposed(token: &str, service: Option<&str>) -> String {
    format!(
        "A program has just sent the API token “{token}” of {} to the PrimeTrade BOL portal in the address of a request (URL). \
         Proxies and logs keep addresses, so the portal has revoked the token, and the program is refused from now on. Make a new \
         token, and have the program send it in the header Authorization.",
        owner(service)
    )
}

/// "your login", or the service account.
fn owner(service: Option<&str>) -> String {
    service.map_or_else(|| "your login".to_owned(), |service| format!("the service account “{service}”"))
}

fn token_ends(token: &str, service: Option<&str>, ends: DateTime<Utc>) -> String {
    let of = owner(service);
    format!(
        "The API token “{token}” of {of} at the PrimeTrade BOL portal ends on {}. Programs that use it stop working then. \
         Make a new token in time, give it to the program, and revoke this one.",
        local_time::to_minute(ends, chrono_tz::UTC)
    )
}

fn passkey_text(passkey: &str, what: &str, then: &str) -> String {
    format!("The passkey “{passkey}” was just {what} your login at the PrimeTrade BOL portal. {then}")
}
