//! The name of a file that was uploaded: shown, searched for a BOL number, and never used as a path.

use std::collections::BTreeSet;

use crate::bols::BolNumber;
use crate::documents::Kind;

/// In characters.
const MAX_CHARS: usize = 180;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Cut to [`MAX_CHARS`]: for people.
    shown: String,
    /// Uncut: what is searched and compared.
    whole: String,
    /// The folders before it, as far as they were sent, with `/` between.
    folder: String,
}

impl FileName {
    /// As it was sent: the last part of whatever path it is, without what can't be seen or turns the reading direction.
    pub fn cleaned(sent: &str) -> Self {
        // How browsers send a quote and a line's end in the header of a part (WHATWG, multipart/form-data encoding).
        let sent = sent.replace("%22", "\"").replace("%0D", " ").replace("%0A", " ");
        let seen: String = sent.chars().filter(|c| !is_unseen(*c)).collect();
        let plain = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches('.').to_owned();
        let mut parts: Vec<String> = seen.split(['/', '\\']).map(plain).collect();
        let whole = parts.pop().filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed.pdf".into());
        parts.retain(|part| !part.is_empty());
        Self { shown: shortened(&whole), whole, folder: parts.join("/") }
    }

    /// For people.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// By which files and lines of a list are compared: Windows and people don't care about case.
    pub(super) fn key(&self) -> String {
        self.whole.to_lowercase()
    }

    /// Could they be the same file, as far as their folders are known?
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

    /// What is written behind the number: `PRT-2025-0002_signed.pdf`; nothing at all means the BOL itself.
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
    // The end of a name says what kind of file it is.
    let (head, tail) = (MAX_CHARS - 21, 20);
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

/// Control characters, and those of Unicode that format without being seen (general category Cf, as far as it concerns
/// names): a name with a right-to-left mark reads differently from what it is.
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
        // What is cut away for the eye still counts.
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
