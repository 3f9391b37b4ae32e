//! What a typed search means: numbers of BOLs, fields with a value, and text anywhere.

use unicode_normalization::UnicodeNormalization as _;

use super::Period;
use crate::bols::BolNumber;
use crate::bols::number::is_dash;

/// Terms beyond this many are ignored, except for numbers.
const MAX_TERMS: usize = 8;
/// The largest list of numbers that is searched for.
const MAX_NUMBERS: usize = 100;

/// A field that a word in front of a value names.
#[derive(Debug, PartialEq, Eq)]
pub struct SearchField {
    pub label: &'static str,
    /// The column of `bols`.
    pub(super) column: &'static str,
    /// The names that people type, in lower case. A name may have several words.
    names: &'static [&'static str],
}

/// The column of the number, and those in the generated column `search_text`, which the index serves.
static FIELDS: [SearchField; 13] = [
    SearchField { label: "BOL", column: "number", names: &["bol", "b/l"] },
    SearchField { label: "Truck", column: "truck_number", names: &["truck", "trucks", "trk"] },
    SearchField { label: "Trailer", column: "trailer_number", names: &["trailer", "trailers", "trl"] },
    SearchField { label: "PO", column: "customer_po", names: &["po", "p.o", "purchase order"] },
    SearchField { label: "Release", column: "release_number", names: &["release", "rel"] },
    SearchField { label: "Lot", column: "lot", names: &["lot"] },
    SearchField { label: "Seal", column: "seal_numbers", names: &["seal", "seals"] },
    SearchField { label: "Scale ticket", column: "scale_ticket", names: &["scale ticket", "ticket"] },
    SearchField { label: "Driver", column: "driver_name", names: &["driver"] },
    SearchField { label: "Carrier", column: "carrier", names: &["carrier"] },
    SearchField { label: "Product", column: "product", names: &["product"] },
    SearchField { label: "Chemistry", column: "chemistry", names: &["chemistry"] },
    SearchField { label: "Ship to", column: "ship_to", names: &["ship to", "ship-to"] },
];

/// A part of the search, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As it was typed, but for kinds of dashes and spaces.
    pub typed: String,
    pub meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The BOL with this number. Several of these mean any of them.
    Number(BolNumber),
    /// The same, but it may also be text: `26-128`.
    ShortNumber(BolNumber),
    Field(&'static SearchField, String),
    /// The date of the BOL.
    During(Period),
    /// There is a signed copy.
    Signed,
    Void,
    Anywhere(String),
}

impl Term {
    /// Whether the term means something else than the text that was typed.
    pub fn is_interpreted(&self) -> bool {
        match &self.meaning {
            Meaning::Number(number) => number.as_str() != self.typed,
            Meaning::Anywhere(_) => false,
            _ => true,
        }
    }

    /// The term in words: `Truck contains 460`.
    pub fn description(&self) -> String {
        match &self.meaning {
            Meaning::Number(number) => format!("BOL is {number}"),
            Meaning::ShortNumber(number) => format!("BOL is {number}, or any field contains {}", self.typed),
            Meaning::Field(field, value) => format!("{} contains {value}", field.label),
            Meaning::During(period) => format!("Date is {}", period.label().to_lowercase()),
            Meaning::Signed => "Document is signed BOL".into(),
            Meaning::Void => "Status is void".into(),
            Meaning::Anywhere(text) => format!("Any field contains {text}"),
        }
    }
}

/// Reads what was typed. `prefix` is that of the portal's BOL numbers.
pub fn parse(typed: &str, prefix: &str) -> Vec<Term> {
    let words = words(typed);
    let (mut terms, mut numbers, mut others, mut rest) = (Vec::new(), 0, 0, words.as_slice());
    while !rest.is_empty() {
        let (used, meaning) = next(rest, prefix);
        let typed = rest[..used].iter().map(Word::source).collect::<Vec<_>>().join(" ");
        rest = &rest[used..];
        let Some(meaning) = meaning else { continue };
        let is_number = matches!(meaning, Meaning::Number(_) | Meaning::ShortNumber(_));
        let (count, most) = if is_number { (&mut numbers, MAX_NUMBERS) } else { (&mut others, MAX_TERMS) };
        if *count < most {
            *count += 1;
            terms.push(Term { typed, meaning });
        }
    }
    // A name of a field and nothing else is text.
    if terms.is_empty() {
        terms.extend(words.iter().take(MAX_TERMS).map(|word| {
            let text = word.text.clone();
            Term { typed: word.source(), meaning: Meaning::Anywhere(text) }
        }));
    }
    terms
}

/// A word, or text in quotation marks, which means only itself.
#[derive(Debug)]
struct Word {
    text: String,
    is_quoted: bool,
}

impl Word {
    fn source(&self) -> String {
        if self.is_quoted { format!("\"{}\"", self.text) } else { self.text.clone() }
    }

