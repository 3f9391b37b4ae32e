//! The BOL number, such as `PRT-2025-0001`: prefix, year, and the running number of that year.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A BOL number as printed. At least four digits for the running number, without a leading zero beyond those.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BolNumber {
    text: String,
    year: i32,
    seq: i32,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a BOL number looks like PRT-2025-0001")]
pub struct InvalidNumber;

impl BolNumber {
    pub fn new(prefix: &str, year: i32, seq: i32) -> Result<Self, InvalidNumber> {
        format!("{prefix}-{year}-{seq:04}").parse()
    }

    /// Returns every number with this prefix that is a word of the text, in any case and with any kind of hyphen.
    ///
    /// Part of a longer word (`PRT-2025-0002-1`, `XPRT-2025-0002`) doesn't count: that is the name of something else.
    pub fn find_all(text: &str, prefix: &str) -> BTreeSet<Self> {
        Self::find_places(text, prefix).into_iter().map(|(number, _)| number).collect()
    }

    /// Returns the same numbers, each as often as it stands there, with its place in the characters of the text.
    pub fn find_places(text: &str, prefix: &str) -> Vec<(Self, Range<usize>)> {
        let plain = |c: char| match c {
            c if is_dash(c) => '-',
            c => c.to_ascii_uppercase(),
        };
        let text: Vec<char> = text.chars().map(plain).collect();
        let is_of_word = |c: &char| c.is_alphanumeric() || *c == '-';
        let number = |word: &str| {
            // File names may have an addition: PRT-2025-0002-signed.
            let end = word.match_indices('-').nth(2).map_or(word.len(), |(end, _)| end);
            let (number, rest) = word.split_at(end);
            let added = rest.chars().all(|c| c == '-' || c.is_alphabetic());
            number.parse().ok().filter(|number: &Self| added && number.prefix() == prefix)
        };
        let (mut places, mut end) = (Vec::new(), 0);
        for word in text.chunk_by(|one, next| is_of_word(one) == is_of_word(next)) {
            let start = end + word.iter().take_while(|c| **c == '-').count();
            end += word.len();
            if let Some(number) = number(word.iter().collect::<String>().trim_matches('-')) {
                let place = start..start + number.text.len();
                places.push((number, place));
            }
        }
        places
    }

    /// Parses a number as the office abbreviates it: in full, as `25-4` or `2025-4`, or as `4` for this year's.
    pub fn from_short(text: &str, prefix: &str, this_year: i32) -> Result<Self, InvalidNumber> {
        let text = text.trim().to_ascii_uppercase();
        if let Ok(number) = text.parse() {
            return Ok(number);
        }
        let text = text.strip_prefix(prefix).map_or(text.as_str(), |rest| rest.trim_start_matches('-'));
        let digits = |text: &str, most| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
        let (year, seq) = match text.split_once('-') {
            None => (this_year, text),
            Some((year, seq)) if year.len() == 2 && digits(year, 2) => {
                (this_year / 100 * 100 + year.parse::<i32>().map_err(|_| InvalidNumber)?, seq)
            }
            Some((year, seq)) if digits(year, 4) => (year.parse().map_err(|_| InvalidNumber)?, seq),
            Some(_) => return Err(InvalidNumber),
        };
        if !digits(seq, 9) {
            return Err(InvalidNumber);
        }
        Self::new(prefix, year, seq.parse().map_err(|_| InvalidNumber)?)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn prefix(&self) -> &str {
        self.text.split('-').next().unwrap_or_default()
    }

    pub fn year(&self) -> i32 {
        self.year
    }

    pub fn seq(&self) -> i32 {
        self.seq
    }
}

/// Whether a character is one of the dashes that people and programs write instead of a hyphen.
pub(super) fn is_dash(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

impl FromStr for BolNumber {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let (Some(prefix), Some(year), Some(seq), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidNumber);
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let prefix_fits = (1..=10).contains(&prefix.len())
            && prefix.starts_with(|c: char| c.is_ascii_uppercase())
            && prefix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let seq_fits = digits(seq) && (seq.len() == 4 || (5..=9).contains(&seq.len()) && !seq.starts_with('0'));
        if !prefix_fits || year.len() != 4 || !digits(year) || !seq_fits {
            return Err(InvalidNumber);
        }
        let (year, seq) = (year.parse().map_err(|_| InvalidNumber)?, seq.parse().map_err(|_| InvalidNumber)?);
        if seq == 0 { Err(InvalidNumber) } else { Ok(Self { text: text.into(), year, seq }) }
    }
}

impl fmt::Display for BolNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_stand_by_themselves() {
        let found = |text: &str| BolNumber::find_all(text, "PRT").iter().map(ToString::to_string).collect::<Vec<_>>();
        for text in [
            "PRT-2025-0002",
            "BOL Number:\nprt-2025-0002, page 1",
            "PRT-2025-0002_signed.pdf",
            "PRT-2025-0002-signed.pdf",
            "PRT-2025-0002 (1).pdf",
            "scan of PRT\u{2011}2025\u{2013}0002.",
            "PRT-2025-0002 and again PRT-2025-0002",
        ] {
            assert_eq!(found(text), ["PRT-2025-0002"], "{text:?}");
        }
        for text in [
            "",
            "bol 2025-2.pdf",
            "PRT-2025-00021x",
            "PRT-2025-002",
            "XPRT-2025-0002",
            "PRT-2025-0002-1",
            "ÄPRT-2025-0002",
            "PRT-2025-0002\u{661}",
            "PRT 2025 0002",
            "ABC-2025-0002",
        ] {
            assert!(found(text).is_empty(), "{text:?}");
        }
        assert_eq!(found("PRT-2025-0002.PRT-2025-0003"), ["PRT-2025-0002", "PRT-2025-0003"]);
    }

