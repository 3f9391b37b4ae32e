//! `SEAL_KEY` and `SEAL_VERIFIERS`: the key that signs checkpoints, and the trusted keys.
//!
//! Both in the encoding of [signed notes](https://c2sp.org/signed-note), as Go's `sumdb/note` prints them:
//! `PRIVATE+KEY+<name>+<id>+<base64 of 1 and the seed>`, and `<name>+<id>+<base64 of 1 and the public key>`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::reader::Reader;
use super::{Secret, SecretKey};

/// Ed25519, in signed notes.
const ALGORITHM: u8 = 1;
/// The name of the key that is derived from `SECRET_KEY` without a `SEAL_KEY`.
const NAME: &str = "primetrade/audit";
const PRIVATE: &str = "PRIVATE+KEY+";

/// An Ed25519 key that signs checkpoints.
#[derive(Clone)]
pub struct SealKey {
    verifier: Verifier,
    pair: Arc<Ed25519KeyPair>,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.verifier)
    }
}

impl SealKey {
    /// Returns `None` if the name is invalid, see [`is_name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { verifier: Verifier::new(name, key)?, pair: Arc::new(pair) })
    }

    /// Encodes the key as `SEAL_KEY` expects it, given its seed.
    pub fn encode(&self, seed: &[u8; 32]) -> String {
        let Verifier { name, .. } = &self.verifier;
        format!("{PRIVATE}{name}+{}+{}", hex::encode(self.verifier.id()), STANDARD.encode(tagged(seed)))
    }

    /// The error says what was found, never the value.
    fn decode(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix(PRIVATE).ok_or("a value that doesn't begin with PRIVATE+KEY+")?;
        let (name, id, seed) = parts(rest).ok_or("a key that is cut off or damaged")?;
        let key = Self::from_seed(name, &seed).ok_or("a key whose name has spaces or is empty")?;
        if hex::encode(key.verifier.id()) == id { Ok(key) } else { Err("a key that doesn't belong to its own id") }
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }
}

/// Verifies signatures of a [`SealKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

impl Verifier {
    fn new(name: &str, key: [u8; 32]) -> Option<Self> {
        is_name(name).then(|| Self { name: name.into(), key })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id that every signature begins with. It identifies the key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update("\n").chain_update(tagged(&self.key)).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(text, signature).is_ok()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(tagged(&self.key)))
    }
}

impl FromStr for Verifier {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, id, key) = parts(text).ok_or(())?;
        let verifier = Self::new(name, key).ok_or(())?;
        if hex::encode(verifier.id()) == id { Ok(verifier) } else { Err(()) }
    }
}

/// A name is not empty and has neither spaces nor plus signs.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn tagged(key: &[u8; 32]) -> [u8; 33] {
    let mut tagged = [ALGORITHM; 33];
    tagged[1..].copy_from_slice(key);
    tagged
}

/// Splits a key into the name, the id in hex, and the key bytes.
fn parts(text: &str) -> Option<(&str, &str, [u8; 32])> {
    // The base64 may contain plus signs too.
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let key: [u8; 33] = STANDARD.decode(key).ok()?.try_into().ok()?;
    let (algorithm, key) = key.split_first()?;
    if *algorithm == ALGORITHM { Some((name, id, key.try_into().ok()?)) } else { None }
}

/// The signing key and the trusted verifiers.
#[derive(Clone, Debug, Default)]
pub struct SealKeys {
    /// `None`: this process only verifies.
    pub signs: Option<SealKey>,
    /// Includes the verifier of the signing key.
    pub trusted: Vec<Verifier>,
}

impl SealKeys {
    /// Without a key, uses one derived from `SECRET_KEY`, if that is set.
    pub(super) fn new(key: Option<&SealKey>, verifiers: &[Verifier], secret: Option<&SecretKey>) -> Self {
        let derived = || SealKey::from_seed(NAME, &secret?.derive("primetrade audit seal v1"));
        let signs = key.cloned().or_else(derived);
        let trusted = signs.iter().map(|key| key.verifier.clone()).chain(verifiers.iter().cloned()).collect();
        Self { signs, trusted }
    }

    /// Returns the trusted key with this name and id.
    pub fn find(&self, name: &str, id: &[u8]) -> Option<&Verifier> {
        self.trusted.iter().find(|verifier| verifier.name == name && verifier.id() == id)
    }
}

impl Reader<'_> {
    pub(super) fn seal_key(&mut self) -> Option<SealKey> {
        let found = Secret(self.text("SEAL_KEY")?);
        match SealKey::decode(&found.0) {
            Ok(key) => Some(key),
            Err(what) => {
                let allowed = "what `primetrade audit keygen` prints: PRIVATE+KEY+NAME+ID+BASE64";
                self.problems.push(format!("SEAL_KEY: found {what}, allowed is {allowed}"));
                None
            }
        }
    }

    pub(super) fn seal_verifiers(&mut self) -> Vec<Verifier> {
        let found = self.text("SEAL_VERIFIERS").unwrap_or_default();
        let mut verifiers = Vec::new();
        for text in found.split([',', ' ', '\n']).map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(verifier) => verifiers.push(verifier),
                // The value may be a private key, so it is not quoted.
                Err(()) if text.starts_with(PRIVATE) => {
                    self.problems.push("SEAL_VERIFIERS: found a private key, allowed are public keys; `primetrade audit key` prints them".into());
                }
                Err(()) => self.problem("SEAL_VERIFIERS", text, "keys such as NAME+ID+BASE64, separated by commas"),
            }
        }
        verifiers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Go's `golang.org/x/mod/sumdb/note`.
    const GO_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn keys_are_those_of_signed_notes() {
        let key = SealKey::decode(GO_PRIVATE).expect("Go's example");
        assert_eq!(key.verifier().to_string(), GO_PUBLIC);
        assert_eq!(GO_PUBLIC.parse(), Ok(key.verifier().clone()));
        let text =
            b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = STANDARD
            .decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=")
            .expect("base64");
        assert_eq!(signature[..4], key.verifier().id());
        assert_eq!(key.sign(text), signature[4..]);
        assert!(key.verifier().verifies(text, &signature[4..]));
        assert!(!key.verifier().verifies(b"another text\n", &signature[4..]));
    }

    #[test]
    fn a_key_of_its_own_reads_back_and_tells_nothing() {
        let seed = [7; 32];
        let key = SealKey::from_seed("portal.example.com/audit", &seed).expect("a name");
        let encoded = key.encode(&seed);
        assert_eq!(SealKey::decode(&encoded).expect("what was encoded").verifier(), key.verifier());
        assert!(!format!("{key:?}").contains(&STANDARD.encode([7; 30])));
        for bad in ["", "with space", "a+b", "tab\t"] {
            assert!(SealKey::from_seed(bad, &seed).is_none(), "{bad:?}");
        }
        for (from, to) in [("portal", "porta"), ("PRIVATE", "PUBLIC"), ("+AQ", "+Ag"), ("=", "")] {
            assert!(SealKey::decode(&encoded.replacen(from, to, 1)).is_err() || !encoded.contains(from), "{from}");
        }
    }
}
