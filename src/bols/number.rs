//! `PRT-2025-0001`: prefix, year, and the running number of that year.

use std::fmt;
use std::str::FromStr;

/// A BOL number as printed. At least four digits for the running number, without a leading zero beyond those.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn year(&self) -> i32 {
        self.year
    }

    pub fn seq(&self) -> i32 {
        self.seq
    }
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
