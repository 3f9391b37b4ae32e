//! The link to the issuer of single sign-on.

use url::form_urlencoded::byte_serialize;

use super::Site;

pub const BEGIN: &str = "/login/sso";
pub const CONFIRM: &str = "/login/sso/confirm";
pub const LOG_OUT: &str = "/login/sso/out";

/// The link with which a login begins.
pub struct SsoLink {
    /// The issuer's name.
    pub label: String,
    pub href: String,
}

impl SsoLink {
    /// A login that leads on to `next`. `None`: there is no issuer.
    pub fn new(site: &Site, next: &str) -> Option<Self> {
        Self::to(BEGIN, site, next)
    }

    /// The same for a logged-in user who confirms who they are.
    pub fn to_confirm(site: &Site, next: &str) -> Option<Self> {
        Self::to(CONFIRM, site, next)
    }

    fn to(path: &str, site: &Site, next: &str) -> Option<Self> {
        let label = site.sso.as_ref()?.label().to_owned();
        let href = match next {
            "" | "/" => path.to_owned(),
            next => format!("{path}?next={}", byte_serialize(next.as_bytes()).collect::<String>()),
        };
        Some(Self { label, href })
    }
}
