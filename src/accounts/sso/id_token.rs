//! Checks of an ID token (OpenID Connect Core 1.0, 3.1.3.7), besides which nothing that an issuer says counts.
//!
//! The algorithm must be on a list of signatures with public keys, and it must be the key's own. So neither `none` nor
//! an HMAC with the public key as its secret is ever computed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;

/// How far the issuer's clock may be off.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// The oldest accepted token. A login takes no longer.
const MAX_AGE: TimeDelta = TimeDelta::minutes(10);
/// OpenID Connect Core 1.0, 2.
const MAX_SUBJECT_CHARS: usize = 255;

const ALLOWED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why a token doesn't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("malformed")]
    Malformed,
    #[error("algorithm")]
    Algorithm,
    #[error("unknown_key")]
    UnknownKey,
    #[error("signature")]
    Signature,
    #[error("issuer")]
    Issuer,
    #[error("audience")]
    Audience,
    #[error("authorized_party")]
    AuthorizedParty,
    #[error("expired")]
    Expired,
    /// Issued in the future or too long ago.
    #[error("issued_at")]
    IssuedAt,
    #[error("nonce")]
    Nonce,
    #[error("subject")]
    Subject,
    /// The person has not logged in at the issuer just now, as was asked.
    #[error("auth_time")]
    AuthTime,
}

#[derive(serde::Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// A token's header, with an allowed algorithm.
pub struct TokenHeader {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl TokenHeader {
    pub fn read(token: &str) -> Result<Self, TokenFault> {
        let part = token.split('.').next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)?;
        let raw: RawHeader = serde_json::from_slice(&bytes).map_err(|_| TokenFault::Malformed)?;
        // Access tokens and logout tokens are signed with the same keys (RFC 9068, 2.1).
        if raw.crit.is_some() || raw.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
            return Err(TokenFault::Malformed);
        }
        let algorithm = raw.alg.parse().ok().filter(|algorithm| ALLOWED.contains(algorithm));
        Ok(Self { algorithm: algorithm.ok_or(TokenFault::Algorithm)?, key_id: raw.kid })
    }

    pub fn has_key_id(&self) -> bool {
        self.key_id.is_some()
    }

    /// Whether a key has the token's key id, and is one for the token's algorithm.
    pub fn fits(&self, key: &Jwk) -> bool {
        let common = &key.common;
        let is_named = self.key_id.is_none() || common.key_id == self.key_id;
        let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_own = common.key_algorithm.is_none_or(|own| Algorithm::try_from(own) == Ok(self.algorithm));
        is_named && is_for_signatures && is_own && self.is_of_kind(&key.algorithm)
    }

    fn is_of_kind(&self, parameters: &AlgorithmParameters) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match (parameters, self.algorithm) {
            (AlgorithmParameters::RSA(_), RS256 | RS384 | RS512 | PS256 | PS384 | PS512) => true,
            (AlgorithmParameters::EllipticCurve(key), ES256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::EllipticCurve(key), ES384) => key.curve == EllipticCurve::P384,
            (AlgorithmParameters::OctetKeyPair(key), EdDSA) => key.curve == EllipticCurve::Ed25519,
            _ => false,
        }
    }
}

/// What a token must say.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: DateTime<Utc>,
    /// The person must have logged in at the issuer since then.
    pub logged_in_since: Option<DateTime<Utc>>,
}

/// Returns the claims of a token that one of these keys has signed, and that is meant for this login.
pub fn verify(token: &str, header: &TokenHeader, keys: &[Jwk], expected: &Expected<'_>) -> Result<Value, TokenFault> {
    if keys.is_empty() {
        return Err(TokenFault::UnknownKey);
    }
    let claims = keys.iter().find_map(|key| signed(token, header.algorithm, key)).ok_or(TokenFault::Signature)?;
    check(&claims, expected)?;
    Ok(claims)
}