    /// The word as the name of a field: without the punctuation behind it.
    fn name(&self) -> String {
        self.text.trim_end_matches(['.', ':', '#']).to_lowercase()
    }
}

fn words(typed: &str) -> Vec<Word> {
    let plain = |c: char| match c {
        c if c.is_control() => ' ',
        c if is_dash(c) => '-',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => '"',
        c => c,
    };
    let text: String = typed.chars().map(plain).nfkc().collect();
    let mut words = Vec::new();
    // Without a second mark, the mark is a character like any other.
    let parts: Vec<&str> =
        if text.matches('"').count().is_multiple_of(2) { text.split('"').collect() } else { vec![&text] };
    for (at, part) in parts.into_iter().enumerate() {
        if at % 2 == 1 {
            let text = part.split_whitespace().collect::<Vec<_>>().join(" ");
            words.extend((!text.is_empty()).then_some(Word { text, is_quoted: true }));
            continue;
        }
        for word in part.split(|c: char| c.is_whitespace() || c == ';' || c == ',').filter(|word| !word.is_empty()) {
            // `truck:460`, `PO#4500`.
            let split = word.split_once([':', '#']).filter(|(name, value)| {
                !value.is_empty() && FIELDS.iter().any(|field| field.names.contains(&name.to_lowercase().as_str()))
            });
            let parts = split.map_or_else(|| vec![word], |(name, value)| vec![name, value]);
            words.extend(parts.into_iter().map(|text| Word { text: text.into(), is_quoted: false }));
        }
    }
    words
}

/// Reads the first term. Returns how many words it takes, and its meaning; the name of a field without a value has none.
fn next(words: &[Word], prefix: &str) -> (usize, Option<Meaning>) {
    if words[0].is_quoted {
        return (1, Some(Meaning::Anywhere(words[0].text.clone())));
    }
    if let Some((used, meaning)) = number(words, prefix) {
        return (used, Some(meaning));
    }
    if let Some((used, meaning)) = mark_or_period(words) {
        return (used, Some(meaning));
    }
    let Some((field, named)) = field(words) else {
        return (1, Some(Meaning::Anywhere(words[0].text.clone())));
    };
    let Some(value) = words.get(named) else { return (named, None) };
    // `BOL PRT-2026-0128`: the number says more than the name.
    if let Some((used, meaning)) = number(&words[named..], prefix).filter(|_| field.column == "number") {
        return (named + used, Some(meaning));
    }
    (named + 1, Some(Meaning::Field(field, value.text.clone())))
}

/// Reads what the rows say about a BOL (`signed`, `void`), and names of days (`last month`).
fn mark_or_period(words: &[Word]) -> Option<(usize, Meaning)> {
    let first = words[0].text.to_lowercase();
    match first.as_str() {
        "signed" => return Some((1, Meaning::Signed)),
        "void" => return Some((1, Meaning::Void)),
        _ => {}
    }
    let second = words.get(1).filter(|word| !word.is_quoted).map(|word| word.text.to_lowercase());
    let both = second.map(|second| format!("{first} {second}"));
    Period::ALL.into_iter().find_map(|period| {
        let label = period.label().to_lowercase();
        let used = match (label == first, both.as_ref() == Some(&label)) {
            (true, _) => 1,
            (_, true) => 2,
            _ => return None,
        };
        Some((used, Meaning::During(period)))
    })
}

/// Finds the field that the first words name, and how many words the name has.
fn field(words: &[Word]) -> Option<(&'static SearchField, usize)> {
    let pair =
        words.get(1).filter(|word| !word.is_quoted).map(|second| format!("{} {}", words[0].name(), second.name()));
    let named = |name: &str| FIELDS.iter().find(|field| field.names.contains(&name));
    match pair.as_deref().and_then(named) {
        Some(field) => Some((field, 2)),
        None => named(&words[0].name()).map(|field| (field, 1)),
    }
}

/// Reads a BOL number, and how many words it has: `PRT-2026-0128`, `prt20260128`, `PRT 2026 128`, `26-128`.
fn number(words: &[Word], prefix: &str) -> Option<(usize, Meaning)> {
    let first = words[0].text.to_ascii_uppercase();
    if let Ok(number) = first.parse() {
        return Some((1, Meaning::Number(number)));
    }
    if let Some(rest) = first.strip_prefix(prefix) {
        let rest = rest.trim_start_matches('-');
        // The parts may be words of their own.
        let mut parts = if rest.is_empty() { Vec::new() } else { vec![rest] };
        let following = words[1..].iter().take_while(|word| !word.is_quoted).map(|word| word.text.as_str());
        parts.extend(following.take(2));
        for used in (1..=parts.len()).rev() {
            if let Some(number) = of_parts(&parts[..used].join("-"), prefix) {
                return Some((used + usize::from(rest.is_empty()), Meaning::Number(number)));
            }
        }
    }
    of_parts(&first, prefix).filter(|_| first.contains('-')).map(|number| (1, Meaning::ShortNumber(number)))
}

