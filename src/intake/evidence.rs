//! The evidence for a file's BOL: the numbers that its content, its name and the list give.
//!
//! Only a single number that no source contradicts is a clear verdict. A clerk decides everything else, because a wrong
//! match would show one customer's document to another.

use std::collections::BTreeSet;

use serde_json::json;

use super::name::FileName;
use super::upload_list::UploadListRow;
use crate::bols::PrintedCodes;
use crate::documents::Kind;
use crate::intake::examine::{Findings, Holds, MAX_PAGES, OtherKind};

type Numbers = BTreeSet<String>;

/// The maximum of numbers that a message names for each source.
const MAX_NAMED: usize = 3;

/// The numbers by source, best source first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// From codes with the portal's MAC, whatever their address.
    pub code: Numbers,
    /// From codes without one that hold an address of the portal or plain text: as good as text.
    pub unsigned_code: Numbers,
    pub text: Numbers,
    pub name: Numbers,
    pub list: Numbers,
    /// From codes that hold an address of another site. They contradict, and never file a document.
    pub foreign_code: Numbers,
    /// From text recognition, which sometimes reads a 3 as an 8, and from text that no person sees. It never files either.
    pub ocr: Numbers,
    /// From text where the page shows other digits.
    pub disputed: Numbers,
    other_kind: Option<OtherKind>,
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
    pub fn new(
        findings: &Findings,
        name: &FileName,
        row: Option<&UploadListRow>,
        prefix: &str,
        codes: &PrintedCodes,
    ) -> Self {
        let of_name = name.numbers(prefix);
        let of_list = row.map(|row| &row.numbers[..]).unwrap_or_default();
        Self {
            text: findings.text.clone(),
            name: of_name.iter().map(ToString::to_string).collect(),
            list: of_list.iter().map(ToString::to_string).collect(),
            ocr: findings.ocr.clone(),
            disputed: findings.disputed.clone(),
            other_kind: findings.other_kind,
            pages: findings.pages,
            is_complete: findings.is_complete,
            slow_page: findings.slow_page,
            ..Self::of_codes(findings, codes)
        }
    }

    /// Sorts the numbers of the codes by what these are worth.
    fn of_codes(findings: &Findings, codes: &PrintedCodes) -> Self {
        let mut evidence = Self::default();
        for code in &findings.qr_codes {
            let is_proven = match &code.holds {
                Holds::Address { mac: Some(mac), .. } => codes.proves(&code.number, mac),
                _ => false,
            };
            let is_ours = match &code.holds {
                Holds::Address { origin, .. } => codes.has_origin(origin),
                Holds::Text => true,
                Holds::OtherAddress => false,
            };
            let source = match (is_proven, is_ours) {
                (true, _) => &mut evidence.code,
                (false, true) => &mut evidence.unsigned_code,
                (false, false) => &mut evidence.foreign_code,
            };
            source.insert(code.number.clone());
        }
        // Of more codes than are reported, only the numbers are known.
        let is_sorted = |number: &String| findings.qr_codes.iter().any(|code| code.number == *number);
        evidence.foreign_code.extend(findings.codes.iter().filter(|number| !is_sorted(number)).cloned());
        evidence
    }

    /// The sources from which a number alone files a document.
    fn reliable_sources(&self) -> [(&'static str, &Numbers); 5] {
        [
            ("QR code of this portal", &self.code),
            ("QR code", &self.unsigned_code),
            ("text", &self.text),
            ("file name", &self.name),
            ("list", &self.list),
        ]
    }

    fn sources(&self) -> impl Iterator<Item = (&'static str, &Numbers)> {
        let others = [
            ("QR code of another site", &self.foreign_code),
            ("text recognition", &self.ocr),
            ("text that shows other digits", &self.disputed),
        ];
        self.reliable_sources().into_iter().chain(others)
    }

    pub fn is_empty(&self) -> bool {
        self.sources().all(|(_, numbers)| numbers.is_empty())
    }

    pub fn verdict(&self) -> Verdict {
        if let Some(number) = self.disputed.first() {
            return Verdict::Unclear(format!(
                "The page shows other digits than its text says ({number}). Open the file and file it under the number \
                 that you see."
            ));
        }
        let is_reliable = self.reliable_sources().iter().any(|(_, numbers)| !numbers.is_empty());
        let all: Numbers = self.sources().flat_map(|(_, numbers)| numbers.iter().cloned()).collect();
        let mut numbers = all.into_iter();
        match (numbers.next(), numbers.next()) {
            (None, _) if !self.is_complete => Verdict::Unclear(self.too_long()),
            (None, _) => Verdict::Unclear("No BOL number was found in the file, its name or a list.".into()),
            (Some(_), Some(_)) => Verdict::Unclear(format!("The file names different BOLs: {}.", self.describe())),
            (Some(number), None) if !is_reliable => Verdict::Unclear(self.only_unreliable(&number)),
            (Some(_), None) if !self.is_complete => Verdict::Unclear(self.too_long()),
            (Some(number), None) => Verdict::Clear(number),
        }
    }

    fn only_unreliable(&self, number: &str) -> String {
        if self.foreign_code.is_empty() {
            format!(
                "Only text recognition, or text that can't be seen, gives a number, {number}. It can be wrong. Open the \
                 file and check."
            )
        } else {
            format!(
                "Only a QR code of another site gives a number, {number}. Open the file and check whether it belongs to \
                 this BOL."
            )
        }
    }

    /// Returns why a clerk has to choose the kind: an invoice names BOLs in its text, and isn't a document of them.
    pub fn needs_kind(&self, number: &str) -> Option<String> {
        let kind = self.other_kind?.label();
        let is_text_alone =
            self.reliable_sources().iter().all(|(source, numbers)| *source == "text" || numbers.is_empty());
        let reason = || format!("The heading says that this is {kind}. Choose a kind to file it under {number}.");
        is_text_alone.then(reason)
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
        let statements = self.sources().filter(|(_, numbers)| !numbers.is_empty()).map(|(source, numbers)| {
            let named: Vec<&str> = numbers.iter().take(MAX_NAMED).map(String::as_str).collect();
            let more = if numbers.len() > MAX_NAMED { " and more" } else { "" };
            format!("the {source} says {}{more}", named.join(" and "))
        });
        statements.collect::<Vec<_>>().join(", ")
    }

    /// Returns the numbers by source, as the row and the inbox keep them.
    pub fn to_json(&self) -> serde_json::Value {
        let found = self.sources().filter(|(_, numbers)| !numbers.is_empty());
        found.map(|(source, numbers)| (source.to_owned(), json!(numbers))).collect::<serde_json::Map<_, _>>().into()
    }

    /// Returns the kind of the document if the upload doesn't state it. The name decides; a scan of our own BOL is a
    /// signed copy, and a photo is proof of delivery.
    pub fn kind(&self, name: &FileName, prefix: &str, is_photo: bool) -> Kind {
        let has_code = !self.code.is_empty() || !self.unsigned_code.is_empty();
        let of_code = (is_photo || has_code && self.text.is_empty()).then_some(Kind::SignedBol);
        // A scan or a photo is not the BOL itself, even if its name is only the number.
        let of_name = name.kind(prefix).filter(|kind| of_code.is_none() || *kind != Kind::Bol);
        of_name.or(of_code).unwrap_or(Kind::Other)
    }
}

#[cfg(test)]
mod tests;
