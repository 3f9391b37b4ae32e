//! Weights: integer pounds, and short tons of 2,000 lb (NIST Handbook 44, appendix C) exact to two decimals.

use std::fmt;

/// A weight in avoirdupois pounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pounds(pub i32);

impl fmt::Display for Pounds {
    /// `46,900`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&grouped(i64::from(self.0)))
    }
}

impl Pounds {
    /// Returns the weight in hundredths of short tons, rounded like [`Pounds::short_tons`].
    pub fn hundredths(self) -> i64 {
        hundredths(self.0.into())
    }

    /// Formats the weight in short tons, as in `23.45`. A hundredth is 20 lb; half of one is rounded away from zero.
    pub fn short_tons(self) -> String {
        short_tons(self.0.into())
    }
}

/// Formats a sum of pounds in short tons.
pub fn short_tons(pounds: i64) -> String {
    let hundredths = hundredths(pounds);
    let sign = if hundredths < 0 { "-" } else { "" };
    let hundredths = hundredths.abs();
    format!("{sign}{}.{:02}", grouped(hundredths / 100), hundredths % 100)
}

fn hundredths(pounds: i64) -> i64 {
    pounds.signum() * ((pounds.abs() + 10) / 20)
}

/// The difference between the certified weight and the net weight that was shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variance {
    difference: i64,
    net: i64,
}

impl Variance {
    /// `net_lb` is never 0; a constraint of the table enforces it.
    pub fn new(official_lb: i32, net_lb: i32) -> Self {
        Self { difference: i64::from(official_lb) - i64::from(net_lb), net: i64::from(net_lb).max(1) }
    }

    /// `+120`, `-1,040`, `0`
    pub fn pounds(self) -> String {
        signed(self.difference, grouped(self.difference.abs()))
    }

    /// Formats the difference in percent of the net weight, rounded half away from zero to two decimals: `+0.26`.
    pub fn percent(self) -> String {
        let hundredths = (self.difference.abs() * 20_000 + self.net) / (2 * self.net);
        signed(
            if hundredths == 0 { 0 } else { self.difference },
            format!("{}.{:02}", grouped(hundredths / 100), hundredths % 100),
        )
    }
}

fn signed(number: i64, digits: String) -> String {
    match number.signum() {
        1 => format!("+{digits}"),
        -1 => format!("-{digits}"),
        _ => digits,
    }
}

/// Formats a number with commas between the thousands: `1,234,567`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tons_are_exact_to_two_decimals() {
        let tons: Vec<String> =
            [46_900, 46_910, 46_909, 10, 9, 0, 2_000_000, -46_900].map(|lb| Pounds(lb).short_tons()).into();
        assert_eq!(tons, ["23.45", "23.46", "23.45", "0.01", "0.00", "0.00", "1,000.00", "-23.45"]);
        assert_eq!(Pounds(46_900).to_string(), "46,900");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-123), "-123");
    }

    #[test]
    fn variance_in_pounds_and_percent() {
        let of = |official, net| (Variance::new(official, net).pounds(), Variance::new(official, net).percent());
        assert_eq!(of(46_180, 46_060), ("+120".into(), "+0.26".into()));
        assert_eq!(of(45_000, 46_040), ("-1,040".into(), "-2.26".into()));
        assert_eq!(of(46_060, 46_060), ("0".into(), "0.00".into()));
        assert_eq!(of(1_000_001, 1_000_000), ("+1".into(), "0.00".into()));
        assert_eq!(of(i32::MAX, 1), ("+2,147,483,646".into(), "+214,748,364,600.00".into()));
    }
}
