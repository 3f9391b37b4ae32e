//! What a page calls itself: its heading decides whether a number in its text is that of the document.
//!
//! A heading is large print, or one of the first lines. If several could be one, the largest counts, then the highest.
//! A BOL that mentions an invoice has a heading of its own, and so has an invoice that mentions a BOL.

use serde::{Deserialize, Serialize};

/// Large print, by the size of most letters of the page.
const LARGE: f32 = 1.25;
/// Rows from the top in which a line that begins like a heading is one.
const FIRST_ROWS: usize = 3;
/// Rows in which a line that says nothing else is one.
const TOP_ROWS: usize = 8;
/// Words of a heading.
const MAX_WORDS: usize = 8;
/// Distance between the base lines of a row, by the size of its letters.
const ROW: f32 = 0.5;
/// Sizes that count as the same.
const SAME_SIZE: f32 = 1.1;

/// A kind of document that isn't filed because its text has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherKind {
    Invoice,
    Statement,
    Quotation,
    PurchaseOrder,
    Remittance,
    CreditNote,
    DebitNote,
    PackingList,
}

impl OtherKind {
    /// Returns the name with its article.
    pub fn label(self) -> &'static str {
        match self {
            Self::Invoice => "an invoice",
            Self::Statement => "a statement",
            Self::Quotation => "a quotation",
            Self::PurchaseOrder => "a purchase order",
            Self::Remittance => "a remittance advice",
            Self::CreditNote => "a credit note",
            Self::DebitNote => "a debit note",
            Self::PackingList => "a packing list",
        }
    }
}

/// What a heading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// The document of a load, such as a bill of lading or a scale ticket.
    OfLoad,
    Other(OtherKind),
}

const PHRASES: [(&[&str], Heading); 19] = [
    (&["INVOICE"], Heading::Other(OtherKind::Invoice)),
    (&["STATEMENT"], Heading::Other(OtherKind::Statement)),
    (&["QUOTATION"], Heading::Other(OtherKind::Quotation)),
    (&["QUOTE"], Heading::Other(OtherKind::Quotation)),
    (&["PURCHASE", "ORDER"], Heading::Other(OtherKind::PurchaseOrder)),
    (&["REMITTANCE"], Heading::Other(OtherKind::Remittance)),
    (&["CREDIT", "NOTE"], Heading::Other(OtherKind::CreditNote)),
    (&["CREDIT", "MEMO"], Heading::Other(OtherKind::CreditNote)),
    (&["DEBIT", "NOTE"], Heading::Other(OtherKind::DebitNote)),
    (&["DEBIT", "MEMO"], Heading::Other(OtherKind::DebitNote)),
    (&["PACKING", "LIST"], Heading::Other(OtherKind::PackingList)),
    (&["PACKING", "SLIP"], Heading::Other(OtherKind::PackingList)),
    (&["BILL", "OF", "LADING"], Heading::OfLoad),
    (&["SCALE", "TICKET"], Heading::OfLoad),
    (&["WEIGHT", "TICKET"], Heading::OfLoad),
    (&["WEIGHT", "CERTIFICATE"], Heading::OfLoad),
    (&["DELIVERY", "RECEIPT"], Heading::OfLoad),
    (&["PROOF", "OF", "DELIVERY"], Heading::OfLoad),
    (&["CERTIFICATE", "OF", "ANALYSIS"], Heading::OfLoad),
];
/// Words that may come before these.
const BEFORE: [&str; 17] = [
    "COMMERCIAL",
    "PROFORMA",
    "PRO",
    "FORMA",
    "TAX",
    "VAT",
    "SALES",
    "FREIGHT",
    "FINAL",
    "COPY",
    "ORIGINAL",
    "DUPLICATE",
    "REVISED",
    "ACCOUNT",
    "MONTHLY",
    "STRAIGHT",
    "UNIFORM",
];
/// Words after which the line is a label or a sentence: "Invoice to", "Invoice address".
const AFTER: [&str; 14] = [
    "TO",
    "ADDRESS",
    "PARTY",
    "CONTACT",
    "TERMS",
    "INSTRUCTIONS",
    "ENCLOSED",
    "ATTACHED",
    "FOLLOWS",
    "WILL",
    "IS",
    "ARE",
    "MUST",
    "WITH",
];

