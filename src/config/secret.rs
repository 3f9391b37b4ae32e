//! Values that must not be printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use hkdf::Hkdf;
use sha2::Sha256;

/// A value with an empty `Debug` output.
#[derive(Clone)]
pub struct Secret<T>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `SECRET_KEY`: the root of every derived key.
#[derive(Clone, Debug)]
pub struct SecretKey(Secret<Vec<u8>>);

impl SecretKey {
    const MIN_BYTES: usize = 64;

    /// Parses hex, or base64 in either alphabet, with or without padding. The error says what was found, never the
    /// value.
    pub fn decode(text: &str) -> Result<Self, String> {
        const LENIENT: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = hex::decode(text)
            .ok()
            .or_else(|| GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT).decode(text).ok())
            .or_else(|| GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT).decode(text).ok())
            .ok_or_else(|| format!("{} characters that are neither hex nor base64", text.chars().count()))?;
        if bytes.len() < Self::MIN_BYTES {
            return Err(format!("{} bytes", bytes.len()));
        }
        let distinct = bytes.iter().collect::<std::collections::HashSet<_>>().len();
        // 64 random bytes have 56 distinct ones on average, and fewer than 30 once in more than 10^15 times.
        if distinct < 30 {
            return Err(format!("only {distinct} distinct bytes, which is not random"));
        }
        Ok(Self(Secret(bytes)))
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Secret(bytes))
    }

    /// Derives a key for one purpose (HKDF-SHA256, RFC 5869), so that keys of different purposes are unrelated.
    pub fn derive<const N: usize>(&self, purpose: &str) -> [u8; N] {
        let mut key = [0; N];
        let derived = Hkdf::<Sha256>::new(None, &self.0.0).expand(purpose.as_bytes(), &mut key);
        debug_assert!(derived.is_ok(), "HKDF-SHA256 gives up to 8160 bytes");
        key
    }
}
