//! Secrets of sessions and of links, recognized by their hash.

use rand::TryRngCore as _;
use sha2::{Digest, Sha256};

/// 256 random bits in hex. Only the hash is stored.
pub struct Token(String);

impl Token {
    /// Fails if the system has no randomness.
    pub fn generate() -> diesel::QueryResult<Self> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// A token as received in a cookie or a link.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}
