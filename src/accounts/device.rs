//! Browsers in which an account has logged in before, so that guessing elsewhere never delays its owner.
//!
//! A login sets a second cookie. It carries an HMAC over the account, the day, and the password's hash, so a new
//! password invalidates all of them. Attempts with such a cookie are counted separately ([`super::throttle`]). The
//! cookie is worth nothing without the password. The idea is OWASP's "Slow Down Online Guessing Attacks with Device
//! Cookies".

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore as _;
use sha2::Sha256;

use super::users;
use crate::config::SecretKey;

#[derive(Clone)]
pub struct DeviceKey([u8; 32]);

/// A device that is known for the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

impl Device {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl DeviceKey {
    /// The time without a login after which a browser is forgotten.
    pub const LIFE: TimeDelta = TimeDelta::days(365);

    pub fn new(secret: &SecretKey) -> Self {
        Self(secret.derive("primetrade device cookie v1"))
    }

    /// Returns the cookie for a device on which this account has just logged in, or `None` without randomness.
    pub(super) fn issue(&self, email: &str, password_hash: &str, now: DateTime<Utc>) -> Option<String> {
        let mut bytes = [0; 16];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).ok()?;
        let id = format!("{}.{}", hex::encode(bytes), now.timestamp());
        let mac = hex::encode(self.mac(email, password_hash, &id).finalize().into_bytes());
        Some(format!("{id}.{mac}"))
    }

    /// Returns the device, if this cookie was issued for this account and password, and recently enough.
    pub(super) fn recognize(
        &self,
        cookie: &str,
        email: &str,
        password_hash: &str,
        now: DateTime<Utc>,
    ) -> Option<Device> {
        let (id, mac) = cookie.rsplit_once('.')?;
        self.mac(email, password_hash, id).verify_slice(&hex::decode(mac).ok()?).ok()?;
        let (_, issued) = id.split_once('.')?;
        let age = now.timestamp() - issued.parse::<i64>().ok()?;
        (age < Self::LIFE.num_seconds()).then(|| Device(id.into()))
    }

    fn mac(&self, email: &str, password_hash: &str, id: &str) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in [id, &users::one_spelling(email), password_hash] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_account_and_password_and_for_a_year() {
        let now: DateTime<Utc> = "2026-11-25T12:00:00Z".parse().expect("a time");
        let key = DeviceKey::new(&SecretKey::from_bytes(vec![7; 64]));
        let cookie = key.issue("Jane@Example.com", "hash", now).expect("randomness");
        assert!(key.recognize(&cookie, " jane@example.com", "hash", now).is_some());
        assert_eq!(key.recognize(&cookie, "joe@example.com", "hash", now), None);
        assert_eq!(key.recognize(&cookie, "jane@example.com", "new hash", now), None);
        assert_eq!(key.recognize(&cookie, "jane@example.com", "hash", now + DeviceKey::LIFE), None);
        let other = DeviceKey::new(&SecretKey::from_bytes(vec![8; 64]));
        assert_eq!(other.recognize(&cookie, "jane@example.com", "hash", now), None);
        for bad in ["", ".", "..", "x.y.z", &cookie[1..], &cookie.replace('.', "")] {
            assert_eq!(key.recognize(bad, "jane@example.com", "hash", now), None, "{bad:?}");
        }
    }
}
