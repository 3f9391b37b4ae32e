//! Reading what people type: whole numbers, addresses, seal numbers.

/// Parses digits with or without commas between the thousands: `46060`, `46,060`.
pub fn whole_number(text: &str) -> Option<i32> {
    let groups: Vec<&str> = text.split(',').collect();
    let first_fits = (1..=if groups.len() > 1 { 3 } else { 9 }).contains(&groups[0].len());
    let fits = first_fits
        && groups[1..].iter().all(|group| group.len() == 3)
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit()));
    if fits { groups.concat().parse().ok() } else { None }
}

/// Returns the text on one line, with single spaces between its words. Line breaks stay, so that the caller can refuse
/// them.
pub fn single_spaces(text: &str) -> String {
    let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
    words.join(" ").trim().to_owned()
}

/// Removes white space at the ends of lines, and blank lines at both ends.
pub fn trim_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
    let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Splits seal numbers at commas, semicolons, spaces and line breaks.
pub fn split_seals(text: &str) -> Vec<String> {
    text.split([',', ';', ' ', '\n']).filter(|seal| !seal.is_empty()).map(Into::into).collect()
}
