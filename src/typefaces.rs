//! The typefaces in the binary, and the characters they can print.

use std::sync::LazyLock;

/// Latin, Greek and Cyrillic, then a fallback that is mostly Chinese, Japanese and Korean.
const FONTS: [&[u8]; 4] = [OF_TEXT[0], OF_TEXT[1], OF_TEXT[2], include_bytes!("../fonts/DroidSansFallback.ttf")];
/// The typeface of printed BOLs: regular, semibold and bold.
pub const OF_TEXT: [&[u8]; 3] = [
    include_bytes!("../fonts/SourceSans3-Regular.ttf"),
    include_bytes!("../fonts/SourceSans3-Semibold.ttf"),
    include_bytes!("../fonts/SourceSans3-Bold.ttf"),
];
const FALLBACK: usize = 3;

/// A typeface as the library that shapes text reads it, and as the one that writes PDFs does.
pub struct Typeface {
    pub shapes: harfrust::Font,
    pub outlines: krilla::text::Font,
    pub units_per_em: f32,
    /// The height of capital letters, for a size of 1.
    pub cap_height: f32,
}

static TYPEFACES: LazyLock<Vec<Typeface>> = LazyLock::new(|| {
    let typeface = |data| match Typeface::new(data) {
        Some(typeface) => typeface,
        None => unreachable!("a constant"),
    };
    FONTS.into_iter().map(typeface).collect()
});

impl Typeface {
    fn new(data: &'static [u8]) -> Option<Self> {
        let shapes = harfrust::Font::new(data, 0)?;
        let units_per_em = f32::from(shapes.units_per_em());
        let metrics = shapes.metrics();
        let cap_height = metrics.cap_height.map_or(0.7 * units_per_em, |height| height.to_f32());
        let outlines = krilla::text::Font::new(data.into(), 0)?;
        Some(Self { outlines, units_per_em, cap_height: cap_height / units_per_em, shapes })
    }

    fn has(&self, c: char) -> bool {
        self.shapes.charmap().map_unicode(c).is_some_and(|glyph| glyph.to_u32() != 0)
    }
}

impl std::fmt::Debug for Typeface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typeface").field("cap_height", &self.cap_height).finish_non_exhaustive()
    }
}

/// Returns every typeface: those of text, then the fallback.
pub fn all() -> &'static [Typeface] {
    &TYPEFACES
}

/// Returns the number of the typeface that prints a character: `wanted`, unless only the fallback has it.
pub fn of(c: char, wanted: usize) -> usize {
    if !all()[wanted].has(c) && all()[FALLBACK].has(c) { FALLBACK } else { wanted }
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
    !is_unseen(c) && all().iter().any(|typeface| typeface.has(c))
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
