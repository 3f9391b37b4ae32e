//! Reading the typed text of a form's fields, with a message for each one that is wrong.

use crate::field_errors::FieldErrors;
use crate::typefaces::{unprintable, unprintable_message};

/// Collects the errors of a form while its fields are read.
#[derive(Default)]
pub(super) struct FieldReader {
    pub errors: FieldErrors,
}

impl FieldReader {
    /// Reads one line of text. `missing` is the message for an empty line; `None` allows it.
    pub fn line(&mut self, field: &'static str, typed: &str, max_chars: usize, missing: Option<&str>) -> String {
        let text = collapsed(typed);
        self.check(field, &text, max_chars, missing);
        text
    }

    /// Reads the lines of an address, without the empty ones: they would only take room on the paper.
    pub fn address(&mut self, field: &'static str, typed: &str, missing: Option<&str>) -> String {
        let lines: Vec<String> = typed.split(['\r', '\n']).map(collapsed).filter(|line| !line.is_empty()).collect();
        let text = lines.join("\n");
        if lines.len() > MAX_ADDRESS_LINES {
            self.errors.add(field, format!("Use at most {MAX_ADDRESS_LINES} lines."));
        } else {
            self.check(field, &text, MAX_ADDRESS_CHARS, missing);
        }
        text
    }

    fn check(&mut self, field: &'static str, text: &str, max_chars: usize, missing: Option<&str>) {
        if text.is_empty() {
            if let Some(message) = missing {
                self.errors.add(field, message);
            }
        } else if text.chars().count() > max_chars {
            self.errors.add(field, format!("Use at most {max_chars} characters."));
        } else if let Some(c) = unprintable(text) {
            self.errors.add(field, unprintable_message(c));
        }
    }

    /// Reads the id of a chosen entry. `message` is for everything else.
    pub fn choice(&mut self, field: &'static str, typed: &str, message: &str) -> Option<i64> {
        let id = typed.trim().parse::<i64>().ok();
        if id.is_none() {
            self.errors.add(field, message);
        }
        id
    }

    /// Returns the value that was read, if every field is right.
    pub fn finish<T>(self, value: T) -> Result<T, FieldErrors> {
        self.errors.or(value)
    }
}

/// Lines of an address.
const MAX_ADDRESS_LINES: usize = 6;
const MAX_ADDRESS_CHARS: usize = 600;

/// Returns the text with single spaces between its words.
fn collapsed(typed: &str) -> String {
    typed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_a_message_for_what_is_wrong() {
        let read = |typed: &str, missing| {
            let mut reader = FieldReader::default();
            let text = reader.line("name", typed, 12, missing);
            (text, reader.errors.message("name").map(str::to_owned))
        };
        let error = |typed: &str| read(typed, None).1.unwrap_or_default();
        assert_eq!(read("  Basic\u{a0} \t pig\r\n", None), ("Basic pig".into(), None));
        assert_eq!(read(" ", Some("Give a name.")), (String::new(), Some("Give a name.".into())));
        assert_eq!(read(" ", None), (String::new(), None));
        let address = FieldReader::default().address("address", " 1  River Road \r\n\r\n Mobile,\tAL \n", None);
        assert_eq!(address, "1 River Road\nMobile, AL");
        assert_eq!(FieldReader::default().address("address", " \r\n ", None), "");
        assert_eq!(error("Łódź Łódź 12"), "");
        assert_eq!(error("Łódź Łódź 123"), "Use at most 12 characters.");
        assert_eq!(error("iron 😀"), "“😀” can't be printed. Leave it out.");
        assert!(error("iron\0").contains("U+0000"));
    }
}
