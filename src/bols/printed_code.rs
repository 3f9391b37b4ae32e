//! The QR code of a printed BOL: its address in the portal with a message authentication code (MAC) over its number.
//!
//! The MAC proves that this portal printed the code, and nothing else. It opens nothing, so it is no secret. Uploads are
//! filed by it, even if the portal's address has changed since.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::BolNumber;
use crate::config::SecretKey;

/// The parameter of the address that holds the MAC.
pub const MAC_PARAMETER: &str = "c";
/// 72 bits, which are twelve characters: a code with a longer one would have more and smaller modules.
const MAC_BYTES: usize = 9;

/// The address of a BOL on its printed sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedAddress {
    /// For people.
    pub text: String,
    /// For the QR code, with the MAC.
    pub code: String,
}

/// The codes that this portal prints, and those that it has printed.
#[derive(Clone)]
pub struct PrintedCodes {
    /// The portal's own address first, then earlier ones, as [`crate::config::PublicUrl::origin`] writes them.
    origins: Vec<String>,
    key: Option<[u8; 32]>,
}

impl PrintedCodes {
    /// Without a secret, codes have no MAC, and none proves anything.
    pub fn new(origins: Vec<String>, secret: Option<&SecretKey>) -> Self {
        Self { origins, key: secret.map(|secret| secret.derive("primetrade printed codes v1")) }
    }

    pub fn address(&self, number: &BolNumber) -> PrintedAddress {
        let text = format!("{}/bols/{number}", self.origins.first().map_or("", String::as_str));
        let code = match self.mac(number.as_str()) {
            Some(mac) => {
                let mac = URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..MAC_BYTES]);
                format!("{text}?{MAC_PARAMETER}={mac}")
            }
            None => text.clone(),
        };
        PrintedAddress { text, code }
    }

    /// Whether this portal printed a code with this number and MAC.
    pub fn proves(&self, number: &str, mac: &str) -> bool {
        let Ok(found) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        // Takes the same time for every MAC of the right length.
        found.len() == MAC_BYTES && self.mac(number).is_some_and(|mac| mac.verify_truncated_left(&found).is_ok())
    }

    /// Whether an address is, or was, the portal's.
    pub fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|ours| ours == origin)
    }

    fn mac(&self, number: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref()?).ok()?;
        mac.update(number.as_bytes());
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(origin: &str, secret: u8) -> PrintedCodes {
        PrintedCodes::new(vec![origin.into()], Some(&SecretKey::from_bytes(vec![secret; 64])))
    }

    fn printed(codes: &PrintedCodes, number: &str) -> (String, String) {
        let address = codes.address(&number.parse().expect("a number"));
        let (text, mac) = address.code.split_once("?c=").expect("a MAC");
        assert_eq!(text, address.text);
        (address.text, mac.to_owned())
    }

    #[test]
    fn a_mac_proves_its_number_at_any_address_and_no_other_number() {
        let ours = codes("https://portal.example.com", 7);
        let (text, mac) = printed(&ours, "PRT-2025-0004");
        assert_eq!((text.as_str(), mac.len()), ("https://portal.example.com/bols/PRT-2025-0004", 12));
        assert!(ours.proves("PRT-2025-0004", &mac) && codes("http://moved.example", 7).proves("PRT-2025-0004", &mac));
        assert!(!ours.proves("PRT-2025-0005", &mac), "another number");
        assert!(!codes("https://portal.example.com", 8).proves("PRT-2025-0004", &mac), "another portal's key");
        let bytes = URL_SAFE_NO_PAD.decode(&mac).expect("base64");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!ours.proves("PRT-2025-0004", &URL_SAFE_NO_PAD.encode(changed)), "byte {at}");
        }
        let longer = format!("{mac}AAAA");
        for bad in ["", "A", "AAAA", &mac[..8], &mac[..11], &longer, "============", "\u{0}"] {
            assert!(!ours.proves("PRT-2025-0004", bad), "{bad:?}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_proven() {
        let bare = PrintedCodes::new(vec!["https://a.example".into(), "https://b.example".into()], None);
        let address = bare.address(&"PRT-2025-0004".parse().expect("a number"));
        assert_eq!(address.code, "https://a.example/bols/PRT-2025-0004");
        let (_, mac) = printed(&codes("https://a.example", 7), "PRT-2025-0004");
        assert!(!bare.proves("PRT-2025-0004", &mac) && !bare.proves("PRT-2025-0004", ""));
        assert!(bare.has_origin("https://a.example") && bare.has_origin("https://b.example"));
        assert!(!bare.has_origin("http://a.example") && !bare.has_origin(""));
    }
}