/// Reads the year, with two or four digits, and the running number: `2026-0128`, `26-128` or `20260128`.
fn of_parts(text: &str, prefix: &str) -> Option<BolNumber> {
    let (year, seq) = match text.split_once('-') {
        Some(parts) => parts,
        None if text.is_ascii() && text.len() >= 8 => text.split_at(4),
        None => return None,
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(year) || !is_digits(seq) || seq.len() > 9 {
        return None;
    }
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        (2, year) => 2000 + year,
        (4, year @ 1900..=2199) => year,
        _ => return None,
    };
    BolNumber::new(prefix, year, seq.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(typed: &str) -> Vec<String> {
        parse(typed, "PRT").iter().map(Term::description).collect()
    }

    #[test]
    fn numbers_are_understood_as_people_write_them() {
        for typed in [
            "PRT-2026-0128",
            "prt-2026-0128",
            "PRT20260128",
            "PRT-20260128",
            "PRT2026-128",
            "PRT 2026 0128",
            "PRT 20260128",
            "prt 26-128",
            "PRT-26-128",
            "PRT\u{2013}2026\u{2011}0128",
            "PRT\u{a0}2026\u{a0}0128",
            "BOL PRT-2026-0128",
            "bol: prt 2026 128",
        ] {
            assert_eq!(understood(typed), ["BOL is PRT-2026-0128"], "{typed:?}");
        }
        assert_eq!(understood("26-128"), ["BOL is PRT-2026-0128, or any field contains 26-128"]);
        assert_eq!(understood("PRT-2026-0128, PRT-2026-0129;26-7").len(), 3);
        assert_eq!(understood("ABC-2024-0001"), ["BOL is ABC-2024-0001"], "an earlier prefix");
        for text in ["128", "0128", "2026", "20260128", "PRT", "PRT-", "6-128", "1234-5", "26-", "26-x", "PRT-26-0"] {
            assert!(!understood(text).concat().contains("BOL is"), "{text:?}: {:?}", understood(text));
        }
    }

    #[test]
    fn a_word_in_front_of_a_value_names_the_field() {
        for (typed, meaning) in [
            ("truck 460", &["Truck contains 460"][..]),
            ("Truck: 460", &["Truck contains 460"]),
            ("PO 450088757", &["PO contains 450088757"]),
            ("P.O. 450088757", &["PO contains 450088757"]),
            ("po#450088757", &["PO contains 450088757"]),
            ("purchase order 4500", &["PO contains 4500"]),
            ("rel. 77", &["Release contains 77"]),
            ("lot 26-4", &["Lot contains 26-4"]),
            ("seal 991 trailer T-7", &["Seal contains 991", "Trailer contains T-7"]),
            ("scale ticket 81", &["Scale ticket contains 81"]),
            ("carrier \"green river\"", &["Carrier contains green river"]),
            ("BOL 0128", &["BOL contains 0128"]),
            ("pig iron truck", &["Any field contains pig", "Any field contains iron"]),
            ("truck", &["Any field contains truck"]),
            ("\"truck 460\"", &["Any field contains truck 460"]),
            ("truck-460", &["Any field contains truck-460"]),
            ("PO 4500 signed last month", &["PO contains 4500", "Document is signed BOL", "Date is last month"]),
            ("Void, TODAY", &["Status is void", "Date is today"]),
            (
                "last \"month\" \"signed\"",
                &["Any field contains last", "Any field contains month", "Any field contains signed"],
            ),
            ("27\" coil", &["Any field contains 27\"", "Any field contains coil"]),
            (" \t\0", &[]),
        ] {
            assert_eq!(understood(typed), meaning, "{typed:?}");
        }
    }

    #[test]
    fn what_was_typed_gives_the_same_terms_again() {
        for typed in ["truck 460 PO#7, \u{201c}a b\u{201d} 26\u{2013}128 PRT 2026 9 iron", "driver \"Jo Li\" lot"] {
            let terms = parse(typed, "PRT");
            let again = terms.iter().map(|term| term.typed.as_str()).collect::<Vec<_>>().join(" ");
            assert_eq!(parse(&again, "PRT"), terms, "{again}");
        }
    }

    #[test]
    fn more_terms_than_a_person_types_are_ignored() {
        assert_eq!(parse(&"word ".repeat(50), "PRT").len(), MAX_TERMS);
        let numbers: String = (1..=150).map(|seq| format!("PRT-2026-{seq:04} ")).collect();
        assert_eq!(parse(&format!("{numbers}truck 1"), "PRT").len(), MAX_NUMBERS + 1);
    }
}
