//! The typefaces in the binary, and the characters they can print.

use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::Font;

/// Latin, Greek and Cyrillic, then a fallback that is mostly Chinese, Japanese and Korean.
const FONTS: [&[u8]; 4] = [OF_TEXT[0], OF_TEXT[1], OF_TEXT[2], include_bytes!("../fonts/DroidSansFallback.ttf")];
/// The typeface of printed BOLs: regular, semibold and bold.
pub const OF_TEXT: [&[u8]; 3] = [
    include_bytes!("../fonts/SourceSans3-Regular.ttf"),
    include_bytes!("../fonts/SourceSans3-Semibold.ttf"),
    include_bytes!("../fonts/SourceSans3-Bold.ttf"),
];

static TYPEFACES: LazyLock<Vec<Font>> =
    LazyLock::new(|| FONTS.iter().flat_map(|data| Font::iter(Bytes::new(*data))).collect());

/// Returns every typeface, in the order of fallback.
pub fn all() -> &'static [Font] {
    &TYPEFACES
}

/// Returns the first character that can't be printed: no typeface has it, or it is invisible. Line breaks are
/// allowed.
pub fn unprintable(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && !is_printable(*c))
}

/// Returns the message for the person who typed the character.
pub fn unprintable_message(c: char) -> String {
    if is_unseen(c) {
        let code = u32::from(c);
        return format!("There is an invisible character (U+{code:04X}), which can't be printed. Leave it out.");
    }
    format!("“{c}” can't be printed. Leave it out.")
}

fn is_printable(c: char) -> bool {
    !is_unseen(c) && all().iter().any(|font| font.info().coverage.contains(c.into()))
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::unprintable;

    #[test]
    fn what_the_typefaces_have_can_be_printed() {
        for text in ["", "Acme Steel", "Müller & Łódź Æ", "漢字 かな", "Чугун α", "a\nb", "“quoted” – ½ °C µ €"]
        {
            assert_eq!(unprintable(text), None, "{text}");
        }
        for (text, bad) in [
            ("a\u{202e}b", '\u{202e}'),
            ("a\tb", '\t'),
            ("\0", '\0'),
            ("ok 😀", '😀'),
            ("\u{e000}", '\u{e000}'),
            ("ا", 'ا'),
        ] {
            assert_eq!(unprintable(text), Some(bad), "{text:?}");
        }
    }
}
