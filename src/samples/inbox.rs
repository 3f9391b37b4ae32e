//! The documents that wait in the inbox of the sample data, one for each reason why a document waits.

use chrono::Datelike;

use super::paper::{Extra, paper_with, photo};
use super::{LAST_DAY, SampleBol, SampleDocument};

/// A file as the scanner or a sender named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A number that no sample BOL has.
const UNKNOWN_SEQ: i32 = 9041;

/// Returns about a dozen files, none of which says for certain which of these BOLs it belongs to. Without BOLs there are
/// none.
pub fn inbox(bols: &[SampleBol], prefix: &str) -> Vec<SampleFile> {
    let Some(last) = bols.len().checked_sub(1) else { return Vec::new() };
    // Spread over the newest loads.
    let bol = |n: usize| &bols[last - (3 * n) % bols.len()];
    let file = |name: &str, n: usize, kind, number: &str, extra| SampleFile {
        name: name.into(),
        bytes: drawn(bol(n), kind, number, extra),
    };
    let number = |n: usize| bol(n).number(prefix);
    let unknown = format!("{prefix}-{}-{UNKNOWN_SEQ}", LAST_DAY.year());
    let mut files = vec![
        file("Scan_20261118_0714.pdf", 0, "signed-bol", "", Extra::None),
        file(&format!("{unknown} signed.pdf"), 1, "signed-bol", &number(1), Extra::None),
        file("POD gate 3.pdf", 2, "signed-bol", &unknown, Extra::None),
        file("POD Cleveland.pdf", 3, "signed-bol", &number(3), Extra::Script),
        file("Tickets of the week.pdf", 4, "scale-ticket", &number(4), Extra::Attachment),
        file("scan.pdf", 5, "scale-ticket", "", Extra::None),
        file("scan.pdf", 6, "packing-list", "", Extra::None),
        file("COA pig iron November.pdf", 7, "certificate-of-analysis", "", Extra::None),
        file("Invoice 88213.pdf", 8, "invoice", &number(8), Extra::None),
        file("Receiving report dock 2.pdf", 9, "other", "", Extra::None),
        SampleFile { name: "IMG_2207.pdf".into(), bytes: photo() },
    ];
    if let Some(void) = bols.iter().rev().find(|bol| bol.voided.is_some()) {
        let bytes = drawn(void, "signed-bol", &void.number(prefix), Extra::None);
        files.push(SampleFile { name: "POD returned load.pdf".into(), bytes });
    }
    files
}

/// Draws a document of a BOL with this number, or with none.
fn drawn(bol: &SampleBol, kind: &'static str, number: &str, extra: Extra) -> Vec<u8> {
    let document = SampleDocument { kind, version: 1, stored_at: bol.issued_at };
    paper_with(bol, &document, number, extra)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::samples::generate;

    #[test]
    fn the_inbox_has_a_dozen_files_unlike_any_document_of_a_bol() {
        let bols = generate(6, 400).bols;
        let files = inbox(&bols, "PRT");
        assert_eq!(files.len(), 12);
        assert_eq!(files, inbox(&bols, "PRT"), "the same every time");
        let bytes: HashSet<_> = files.iter().map(|file| &file.bytes).collect();
        assert_eq!(bytes.len(), 12);
        assert!(files.iter().all(|file| file.bytes.starts_with(b"%PDF-") && file.bytes.len() < 100_000));
        assert!(inbox(&[], "PRT").is_empty());
        assert!(!inbox(&bols[..1], "PRT").is_empty(), "one load is enough");
    }
}
