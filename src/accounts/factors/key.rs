//! The keys that protect second factors in the database, derived from `SECRET_KEY`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::{Secret, SecretKey};

/// Encrypts the secrets of authenticator apps, and hashes recovery codes.
#[derive(Clone, Debug)]
pub struct FactorKey {
    encryption: Secret<[u8; 32]>,
    hashing: Secret<[u8; 32]>,
}

impl FactorKey {
    pub fn new(secret: &SecretKey) -> Self {
        Self {
            encryption: Secret(secret.derive("primetrade totp secrets v1")),
            hashing: Secret(secret.derive("primetrade recovery codes v1")),
        }
    }

    /// Encrypts a secret of this user: nonce, ciphertext and tag (AES-256-GCM, NIST SP 800-38D). `None` without
    /// randomness.
    pub(super) fn encrypt(&self, user_id: i64, secret: &[u8]) -> Option<Vec<u8>> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.encryption.0).ok()?;
        let mut sealed = secret.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(user_id.to_be_bytes()), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Decrypts a secret of this user. `None` if it was altered, belongs to another user, or has another key.
    pub(super) fn decrypt(&self, user_id: i64, stored: &[u8]) -> Option<Vec<u8>> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.encryption.0).ok()?;
        let (nonce, sealed) = stored.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let secret = key.open_in_place(nonce, Aad::from(user_id.to_be_bytes()), &mut sealed).ok()?;
        Some(secret.to_vec())
    }

    /// Hashes a recovery code of this user.
    pub(super) fn hash(&self, user_id: i64, code: &str) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.hashing.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(&user_id.to_be_bytes());
        mac.update(code.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_only_for_its_user_unaltered_and_with_its_key() {
        let key = FactorKey::new(&SecretKey::from_bytes(vec![7; 64]));
        let stored = key.encrypt(4, b"twenty bytes of it..").expect("randomness");
        assert_eq!(key.decrypt(4, &stored).as_deref(), Some(b"twenty bytes of it..".as_slice()));
        assert_ne!(stored, key.encrypt(4, b"twenty bytes of it..").expect("randomness"));
        assert_eq!(key.decrypt(5, &stored), None);
        assert_eq!(FactorKey::new(&SecretKey::from_bytes(vec![8; 64])).decrypt(4, &stored), None);
        for at in 0..stored.len() {
            let mut altered = stored.clone();
            altered[at] ^= 1;
            assert_eq!(key.decrypt(4, &altered), None, "byte {at}");
        }
        for short in 0..NONCE_LEN + 16 {
            assert_eq!(key.decrypt(4, &stored[..short]), None, "{short} bytes");
        }
    }
}