fn signed(token: &str, algorithm: Algorithm, key: &Jwk) -> Option<Value> {
    // `check` compares the claims, with the portal's own clock.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let key = DecodingKey::from_jwk(key).ok()?;
    decode::<Value>(token, &key, &validation).ok().map(|token| token.claims)
}

fn check(claims: &Value, expected: &Expected<'_>) -> Result<(), TokenFault> {
    let Expected { issuer, client_id, nonce, now, logged_in_since } = *expected;
    let holds = |is_true: bool, fault: TokenFault| if is_true { Ok(()) } else { Err(fault) };
    holds(claims["iss"] == issuer, TokenFault::Issuer)?;
    let others = match &claims["aud"] {
        Value::String(one) => (one == client_id).then_some(false),
        Value::Array(all) => all.iter().any(|one| one == client_id).then_some(all.len() > 1),
        _ => None,
    };
    let has_others = others.ok_or(TokenFault::Audience)?;
    let is_ours = match &claims["azp"] {
        Value::Null => !has_others,
        party => party == client_id,
    };
    holds(is_ours, TokenFault::AuthorizedParty)?;
    let expires = time(&claims["exp"]).ok_or(TokenFault::Expired)?;
    holds(expires > now - LEEWAY, TokenFault::Expired)?;
    let issued = time(&claims["iat"]).ok_or(TokenFault::IssuedAt)?;
    holds(issued <= now + LEEWAY && issued >= now - MAX_AGE - LEEWAY, TokenFault::IssuedAt)?;
    let is_begun = match &claims["nbf"] {
        Value::Null => true,
        begin => time(begin).is_some_and(|begin| begin <= now + LEEWAY),
    };
    holds(is_begun, TokenFault::IssuedAt)?;
    holds(claims["nonce"] == nonce, TokenFault::Nonce)?;
    let subject = claims["sub"].as_str().unwrap_or_default();
    let is_subject = (1..=MAX_SUBJECT_CHARS).contains(&subject.chars().count());
    holds(is_subject && !subject.chars().any(char::is_control), TokenFault::Subject)?;
    let is_recent = logged_in_since.is_none_or(|since| time(&claims["auth_time"]) >= Some(since - LEEWAY));
    holds(is_recent, TokenFault::AuthTime)
}

