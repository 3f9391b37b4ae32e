//! What a QR code says about a BOL. The portal's own process decides what that is worth, because it knows the key.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::bols::{BolNumber, MAC_PARAMETER};

/// Longest number and MAC, in bytes.
const MAX_BYTES: usize = 40;

/// A number in a code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QrCode {
    pub number: String,
    pub holds: Holds,
}

/// What the code holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// An address `ORIGIN/bols/NUMBER`, perhaps with a MAC.
    Address { origin: String, mac: Option<String> },
    /// Text that is no address.
    Text,
    /// Another address, with the number somewhere in it.
    OtherAddress,
}

/// Returns the numbers in the text of a code.
pub fn numbers(text: &str, prefix: &str) -> BTreeSet<QrCode> {
    let address = address(text);
    let holds = if is_address(text) { Holds::OtherAddress } else { Holds::Text };
    let found = BolNumber::find_all(text, prefix).into_iter().map(|number| number.to_string());
    let others = found.filter(|found| address.as_ref().is_none_or(|address| address.number != *found));
    let others: BTreeSet<_> = others.map(|number| QrCode { number, holds: holds.clone() }).collect();
    others.into_iter().chain(address).collect()
}

fn address(text: &str) -> Option<QrCode> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let number = url.path().strip_prefix("/bols/").filter(|number| !number.is_empty() && !number.contains('/'))?;
    // What stands before an @ looks like the host to people.
    let is_plain = url.username().is_empty() && url.password().is_none() && number.len() <= MAX_BYTES;
    let mac = url.query_pairs().find(|(name, _)| name == MAC_PARAMETER).map(|(_, mac)| mac.into_owned());
    let mac = mac.filter(|mac| mac.len() <= MAX_BYTES);
    let origin = url.origin().ascii_serialization();
    is_plain.then(|| QrCode { number: number.to_owned(), holds: Holds::Address { origin, mac } })
}

/// Whether a telephone may open the text as an address. A false alarm only costs a look by a person.
fn is_address(text: &str) -> bool {
    let lower = text.trim().to_ascii_lowercase();
    let has_scheme = ["http:", "https:", "www.", "mailto:", "tel:"].iter().any(|scheme| lower.starts_with(scheme));
    has_scheme || lower.contains(['/', '\\', '@', '%', '?', '&'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<QrCode> {
        numbers(text, "PRT").into_iter().collect()
    }

    fn at(origin: &str, mac: Option<&str>) -> Vec<QrCode> {
        let holds = Holds::Address { origin: origin.into(), mac: mac.map(str::to_owned) };
        vec![QrCode { number: "PRT-2025-0004".into(), holds }]
    }

    #[test]
    fn an_address_has_an_origin_and_a_mac() {
        for (text, expected) in [
            ("https://portal.example/bols/PRT-2025-0004", at("https://portal.example", None)),
            (" HTTPS://Portal.Example:443/bols/PRT-2025-0004#y ", at("https://portal.example", None)),
            ("http://127.0.0.1:8080/bols/PRT-2025-0004?c=abc", at("http://127.0.0.1:8080", Some("abc"))),
            ("https://bücher.example/bols/PRT-2025-0004?x=1&c=%41-_", at("https://xn--bcher-kva.example", Some("A-_"))),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn only_text_without_an_address_is_text() {
        let of = |text: &str, holds: Holds| {
            assert_eq!(found(text), [QrCode { number: "PRT-2025-0004".into(), holds }], "{text}");
        };
        for text in ["PRT-2025-0004", "BOL: PRT-2025-0004", "BOL #prt-2025-0004\nLot 7", "PRT:PRT-2025-0004"] {
            of(text, Holds::Text);
        }
        for text in [
            "https://portal.example@evil.example/bols/PRT-2025-0004",
            "https://evil.example/x/bols/PRT-2025-0004",
            "https://evil.example/bols/PRT-2025-0004/",
            "https://evil.example/?number=PRT-2025-0004",
            "evil.example/bols/PRT-2025-0004",
            "//evil.example/bols/PRT-2025-0004",
            "http:PRT-2025-0004",
            "ftp://evil.example/bols/PRT-2025-0004",
            "mailto:PRT-2025-0004",
            "www.evil.example PRT-2025-0004",
        ] {
            of(text, Holds::OtherAddress);
        }
        for none in ["", "tel:/bols/1", "https://portal.example/PRT", "https://x/bols/a/b", "https://x/bols/"] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn a_second_number_in_an_address_counts_too() {
        let two = found("https://portal.example/bols/PRT-2025-0004?also=PRT-2025-0005");
        assert_eq!(two.iter().map(|code| &*code.number).collect::<Vec<_>>(), ["PRT-2025-0004", "PRT-2025-0005"]);
        assert_eq!(two[1].holds, Holds::OtherAddress);
    }
}
