//! Secrets that are handed out and recognised by their hash: of sessions, and of links that work once.

use rand::TryRngCore as _;
use sha2::{Digest, Sha256};

/// 256 random bits in hex. Only its hash is ever stored.
pub struct Token(String);

impl Token {
    /// `Err`: the system has no randomness to give.
    pub fn generate() -> diesel::QueryResult<Self> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)))?;
        Ok(Self(hex::encode(bytes)))
    }

    /// One that came back: from a cookie or a link.
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
