//! The keys that sign messages: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`), as Standard Webhooks 1.0 specifies.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore as _;
use sha2::Sha256;

use crate::config::{Secret, SecretKey};

const SALT_BYTES: usize = 32;

/// Derives the keys of each webhook from `SECRET_KEY` and a salt in the database, so that a copy of the database signs
/// nothing.
#[derive(Clone, Debug)]
pub struct WebhookKeys(SecretKey);

/// The public key of a webhook: 32 bytes of Ed25519.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(pub Vec<u8>);

impl PublicKey {
    /// Returns the key as Standard Webhooks writes it: `whpk_` and base64.
    pub fn to_text(&self) -> String {
        format!("whpk_{}", BASE64.encode(&self.0))
    }
}

/// The keys of one webhook.
pub(super) struct SigningKeys {
    hmac: Secret<[u8; 32]>,
    pair: Ed25519KeyPair,
}

/// Returns a new salt. Fails if the system has no randomness.
pub(super) fn new_salt() -> diesel::QueryResult<Vec<u8>> {
    let mut salt = vec![0; SALT_BYTES];
    rand::rngs::OsRng
        .try_fill_bytes(&mut salt)
        .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)))?;
    Ok(salt)
}

impl WebhookKeys {
    pub fn new(secret: &SecretKey) -> Self {
        Self(secret.clone())
    }

    /// Derives the keys of a salt. Each salt has its own, which never leave it.
    pub(super) fn of(&self, salt: &[u8]) -> SigningKeys {
        let salt = hex::encode(salt);
        let seed: [u8; 32] = self.0.derive(&format!("primetrade webhook v1a {salt}"));
        let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&seed) else {
            unreachable!("every 32 bytes are the seed of a key")
        };
        SigningKeys { hmac: Secret(self.0.derive(&format!("primetrade webhook v1 {salt}"))), pair }
    }
}

impl SigningKeys {
    /// Returns the symmetric key for the receiver: `whsec_` and base64.
    pub fn secret_text(&self) -> String {
        format!("whsec_{}", BASE64.encode(self.hmac.0))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().to_vec())
    }

    /// Signs a message. Returns both signatures, separated by a space.
    pub fn sign(&self, message_id: &str, timestamp: i64, body: &str) -> String {
        let content = format!("{message_id}.{timestamp}.{body}");
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.hmac.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(content.as_bytes());
        let symmetric = BASE64.encode(mac.finalize().into_bytes());
        let asymmetric = BASE64.encode(self.pair.sign(content.as_bytes()).as_ref());
        format!("v1,{symmetric} v1a,{asymmetric}")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn keys_depend_on_the_secret_and_the_salt() {
        let of = |secret: u8, salt: u8| WebhookKeys::new(&SecretKey::from_bytes(vec![secret; 64])).of(&[salt; 32]);
        assert_eq!(of(7, 1).secret_text(), of(7, 1).secret_text());
        for other in [of(7, 2), of(8, 1)] {
            assert_ne!(of(7, 1).secret_text(), other.secret_text());
            assert_ne!(of(7, 1).public(), other.public());
        }
        let shown = format!("{:?}", WebhookKeys::new(&SecretKey::from_bytes(vec![7; 64])));
        assert!(!shown.contains('7'), "{shown}");
    }

    #[test]
    fn the_public_key_alone_verifies() {
        let keys = WebhookKeys::new(&SecretKey::from_bytes(vec![7; 64])).of(&[1; 32]);
        let signatures = keys.sign("evt_1", 1_700_000_000, "{}");
        let (_, asymmetric) = signatures.split_once(" v1a,").expect("two signatures");
        let text = keys.public().to_text();
        let public = BASE64.decode(text.strip_prefix("whpk_").expect("a prefix")).expect("base64");
        let verify = |content: &str| {
            let signature = BASE64.decode(asymmetric).expect("base64");
            UnparsedPublicKey::new(&ED25519, &public).verify(content.as_bytes(), &signature).is_ok()
        };
        assert!(verify("evt_1.1700000000.{}"));
        for other in ["evt_2.1700000000.{}", "evt_1.1700000001.{}", "evt_1.1700000000.{ }"] {
            assert!(!verify(other), "{other}");
        }
    }
}
