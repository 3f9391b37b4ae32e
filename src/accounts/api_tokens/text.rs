//! The text of a token: `ptk_`, 43 digits of randomness and 6 digits of a checksum, both in base 62.
//!
//! The prefix and the checksum are those of
//! [GitHub's tokens](https://github.blog/engineering/behind-githubs-new-authentication-token-formats/): scanners for secrets
//! recognize a token in a text, and a mistyped one is refused without a query.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use rand::TryRngCore as _;
use sha2::{Digest, Sha256};

const PREFIX: &str = "ptk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is just above 2^256.
const RANDOM_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;
const LENGTH: usize = PREFIX.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;
/// The digits after a prefix from which on a log line hides them, whatever their checksum.
const HIDDEN_DIGITS: usize = 16;
/// A text is decoded this often, because a client may have encoded it twice.
const DECODINGS: usize = 3;

/// A token as its program sends it. Has no `Debug`, so that no log shows it.
pub struct ApiToken(String);

impl ApiToken {
    /// Fails if the system has no randomness.
    pub fn generate() -> diesel::QueryResult<Self> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| diesel::result::Error::QueryBuilderError(Box::new(error)))?;
        Ok(Self::of_bytes(bytes))
    }

    fn of_bytes(mut bytes: [u8; 32]) -> Self {
        let mut digits = [0; RANDOM_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = remainder(&mut bytes);
        }
        let random: String = digits.into_iter().map(char::from).collect();
        let checksum = checksum(&random);
        Self(format!("{PREFIX}{random}{checksum}"))
    }

    /// Reads a token. `None` if it is malformed or its checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if text.len() != LENGTH || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let (random, found) = digits.split_at(RANDOM_DIGITS);
        (checksum(random) == found).then(|| Self(text.to_owned()))
    }

    /// Returns the tokens in a URL, whose characters may be percent-encoded.
    pub fn find_in_url(url: &str) -> Vec<Self> {
        let mut found = Vec::new();
        for text in decodings(url) {
            found.extend(text.match_indices(PREFIX).filter_map(|(at, _)| Self::parse(text.get(at..at + LENGTH)?)));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found.dedup_by(|one, other| one.0 == other.0);
        found
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash by which the database knows the token. Its 256 random bits need no slow one.
    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

/// Hides whatever looks like a token in a path, for a line of the server's log.
pub fn masked(path: &str) -> Cow<'_, str> {
    if !decodings(path).any(|text| text.match_indices(PREFIX).any(|(at, _)| is_hidden(&text[at + PREFIX.len()..]))) {
        return Cow::Borrowed(path);
    }
    let mut shown = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once(PREFIX) {
        shown.push_str(before);
        shown.push_str(PREFIX);
        let digits = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if is_hidden(after) {
            shown.push_str("[hidden]");
            rest = &after[digits..];
        } else {
            rest = after;
        }
    }
    shown.push_str(rest);
    let is_left =
        decodings(&shown).any(|text| text.match_indices(PREFIX).any(|(at, _)| is_hidden(&text[at + PREFIX.len()..])));
    // The token is percent-encoded.
    Cow::Owned(if is_left { format!("/{PREFIX}[hidden]") } else { shown })
}

fn is_hidden(after_prefix: &str) -> bool {
    after_prefix.bytes().take_while(u8::is_ascii_alphanumeric).count() >= HIDDEN_DIGITS
}

/// The text, and what it says when its percent-encoding is decoded, once or more often.
fn decodings(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    std::iter::successors(Some(Cow::Borrowed(text)), |text: &Cow<'_, str>| {
        text.contains('%').then(|| Cow::Owned(percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned()))
    })
    .take(1 + DECODINGS)
}

/// Divides a big-endian number by 62, and returns the digit of the remainder.
fn remainder(number: &mut [u8; 32]) -> u8 {
    let mut rest = 0_u16;
    for byte in number.iter_mut() {
        let value = rest * 256 + u16::from(*byte);
        *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
        rest = value % 62;
    }
    ALPHABET[usize::from(rest)]
}

/// CRC-32 of the random digits, padded with zeros in front.
fn checksum(random: &str) -> String {
    let mut rest = crc32fast::hash(random.as_bytes());
    let mut digits = [0; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_fixed_length_and_a_checksum() {
        // Computed with Python: zlib.crc32 and int.from_bytes.
        let zeros = ApiToken::of_bytes([0; 32]);
        assert_eq!(zeros.as_str(), format!("ptk_{}{}", "0".repeat(43), checksum(&"0".repeat(43))));
        for bytes in [[0; 32], [255; 32], [7; 32]] {
            let token = ApiToken::of_bytes(bytes);
            assert_eq!(token.as_str().len(), LENGTH);
            assert!(ApiToken::parse(token.as_str()).is_some(), "{}", token.as_str());
        }
        let (one, other) = (ApiToken::generate().expect("random"), ApiToken::generate().expect("random"));
        assert_ne!(one.as_str(), other.as_str());
    }

    #[test]
    fn a_mistyped_token_is_refused() {
        let token = ApiToken::of_bytes([9; 32]);
        let text = token.as_str();
        let swapped = text.replacen('_', "-", 1);
        let mut changed = text.to_owned();
        let digit = if text.ends_with('0') { "1" } else { "0" };
        changed.replace_range(LENGTH - 1.., digit);
        for bad in [
            "",
            "ptk_",
            &text[..LENGTH - 1],
            &format!("{text}0"),
            &swapped,
            &changed,
            &format!(" {text}"),
            &text.to_uppercase(),
        ] {
            assert!(ApiToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_in_a_url_is_found_however_it_is_encoded() {
        let token = ApiToken::of_bytes([3; 32]);
        let text = token.as_str();
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let twice = encoded.replace('%', "%25");
        for url in [
            format!("/bols?q={text}"),
            format!("/{text}/x"),
            format!("/a?b={encoded}"),
            format!("/{twice}"),
            format!("/x{text}y"),
        ] {
            assert_eq!(ApiToken::find_in_url(&url).len(), 1, "{url}");
            let path = url.split('?').next().unwrap_or_default();
            assert!(!masked(&url).contains(&text[8..]) && !masked(path).contains(&encoded), "{}", masked(&url));
        }
        assert!(ApiToken::find_in_url("/bols/PRT-2025-0001?q=ptk_%zz%").is_empty());
        assert_eq!(ApiToken::find_in_url(&format!("/{text}?a={encoded}")).len(), 1);
    }

    #[test]
    fn an_ordinary_path_is_shown_as_it_is() {
        for path in ["/", "/bols/PRT-2025-0001", "/ptk_short", "/%", "/ptk_%20abc", "/é"] {
            assert_eq!(masked(path), path);
        }
        let almost = format!("/x/ptk_{}/y", "a".repeat(49));
        assert_eq!(masked(&almost), "/x/ptk_[hidden]/y");
    }
}