    #[test]
    fn places_are_counted_in_characters() {
        let text = "Nº –PRT\u{2011}2025-0002-signed, prt-2025-12345.";
        let places = BolNumber::find_places(text, "PRT");
        let shown = places.iter().map(|(number, place)| {
            let shown: String = text.chars().skip(place.start).take(place.len()).collect();
            (number.as_str(), shown)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [("PRT-2025-0002", "PRT\u{2011}2025-0002".to_owned()), ("PRT-2025-12345", "prt-2025-12345".to_owned())]
        );
    }

    #[test]
    fn short_numbers_are_of_this_year() {
        let short = |text: &str| BolNumber::from_short(text, "PRT", 2026).map(|number| number.to_string());
        for text in ["4", "0004", " 26-4 ", "2026-4", "prt-2026-0004", "PRT-2026-4", "PRT4"] {
            assert_eq!(short(text).as_deref(), Ok("PRT-2026-0004"), "{text:?}");
        }
        assert_eq!(short("25-12345").as_deref(), Ok("PRT-2025-12345"));
        assert_eq!(short("ABC-2025-0001").as_deref(), Ok("ABC-2025-0001"));
        for text in ["", "0", "-4", "x", "4-", "1-2-3", "20256-1", "1234567890", "+4", "٤"] {
            assert_eq!(short(text), Err(InvalidNumber), "{text:?}");
        }
    }

    #[test]
    fn numbers_parse_and_print() {
        let number = BolNumber::new("PRT", 2025, 1).expect("valid");
        assert_eq!((number.as_str(), number.year(), number.seq()), ("PRT-2025-0001", 2025, 1));
        assert_eq!(BolNumber::new("PRT", 2025, 12345).expect("valid").as_str(), "PRT-2025-12345");
        for bad in [
            "",
            "PRT",
            "PRT-2025",
            "PRT-2025-1",
            "PRT-2025-0000",
            "PRT-2025-01234",
            "prt-2025-0001",
            "PRT-25-0001",
            "PRT-2025-0001-x",
            "PRT-2025-0001\0",
            " PRT-2025-0001",
            "PRT-2025-+001",
            "1PRT-2025-0001",
            "PRT-2025-9999999999",
        ] {
            assert_eq!(bad.parse::<BolNumber>(), Err(InvalidNumber), "{bad:?}");
        }
    }
}