/// A line of a page, up to a wide gap.
#[derive(Clone, Debug, Default)]
pub struct TextLine {
    pub text: String,
    /// The size of its letters, in points.
    pub size: f32,
    /// Its base line, from the top of the page.
    pub y: f32,
}

/// Returns what the heading of a page says.
pub fn of(lines: &[TextLine]) -> Option<Heading> {
    let body = body_size(lines);
    let mut lines: Vec<&TextLine> = lines.iter().filter(|line| line.text.chars().any(char::is_alphabetic)).collect();
    lines.sort_by(|one, other| one.y.total_cmp(&other.y));
    let (mut row, mut last) = (0, f32::NEG_INFINITY);
    let mut best: Option<(f32, Heading)> = None;
    for line in lines {
        row += usize::from(line.y - last > ROW * line.size);
        last = line.y;
        let Some((heading, is_alone)) = phrase(&line.text) else { continue };
        let is_heading = line.size >= LARGE * body || row <= FIRST_ROWS || (row <= TOP_ROWS && is_alone);
        if is_heading && best.is_none_or(|(size, _)| line.size > size * SAME_SIZE) {
            best = Some((line.size, heading));
        }
    }
    best.map(|(_, heading)| heading)
}

/// Returns what the document is, from the headings of its pages. One of a load has the right to its number.
pub fn of_document(headings: &[Heading]) -> Option<OtherKind> {
    let kinds = headings.iter().map(|heading| match heading {
        Heading::OfLoad => None,
        Heading::Other(kind) => Some(*kind),
    });
    kinds.collect::<Option<Vec<_>>>()?.first().copied()
}

/// Returns the size of most letters.
fn body_size(lines: &[TextLine]) -> f32 {
    let mut sizes: Vec<(f32, usize)> = lines.iter().map(|line| (line.size, line.text.len())).collect();
    sizes.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let half = sizes.iter().map(|(_, letters)| letters).sum::<usize>() / 2;
    let mut sum = 0;
    let middle = sizes.iter().find(|(_, letters)| {
        sum += letters;
        sum > half
    });
    middle.map_or(0.0, |(size, _)| *size)
}

