//! The name of a person: one rule for the forms and the command line.
//!
//! A company's administrator chooses the names of the people whom it invites, and emails greet them by name. So a name
//! can't carry an address, a telephone number or a sentence.

/// In characters.
const MAX_CHARS: usize = 100;
const MAX_WORDS: usize = 8;
/// Enough for "Dock 12", and too few for a telephone number.
const MAX_DIGITS: usize = 4;
/// Longer words don't end with a dot: "Capt." does, the end of a sentence usually doesn't fit.
const MAX_ABBREVIATION_CHARS: usize = 4;

const ONLY_THE_NAME: &str = "Enter only the name, without addresses, numbers or symbols. Put a space after a dot.";

/// Returns the name in one line, or why it isn't one.
pub fn read(typed: &str) -> Result<String, String> {
    let name = one_line(typed);
    match name.chars().count() {
        0 => Err("Enter the person's name.".into()),
        1..=MAX_CHARS if is_name(&name) => Ok(name),
        1..=MAX_CHARS => Err(ONLY_THE_NAME.into()),
        _ => Err(format!("Use at most {MAX_CHARS} characters.")),
    }
}

fn one_line(typed: &str) -> String {
    let clean: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_name(name: &str) -> bool {
    let words: Vec<&str> = name.split(' ').collect();
    name.chars().all(is_allowed)
        && name.chars().any(char::is_alphabetic)
        && name.chars().filter(|c| c.is_numeric()).count() <= MAX_DIGITS
        && words.len() <= MAX_WORDS
        && !words.iter().any(|word| is_host(word) || ends_sentence(word))
}

/// Letters, their marks, digits, and the signs that occur in names. Invisible characters and those that change the
/// direction of the text are none of them.
fn is_allowed(c: char) -> bool {
    match c {
        ' ' | '\'' | '-' | '.' | ',' | '&' | '(' | ')' => true,
        '\u{b7}' | '\u{2bc}' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '\u{2019}' => true,
        // Marks that aren't letters: combining accents, Hebrew and Arabic points, and those of Indic and Thai scripts.
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{900}'..='\u{e4e}' => true,
        // The blank letters of Hangul.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => false,
        _ => c.is_alphanumeric(),
    }
}

/// A dot inside of a word, as in `evil.example`. Initials end with theirs.
fn is_host(word: &str) -> bool {
    let word = word.trim_matches(['.', ',', '(', ')', '\'', '\u{2019}']);
    word.rsplit_once('.').is_some_and(|(_, end)| end.chars().count() > 1) || word.to_lowercase().starts_with("www.")
}

/// "locked."
fn ends_sentence(word: &str) -> bool {
    let stem = word.trim_end_matches([')', '\'', '\u{2019}']).strip_suffix('.');
    stem.is_some_and(|stem| !stem.contains('.') && stem.chars().count() > MAX_ABBREVIATION_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_taken_as_they_are() {
        for name in [
            "Jane Doe",
            "J.R. Ewing",
            "J. R. R. Tolkien",
            "Dr. Ana María del Carmen Fernández-García",
            "O'Brien, Pat",
            "Siobhán O’Connor (dock 2)",
            "Martin Luther King Jr.",
            "Łukasz Żółć",
            "Nguyễn Thị Minh Khai",
            "李小龍",
            "अनिल कुम्बले",
            "محمد علي",
            "A",
            "Acme & Sons, dock 12",
        ] {
            assert_eq!(read(name), Ok(name.to_owned()));
        }
        assert_eq!(read(" Jane\n  Doe\t"), Ok("Jane Doe".into()));
    }

    #[test]
    fn addresses_sentences_and_tricks_are_no_names() {
        for name in [
            "Your account is locked. Verify at evil.example",
            "see evil.example",
            "t.co",
            "evil。example",
            "evil．example",
            "https://evil.example",
            "jo@evil.example",
            "www.evil",
            "Your account is locked. Call us",
            "Call 1 800 555 0199",
            "Please read this whole text before you do anything else",
            "Jo\u{202e}htimS",
            "Jo\u{200b}",
            "Jo\u{3164}",
            "<b>Jo</b>",
            "Jo!",
            "…",
            "12",
        ] {
            assert_eq!(read(name), Err(ONLY_THE_NAME.into()), "{name}");
        }
        assert_eq!(read("\r\n"), Err("Enter the person's name.".into()));
        assert!(read(&"x".repeat(101)).is_err_and(|why| why.contains("at most 100")));
    }
}
