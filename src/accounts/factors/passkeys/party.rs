//! The portal as passkeys know it: by its host name (the "relying party").

use std::time::Duration;

use url::Url;
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::ceremony::LIFE;
use crate::config::PublicUrl;

/// What browsers and password managers show.
const NAME: &str = "PrimeTrade BOL portal";

/// Checks answers for this portal. Passkeys belong to the host of `PUBLIC_URL`, and work on no other.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    pub(super) webauthn: Webauthn,
}

impl RelyingParty {
    /// Returns `None` if browsers have no passkeys for this address: one without a host name, or without https. Browsers
    /// make an exception for `localhost` ([secure contexts](https://www.w3.org/TR/secure-contexts/)).
    pub fn new(public_url: &PublicUrl) -> Option<Self> {
        let host = public_url.host_name()?;
        if !public_url.is_https() && !public_url.is_loopback() {
            return None;
        }
        let origin: Url = public_url.origin().parse().ok()?;
        let life = Duration::from_secs(LIFE.num_seconds().unsigned_abs());
        let webauthn = WebauthnBuilder::new(host, &origin).ok()?.rp_name(NAME).timeout(life).build().ok()?;
        Some(Self { webauthn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_host_name_and_https() {
        let has_passkeys = |url: &str| RelyingParty::new(&url.parse().expect("a URL")).is_some();
        for url in ["https://portal.example.com", "https://portal.example.com:8443", "http://localhost:8080"] {
            assert!(has_passkeys(url), "{url}");
        }
        for url in ["http://127.0.0.1:8080", "https://192.0.2.1", "https://[2001:db8::1]", "http://portal.example.com"]
        {
            assert!(!has_passkeys(url), "{url}");
        }
    }
}