/// Returns what a line says if it begins like a heading, and whether it says nothing else.
fn phrase(text: &str) -> Option<(Heading, bool)> {
    let upper = text.to_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    // I N V O I C E
    let spaced = words.concat();
    let is_spaced = words.len() > 3 && words.iter().all(|word| word.chars().count() == 1);
    if is_spaced {
        let is = |phrase: &[&str]| phrase.concat() == spaced;
        return PHRASES.iter().find(|(phrase, _)| is(phrase)).map(|(_, heading)| (*heading, true));
    }
    let before = words.iter().take_while(|word| BEFORE.contains(word)).count();
    let rest = &words[before..];
    let (phrase, heading) = PHRASES.iter().find(|(phrase, _)| rest.starts_with(phrase))?;
    let after = &rest[phrase.len()..];
    let is_label = after.first().is_some_and(|word| AFTER.contains(word)) || words.len() > MAX_WORDS;
    (!is_label).then_some((*heading, after.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVOICE: Option<Heading> = Some(Heading::Other(OtherKind::Invoice));

    /// A page with lines of text and their sizes, from the top down.
    fn page(lines: &[(&str, f32)]) -> Option<Heading> {
        let y = |index: usize| 40.0 + 30.0 * index as f32;
        let lines = lines.iter().enumerate();
        let lines = lines.map(|(index, (text, size))| TextLine { text: (*text).into(), size: *size, y: y(index) });
        of(&lines.collect::<Vec<_>>())
    }

    const BODY: [(&str, f32); 3] = [
        ("Foundry coke, 42 tons, as ordered by telephone", 10.0),
        ("Total 4,711.00", 10.0),
        ("BOL PRT-2025-0002", 10.0),
    ];

    #[test]
    fn a_heading_is_large_or_stands_first() {
        for heading in [
            "INVOICE",
            "Invoice No. 4711",
            "Commercial invoice",
            "I N V O I C E",
            "Pro forma invoice 7",
            "Invoice 7 for PRT-2025-0002",
        ] {
            for size in [10.0, 20.0] {
                assert_eq!(page(&[&[(heading, size)], &BODY[..]].concat()), INVOICE, "{heading} {size}");
            }
        }
        let letterhead = [("Coke & Coal Inc.", 10.0), ("1 Mill Road", 10.0), ("Dayton, OH", 10.0), ("Tel. 555", 10.0)];
        let with = |line: (&'static str, f32)| page(&[&letterhead[..], &[line], &BODY].concat());
        assert_eq!(with(("Invoice", 10.0)), INVOICE);
        assert_eq!(with(("Invoice no. 4711", 14.0)), INVOICE);
        assert_eq!(with(("Invoice no. 4711", 10.0)), None, "a label");
    }

    #[test]
    fn each_kind_has_its_words() {
        for (heading, kind) in [
            ("Statement of account", OtherKind::Statement),
            ("Quotation", OtherKind::Quotation),
            ("Quote 17", OtherKind::Quotation),
            ("Purchase order 4500", OtherKind::PurchaseOrder),
            ("Remittance advice", OtherKind::Remittance),
            ("Credit note", OtherKind::CreditNote),
            ("Debit memo", OtherKind::DebitNote),
            ("Packing slip", OtherKind::PackingList),
        ] {
            assert_eq!(page(&[&[(heading, 18.0)], &BODY[..]].concat()), Some(Heading::Other(kind)), "{heading}");
        }
    }

    #[test]
    fn a_bol_that_mentions_others_stays_a_bol() {
        let lines = [("Straight bill of lading", 17.0), ("Purchase order 4500", 10.0), ("Invoice", 10.0)];
        assert_eq!(page(&[&lines[..], &BODY].concat()), Some(Heading::OfLoad));
        let plain = [("BILL OF LADING", 10.0), ("PURCHASE ORDER 4500", 10.0), ("INVOICE", 10.0)];
        assert_eq!(page(&[&plain[..], &BODY].concat()), Some(Heading::OfLoad));
        for label in
            ["Invoice to: Acme Steel", "Invoice address", "Customer PO", "Bill freight to", "See invoice", "Our quote"]
        {
            assert_eq!(page(&[&[(label, 18.0)], &BODY[..]].concat()), None, "{label}");
        }
        assert_eq!(page(&BODY), None);
        assert_eq!(page(&[]), None);
    }

    #[test]
    fn a_document_with_a_page_of_a_load_is_of_it() {
        let (of_load, invoice) = (Heading::OfLoad, Heading::Other(OtherKind::Invoice));
        assert_eq!(of_document(&[invoice]), Some(OtherKind::Invoice));
        assert_eq!(of_document(&[invoice, of_load]), None);
        assert_eq!(of_document(&[]), None);
    }

    #[test]
    fn an_invoice_that_mentions_a_bol_stays_an_invoice() {
        let lines = [("Bill of lading PRT-2025-0002", 10.0), ("INVOICE", 20.0)];
        assert_eq!(page(&[&lines[..], &BODY].concat()), INVOICE);
        let plain = [("Invoice 4711", 10.0), ("Bill of lading: PRT-2025-0002", 10.0)];
        assert_eq!(page(&[&plain[..], &BODY].concat()), INVOICE);
    }
}
