//! The evidence for a file's BOL: the numbers that its content, its name and the list give.
//!
//! Only a single number that no source contradicts is a clear verdict. A clerk decides everything else, because a wrong
//! match would show one customer's document to another.

use std::collections::BTreeSet;

use serde_json::json;

use super::name::FileName;
use super::upload_list::UploadListRow;
use crate::documents::Kind;
use crate::intake::examine::{Findings, MAX_PAGES};

type Numbers = BTreeSet<String>;

/// The maximum of numbers that a message names for each source.
const MAX_NAMED: usize = 3;

/// The numbers by source, best source first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    pub code: Numbers,
    pub text: Numbers,
    pub name: Numbers,
    pub list: Numbers,
    /// From text recognition, which sometimes reads a 3 as an 8.
    pub ocr: Numbers,
    pages: usize,
    is_complete: bool,
    slow_page: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No source contradicts this number.
    Clear(String),
    /// Why a clerk has to decide.
    Unclear(String),
}

impl Evidence {
    pub fn new(findings: &Findings, name: &FileName, row: Option<&UploadListRow>, prefix: &str) -> Self {
        let strings = |numbers: BTreeSet<crate::bols::BolNumber>| numbers.iter().map(ToString::to_string).collect();
        Self {
            code: findings.codes.clone(),
            text: findings.text.clone(),
            name: strings(name.numbers(prefix)),
            list: row.map(|row| row.numbers.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            ocr: findings.ocr.clone(),
            pages: findings.pages,
            is_complete: findings.is_complete,
            slow_page: findings.slow_page,
        }
    }

    fn sources(&self) -> [(&'static str, &Numbers); 5] {
        [
            ("QR code", &self.code),
            ("text", &self.text),
            ("file name", &self.name),
            ("list", &self.list),
            ("text recognition", &self.ocr),
        ]
    }

    pub fn is_empty(&self) -> bool {
        self.sources().iter().all(|(_, numbers)| numbers.is_empty())
    }

    pub fn verdict(&self) -> Verdict {
        let reliable: Numbers = self.sources()[..4].iter().flat_map(|(_, numbers)| (*numbers).clone()).collect();
        let mut all = reliable.clone();
        // A number that text recognition misread doesn't contradict the QR code.
        if self.code.is_empty() {
            all.extend(self.ocr.iter().cloned());
        }
        let mut numbers = all.into_iter();
        match (numbers.next(), numbers.next()) {
            (None, _) if !self.is_complete => Verdict::Unclear(self.too_long()),
            (None, _) => Verdict::Unclear("No BOL number was found in the file, its name or a list.".into()),
            (Some(_), Some(_)) => Verdict::Unclear(format!("The file names different BOLs: {}.", self.describe())),
            (Some(number), None) if reliable.is_empty() => {
                Verdict::Unclear(format!("Only text recognition found a number, {number}. It can misread digits."))
            }
            (Some(_), None) if !self.is_complete => Verdict::Unclear(self.too_long()),
            (Some(number), None) => Verdict::Clear(number),
        }
    }

    fn too_long(&self) -> String {
        if let Some(page) = self.slow_page {
            format!("Page {page} takes too long to examine. It and the pages after it may name other BOLs.")
        } else if self.pages > MAX_PAGES {
            format!("Only {MAX_PAGES} of its {} pages were examined. The others may name other BOLs.", self.pages)
        } else {
            "Parts of the file could not be read. They may name other BOLs.".into()
        }
    }

    /// Describes the evidence: "the QR code says PRT-2025-0004, the file name says PRT-2025-0005"
    fn describe(&self) -> String {
        let statements =
            self.sources().into_iter().filter(|(_, numbers)| !numbers.is_empty()).map(|(source, numbers)| {
                let named: Vec<&str> = numbers.iter().take(MAX_NAMED).map(String::as_str).collect();
                let more = if numbers.len() > MAX_NAMED { " and more" } else { "" };
                format!("the {source} says {}{more}", named.join(" and "))
            });
        statements.collect::<Vec<_>>().join(", ")
    }

    /// Returns the numbers by source, as the row and the inbox keep them.
    pub fn to_json(&self) -> serde_json::Value {
        let found = self.sources().into_iter().filter(|(_, numbers)| !numbers.is_empty());
        found.map(|(source, numbers)| (source.to_owned(), json!(numbers))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Returns the kind of the document if the upload doesn't state it. The name decides; a scan of our own BOL is a
    /// signed copy.
    pub fn kind(&self, name: &FileName, prefix: &str) -> Kind {
        let of_code = (!self.code.is_empty() && self.text.is_empty()).then_some(Kind::SignedBol);
        // A scan is not the BOL itself, even if its name is only the number.
        let of_name = name.kind(prefix).filter(|kind| of_code.is_none() || *kind != Kind::Bol);
        of_name.or(of_code).unwrap_or(Kind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(code: &[&str], text: &[&str], name: &str, list: &[&str], ocr: &[&str]) -> Evidence {
        let set = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect();
        let findings = Findings {
            pages: 1,
            codes: set(code),
            text: set(text),
            ocr: set(ocr),
            is_complete: true,
            ..Findings::default()
        };
        let numbers: Vec<_> = list.iter().map(|number| number.parse().expect("a number")).collect();
        let row = UploadListRow { numbers, kind: None, customer: String::new() };
        Evidence::new(&findings, &FileName::cleaned(name), (!list.is_empty()).then_some(&row), "PRT")
    }

    #[test]
    fn agreement_is_an_answer_and_nothing_else_is() {
        let (two, three) = ("PRT-2025-0002", "PRT-2025-0003");
        let clear = |evidence: Evidence| matches!(evidence.verdict(), Verdict::Clear(number) if number == two);
        assert!(clear(evidence(&[two], &[], "scan.pdf", &[], &[])));
        assert!(clear(evidence(&[], &[two], "scan.pdf", &[], &[])));
        assert!(clear(evidence(&[], &[], "PRT-2025-0002.pdf", &[], &[])));
        assert!(clear(evidence(&[], &[], "scan.pdf", &[two], &[])));
        assert!(clear(evidence(&[two], &[two], "PRT-2025-0002_signed.pdf", &[two], &[two])));
        assert!(clear(evidence(&[two], &[], "scan.pdf", &[], &[three])), "text recognition doesn't outweigh the code");
        for unclear in [
            evidence(&[], &[], "scan.pdf", &[], &[]),
            evidence(&[], &[], "bol 2025-2.pdf", &[], &[]),
            evidence(&[two, three], &[], "scan.pdf", &[], &[]),
            evidence(&[two], &[three], "scan.pdf", &[], &[]),
            evidence(&[two], &[], "PRT-2025-0003.pdf", &[], &[]),
            evidence(&[two], &[two], "PRT-2025-0002.pdf", &[three], &[]),
            evidence(&[], &[], "scan.pdf", &[two, three], &[]),
            evidence(&[], &[], "scan.pdf", &[], &[two]),
            evidence(&[], &[], "PRT-2025-0002.pdf", &[], &[three]),
        ] {
            assert!(matches!(unclear.verdict(), Verdict::Unclear(_)), "{unclear:?}");
        }
        let Verdict::Unclear(why) = evidence(&[two], &[], "PRT-2025-0003.pdf", &[], &[]).verdict() else {
            unreachable!()
        };
        assert_eq!(
            why,
            "The file names different BOLs: the QR code says PRT-2025-0002, the file name says PRT-2025-0003."
        );
    }

    #[test]
    fn our_own_paper_as_a_scan_has_been_signed() {
        let kind = |evidence: &Evidence, name: &str| evidence.kind(&FileName::cleaned(name), "PRT");
        let scan = evidence(&["PRT-2025-0002"], &[], "x", &[], &[]);
        assert_eq!(kind(&scan, "scan.pdf"), Kind::SignedBol);
        assert_eq!(kind(&scan, "PRT-2025-0002.pdf"), Kind::SignedBol);
        assert_eq!(kind(&scan, "PRT-2025-0002_ticket.pdf"), Kind::ScaleTicket);
        let printed = evidence(&["PRT-2025-0002"], &["PRT-2025-0002"], "x", &[], &[]);
        assert_eq!((kind(&printed, "PRT-2025-0002.pdf"), kind(&printed, "x.pdf")), (Kind::Bol, Kind::Other));
    }

    #[test]
    fn what_was_not_looked_at_may_say_otherwise() {
        let mut long = evidence(&["PRT-2025-0002"], &[], "scan.pdf", &[], &[]);
        (long.is_complete, long.pages) = (false, 60);
        assert!(matches!(long.verdict(), Verdict::Unclear(why) if why.contains("60 pages")));
        (long.slow_page, long.pages) = (Some(3), 4);
        assert!(matches!(long.verdict(), Verdict::Unclear(why) if why.contains("Page 3 takes too long")));
    }
}