/// Reads seconds since 1970, which JSON may write as a fraction.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e11).contains(seconds))?;
    DateTime::from_timestamp(seconds as i64, 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn checked(changes: &[(&str, Value)]) -> Result<(), TokenFault> {
        let (seconds, now) = (now().timestamp(), now());
        let mut claims = json!({
            "iss": "https://id.example", "aud": "portal", "nonce": "n", "sub": "42",
            "exp": seconds + 300, "iat": seconds,
        });
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let logged_in_since = claims.get("auth_time").map(|_| now);
        check(
            &claims,
            &Expected { issuer: "https://id.example", client_id: "portal", nonce: "n", now, logged_in_since },
        )
    }

    #[test]
    fn a_token_for_this_login_counts() {
        let seconds = now().timestamp();
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&[("aud", json!(["portal"]))]), Ok(()));
        assert_eq!(checked(&[("aud", json!(["portal", "other"])), ("azp", json!("portal"))]), Ok(()));
        assert_eq!(checked(&[("exp", json!(seconds - 59)), ("iat", json!(f64::from(1_799_999_600)))]), Ok(()));
        assert_eq!(checked(&[("sub", json!("x".repeat(255)))]), Ok(()));
        assert_eq!(checked(&[("auth_time", json!(seconds - 60))]), Ok(()));
    }

    #[test]
    fn every_claim_is_compared() {
        let seconds = now().timestamp();
        for (changes, fault) in [
            (vec![("iss", json!("https://id.example/"))], TokenFault::Issuer),
            (vec![("iss", json!(["https://id.example"]))], TokenFault::Issuer),
            (vec![("aud", json!("other"))], TokenFault::Audience),
            (vec![("aud", json!([]))], TokenFault::Audience),
            (vec![("aud", Value::Null)], TokenFault::Audience),
            (vec![("aud", json!(["portal", "other"]))], TokenFault::AuthorizedParty),
            (vec![("azp", json!("other"))], TokenFault::AuthorizedParty),
            (vec![("azp", json!(["portal"]))], TokenFault::AuthorizedParty),
            (vec![("exp", json!(seconds - 60))], TokenFault::Expired),
            (vec![("exp", json!("soon"))], TokenFault::Expired),
            (vec![("exp", Value::Null)], TokenFault::Expired),
            (vec![("iat", json!(seconds + 61))], TokenFault::IssuedAt),
            (vec![("iat", json!(seconds - 661))], TokenFault::IssuedAt),
            (vec![("iat", json!(-1))], TokenFault::IssuedAt),
            (vec![("iat", Value::Null)], TokenFault::IssuedAt),
            (vec![("nbf", json!(seconds + 61))], TokenFault::IssuedAt),
            (vec![("nonce", json!("other"))], TokenFault::Nonce),
            (vec![("nonce", Value::Null)], TokenFault::Nonce),
            (vec![("sub", json!(""))], TokenFault::Subject),
            (vec![("sub", json!(42))], TokenFault::Subject),
            (vec![("sub", json!("x".repeat(256)))], TokenFault::Subject),
            (vec![("sub", json!("a\0b"))], TokenFault::Subject),
            (vec![("auth_time", json!(seconds - 61))], TokenFault::AuthTime),
            (vec![("auth_time", Value::Null)], TokenFault::AuthTime),
        ] {
            assert_eq!(checked(&changes), Err(fault), "{changes:?}");
        }
    }

    #[test]
    fn only_signatures_with_public_keys_are_allowed() {
        let read = |header: Value| TokenHeader::read(&format!("{}.e30.", URL_SAFE_NO_PAD.encode(header.to_string())));
        for algorithm in ["none", "None", "HS256", "HS384", "HS512", "RS1", "dir", ""] {
            assert_eq!(read(json!({"alg": algorithm})).err(), Some(TokenFault::Algorithm), "{algorithm}");
        }
        for header in [json!({}), json!({"alg": 1}), json!({"alg": "RS256", "crit": ["b64"]}), json!([])] {
            assert_eq!(read(header.clone()).err(), Some(TokenFault::Malformed), "{header}");
        }
        assert_eq!(read(json!({"alg": "RS256", "typ": "at+jwt"})).err(), Some(TokenFault::Malformed));
        assert!(read(json!({"alg": "ES256", "typ": "jwt"})).is_ok());
    }

    #[test]
    fn a_key_is_used_only_for_its_own_algorithm() {
        let fits = |algorithm: Algorithm, key: Value| {
            let key: Jwk = serde_json::from_value(key).expect("a key");
            TokenHeader { algorithm, key_id: Some("1".into()) }.fits(&key)
        };
        let rsa = json!({"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"});
        let with = |name: &str, value: Value| {
            let mut key = rsa.clone();
            key[name] = value;
            key
        };
        assert!(fits(Algorithm::RS256, rsa.clone()) && fits(Algorithm::PS512, rsa.clone()));
        assert!(!fits(Algorithm::HS256, rsa.clone()) && !fits(Algorithm::ES256, rsa.clone()));
        assert!(!fits(Algorithm::PS256, with("alg", json!("RS256"))));
        assert!(!fits(Algorithm::RS256, with("kid", json!("2"))));
        assert!(!fits(Algorithm::RS256, with("use", json!("enc"))));
        assert!(!fits(Algorithm::RS256, with("key_ops", json!(["encrypt"]))));
        let curve = json!({"kty": "EC", "kid": "1", "crv": "P-256", "x": "AQ", "y": "AQ"});
        assert!(fits(Algorithm::ES256, curve.clone()) && !fits(Algorithm::ES384, curve));
        let shared = json!({"kty": "oct", "kid": "1", "k": "AQAB"});
        assert!(!fits(Algorithm::HS256, shared.clone()) && !fits(Algorithm::RS256, shared));
    }
}
