//! The secrets of mailed links, derived from `SECRET_KEY` and a seed. The outbox and its backups hold no link that
//! works.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::SecretKey;

#[derive(Clone)]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    pub fn new(secret: &SecretKey) -> Self {
        Self(secret.derive("primetrade mailed links v1"))
    }

    /// Returns the secret of a link; the same for the same seed.
    pub fn secret(&self, seed: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(seed.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}
