//! Text in cells: cut to Excel's limit, and escaped for XML.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Excel's limit for the characters of a cell, in UTF-16 code units.
const MAX_CELL_UTF16: usize = 32_767;
const CUT_NOTICE: &str = " … [cut: Excel's limit of a cell; whole in CSV and JSON Lines]";

/// Cuts text that is longer than a cell may be.
pub(super) fn fit_cell(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_CELL_UTF16 || text.encode_utf16().count() <= MAX_CELL_UTF16 {
        return text.into();
    }
    let (mut room, mut kept) = (MAX_CELL_UTF16 - CUT_NOTICE.encode_utf16().count(), String::new());
    for c in text.chars() {
        match room.checked_sub(c.len_utf16()) {
            Some(left) => room = left,
            None => break,
        }
        kept.push(c);
    }
    kept.push_str(CUT_NOTICE);
    kept.into()
}

/// Appends text, escaped for XML. ECMA-376 writes control characters, which XML can't hold, as `_x0008_`, and escapes
/// the underscore of text that looks like that.
pub(super) fn push_text(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            // An XML parser would change a bare one to a line feed.
            '\r' => out.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "_x{:04X}_", u32::from(c));
            }
            '_' if looks_escaped(&text.as_bytes()[at..]) => out.push_str("_x005F_"),
            c => out.push(c),
        }
    }
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 7 && text[1] == b'x' && text[6] == b'_' && text[2..6].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_into_a_cell() {
        let mut out = String::new();
        push_text(&mut out, "a<b>&\r\n\u{8}_x0041_ _x00 é\u{202e}");
        assert_eq!(out, "a&lt;b&gt;&amp;&#13;\n_x0008__x005F_x0041_ _x00 é\u{202e}");
        let long = "é😀".repeat(20_000);
        // A surrogate pair is not cut in two.
        assert!((MAX_CELL_UTF16 - 1..=MAX_CELL_UTF16).contains(&fit_cell(&long).encode_utf16().count()));
        assert!(fit_cell(&long).ends_with(CUT_NOTICE));
        assert_eq!(fit_cell(&"é".repeat(MAX_CELL_UTF16)), "é".repeat(MAX_CELL_UTF16));
    }
}
