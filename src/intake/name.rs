//! The name of an uploaded file: displayed, searched for a BOL number, and never used as a path.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

use crate::bols::BolNumber;
use crate::documents::Kind;

/// Longest displayed name, in characters.
const MAX_CHARS: usize = 180;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Shortened to [`MAX_CHARS`] for display.
    shown: String,
    /// The full name, for searching and comparing.
    whole: String,
    /// The folders that the browser sent, joined by `/`.
    folder: String,
}

impl FileName {
    /// Parses the name that the browser sent: takes the last part of the path, and drops invisible characters and those
    /// that change the reading direction.
    pub fn cleaned(sent: &str) -> Self {
        // Browsers escape a quote and a line break like this (WHATWG, multipart/form-data encoding).
        let sent = sent.replace("%22", "\"").replace("%0D", " ").replace("%0A", " ");
        // macOS writes an umlaut as two characters (NFD).
        let seen: String = sent.nfc().filter(|c| !is_unseen(*c)).collect();
        let plain = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches('.').to_owned();
        let mut parts: Vec<String> = seen.split(['/', '\\']).map(plain).collect();
        let whole = parts.pop().filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed.pdf".into());
        parts.retain(|part| !part.is_empty());
        Self { shown: shortened(&whole), whole, folder: parts.join("/") }
    }

    /// Returns the name for display.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// Returns the key that compares files with the lines of a list. It ignores case, as Windows does.
    pub(super) fn key(&self) -> String {
        self.whole.to_lowercase()
    }

    /// Whether both can be the same file, judged by name and known folders.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.folder.to_lowercase(), other.folder.to_lowercase());
        let within = |long: &str, short: &str| {
            long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/') || short.is_empty())
        };
        self.key() == other.key() && (within(&mine, &theirs) || within(&theirs, &mine))
    }

    pub fn is_csv(&self) -> bool {
        self.whole.to_ascii_lowercase().ends_with(".csv")
    }

    pub fn numbers(&self, prefix: &str) -> BTreeSet<BolNumber> {
        BolNumber::find_all(&self.whole, prefix)
    }

    /// Returns the kind that the name states after the number: `PRT-2025-0002_signed.pdf`. A bare number means the BOL.
    pub fn kind(&self, prefix: &str) -> Option<Kind> {
        let name = self.whole.to_lowercase();
        let stem = name.strip_suffix(".pdf").unwrap_or(&name);
        if stem.to_ascii_uppercase().parse::<BolNumber>().is_ok_and(|number| number.prefix() == prefix) {
            return Some(Kind::Bol);
        }
        let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).collect();
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        [
            (Kind::SignedBol, &["signed", "pod"][..]),
            (Kind::ScaleTicket, &["scale", "ticket", "weight"]),
            (Kind::CertificateOfAnalysis, &["certificate", "cert", "coa", "analysis"]),
            (Kind::PackingList, &["packing"]),
            (Kind::Invoice, &["invoice"]),
        ]
        .into_iter()
        .find_map(|(kind, wanted)| has(wanted).then_some(kind))
    }
}

fn shortened(name: &str) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= MAX_CHARS {
        return name.to_owned();
    }
    // Keep the end, which holds the extension.
    let (head, tail) = (MAX_CHARS - 21, 20);
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

/// Whether this is a control character or an invisible format character (Unicode category Cf). A name with a
/// right-to-left mark would read differently from what it is.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffd}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_line() {
        let clean = |sent: &str| FileName::cleaned(sent).shown;
        assert_eq!(clean("PRT-2025-0002.pdf"), "PRT-2025-0002.pdf");
        assert_eq!(clean("../../x.pdf"), "x.pdf");
        assert_eq!(clean("C:\\Scans\\Überweisung 1.pdf"), "Überweisung 1.pdf");
        assert_eq!(clean("a\r\nSet-Cookie: x%0D%0A\0.pdf"), "aSet-Cookie: x .pdf");
        assert_eq!(clean("invoice\u{202e}fdp.exe"), "invoicefdp.exe");
        assert_eq!(clean("say %22yes%22.pdf"), "say \"yes\".pdf");
        for nothing in ["", "/", "..", "\u{200f}", "x/", " "] {
            assert_eq!(clean(nothing), "unnamed.pdf", "{nothing:?}");
        }
        let long = clean(&format!("{}_signed.pdf", "ä".repeat(10_000)));
        assert!(long.chars().count() == MAX_CHARS && long.ends_with("_signed.pdf") && long.contains('…'), "{long}");
        // The part that isn't displayed still counts.
        let long = FileName::cleaned(&format!("{} PRT-2025-12345 rest of it{}.pdf", "y".repeat(145), "z".repeat(60)));
        assert_eq!(long.numbers("PRT").iter().map(BolNumber::as_str).collect::<Vec<_>>(), ["PRT-2025-12345"]);
        assert!(FileName::cleaned(&format!("{}ABC-PRT-2025-0004-xx.pdf", "w".repeat(200))).numbers("PRT").is_empty());
    }

    #[test]
    fn kinds_by_name() {
        let kind = |name: &str| FileName::cleaned(name).kind("PRT");
        assert_eq!(kind("PRT-2025-0002.pdf"), Some(Kind::Bol));
        assert_eq!(kind("prt-2025-0002.PDF"), Some(Kind::Bol));
        assert_eq!(kind("PRT-2025-0002_signed.pdf"), Some(Kind::SignedBol));
        assert_eq!(kind("PRT-2025-0002 scale-ticket.pdf"), Some(Kind::ScaleTicket));
        assert_eq!(kind("PRT-2025-0002-COA.pdf"), Some(Kind::CertificateOfAnalysis));
        assert_eq!((kind("scan0001.pdf"), kind("unsigned.pdf"), kind("ABC-2025-0002.pdf")), (None, None, None));
    }
}
