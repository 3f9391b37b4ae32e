//! Browsers in which somebody has logged in before, so that guessing elsewhere never makes their owner wait.
//!
//! A log-in leaves a second cookie that says for which account it was and carries an HMAC over that. Attempts with
//! such a cookie are counted by themselves ([`super::throttle`]). It opens nothing without the password. The idea is
//! OWASP's ("Slow Down Online Guessing Attacks with Device Cookies").

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore as _;
use sha2::Sha256;

use crate::config::SecretKey;

#[derive(Clone)]
pub struct DeviceKey([u8; 32]);

/// A device that is known for the account at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

impl Device {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeviceKey {
    pub fn new(secret: &SecretKey) -> Self {
        Self(secret.derive("primetrade device cookie v1"))
    }

    /// The cookie for a device on which this account has just logged in; `None` without randomness.
    pub fn issue(&self, email: &str) -> Option<String> {
        let mut bytes = [0; 16];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).ok()?;
        let id = hex::encode(bytes);
        let mac = hex::encode(self.mac(email, &id).finalize().into_bytes());
        Some(format!("{id}.{mac}"))
    }

    /// The device, if this cookie was issued for this very account.
    pub fn recognise(&self, email: &str, cookie: &str) -> Option<Device> {
        let (id, mac) = cookie.split_once('.').filter(|(id, _)| id.len() == 32)?;
        self.mac(email, id).verify_slice(&hex::decode(mac).ok()?).ok()?;
        Some(Device(id.into()))
    }

    fn mac(&self, email: &str, id: &str) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(id.as_bytes());
        mac.update(email.trim().to_lowercase().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_account_alone() {
        let key = DeviceKey::new(&SecretKey::from_bytes(vec![7; 64]));
        let cookie = key.issue("Jane@Example.com").expect("randomness");
        assert!(key.recognise(" jane@example.com", &cookie).is_some());
        assert_eq!(key.recognise("joe@example.com", &cookie), None);
        let other = DeviceKey::new(&SecretKey::from_bytes(vec![8; 64]));
        assert_eq!(other.recognise("jane@example.com", &cookie), None);
        for bad in ["", ".", "x.y", &cookie[1..], &cookie.replace('.', "")] {
            assert_eq!(key.recognise("jane@example.com", bad), None, "{bad:?}");
        }
    }
}
