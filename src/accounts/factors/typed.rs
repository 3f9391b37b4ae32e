//! Codes as people type them.

use unicode_normalization::UnicodeNormalization;

/// Returns the six digits of a code as people type it: with spaces or hyphens, or in full width. Letters are refused.
pub(super) fn six_digits(typed: &str) -> Option<String> {
    let code = plain(typed);
    (code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

/// The text without spaces and hyphens, and in normal width (Unicode NFKC). Longer texts than any code are cut.
pub(super) fn plain(typed: &str) -> String {
    let is_hyphen = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    typed.chars().take(100).nfkc().filter(|c| !c.is_whitespace() && !is_hyphen(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_however_people_space_them() {
        for typed in ["123456", " 123 456 ", "123-456", "１２３４５６", "12 34\u{a0}56", "123\u{2013}456"] {
            assert_eq!(six_digits(typed).as_deref(), Some("123456"), "{typed:?}");
        }
        for typed in ["", "12345", "1234567", "12345a", "l23456", "١٢٣٤٥٦", "123.456", "+12345", &"1".repeat(200)]
        {
            assert_eq!(six_digits(typed), None, "{typed:?}");
        }
    }
}
