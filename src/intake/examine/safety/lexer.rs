//! A lenient reader of PDF objects (ISO 32000-1, 7.2 and 7.3).
//!
//! Viewers repair damaged objects in different ways. The reader therefore keeps the items of a dictionary as one list,
//! in which each item may be the value of the item before it. The list contains every pair that a viewer can see.

use std::borrow::Cow;

/// Deepest nesting of arrays and dictionaries.
const MAX_DEPTH: usize = 60;

#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(u32),
    Name(Name<'a>),
    /// The bytes between the parentheses, with their escapes.
    Text(&'a [u8]),
    /// The bytes between the angle brackets.
    Hex(&'a [u8]),
    /// The number of the object.
    Ref(u32),
    Array(Vec<Value<'a>>),
    Dict(Vec<Value<'a>>),
    /// Another number, or a keyword.
    Other,
    /// Something that viewers may understand differently.
    Odd,
}

/// A name as it is written, without the solidus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl Name<'_> {
    /// Whether any viewer reads the name as this one.
    pub fn may_be(&self, wanted: &[u8]) -> bool {
        *self.strict() == *wanted || *self.loose() == *wanted
    }

    /// Whether every viewer reads the name as this one.
    pub fn is(&self, wanted: &[u8]) -> bool {
        *self.strict() == *wanted && *self.loose() == *wanted
    }

    /// Decodes `#xx` if both are hexadecimal digits.
    fn strict(&self) -> Cow<'_, [u8]> {
        self.decoded(|digit| char::from(digit).to_digit(16))
    }

    /// Decodes `#xx` as PDFium does, which computes with any characters.
    fn loose(&self) -> Cow<'_, [u8]> {
        self.decoded(|digit| {
            let digit = u32::from(digit.to_ascii_uppercase());
            let offset = if digit > u32::from(b'9') { 55 } else { 48 };
            Some(digit.wrapping_sub(offset))
        })
    }

    fn decoded(&self, digit: impl Fn(u8) -> Option<u32>) -> Cow<'_, [u8]> {
        if !self.0.contains(&b'#') {
            return Cow::Borrowed(self.0);
        }
        let mut decoded = Vec::with_capacity(self.0.len());
        let mut rest = self.0;
        while let Some((&first, after)) = rest.split_first() {
            let escaped =
                after.get(..2).filter(|_| first == b'#').and_then(|two| Some((digit(two[0])?, digit(two[1])?)));
            rest = match escaped {
                Some((high, low)) => {
                    decoded.push(high.wrapping_mul(16).wrapping_add(low) as u8);
                    &after[2..]
                }
                None => {
                    decoded.push(first);
                    after
                }
            };
        }
        Cow::Owned(decoded)
    }
}

impl<'a> Value<'a> {
    /// Returns the items of a dictionary or array.
    pub fn items(&self) -> &[Value<'a>] {
        match self {
            Self::Array(items) | Self::Dict(items) => items,
            _ => &[],
        }
    }

    /// Returns everything that may be the value of this key.
    pub fn values<'s>(&'s self, key: &'s [u8]) -> impl Iterator<Item = &'s Value<'a>> {
        let pairs = self.items().windows(2);
        pairs.filter_map(move |pair| matches!(pair[0], Value::Name(name) if name.may_be(key)).then_some(&pair[1]))
    }

    /// Returns the bytes of a string.
    pub fn text(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(written) => Some(unescaped(written)),
            Self::Hex(written) => {
                let digits: Vec<u8> =
                    written.iter().filter_map(|byte| char::from(*byte).to_digit(16)).map(|d| d as u8).collect();
                Some(digits.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).unwrap_or(&0)).collect())
            }
            _ => None,
        }
    }
}

fn unescaped(written: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut code = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                }
                bytes.push(code as u8);
            }
            Some(b'\r') => drop(rest.next_if_eq(&b'\n')),
            Some(b'\n') | None => {}
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(other) => bytes.push(other),
        }
    }
    bytes
}

pub fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !b"()<>[]{}/%".contains(&byte)
}

pub fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.".contains(&byte)
}

pub struct Lexer<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    /// An object was nested too deeply, and was read as if it were not nested.
    pub is_too_deep: bool,
}

impl<'a> Lexer<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, is_too_deep: false }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Skips white space and comments.
    pub fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'%' => {
                    let line = self.rest().iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    self.at = line.map_or(self.bytes.len(), |length| self.at + length);
                }
                _ if is_space(byte) => self.at += 1,
                _ => return,
            }
        }
    }

    /// Skips white space and comments, and then this word.
    pub fn skip_word(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    /// Reads an object. `None`: the end.
    pub fn object(&mut self) -> Option<Value<'a>> {
        let mut items = vec![self.item(0)?];
        // A reference consists of three words.
        let start = self.at;
        if matches!(items[0], Value::Int(_) | Value::Other) {
            for _ in 0..2 {
                self.skip_space();
                if !self.peek().is_some_and(|byte| is_numeric(byte) || byte == b'R') {
                    break;
                }
                items.extend(self.item(0));
                join_reference(&mut items);
            }
            if !matches!(items[..], [Value::Ref(_) | Value::Odd]) {
                self.at = start;
            }
        }
        items.into_iter().next()
    }

    /// Reads the items up to a closing bracket or the end.
    fn items(&mut self, close: &[u8], depth: usize) -> Vec<Value<'a>> {
        let mut items = Vec::new();
        while !self.skip_word(close) {
            match self.item(depth + 1) {
                Some(item) => items.push(item),
                None => break,
            }
            join_reference(&mut items);
        }
        items
    }

    /// Reads one item; skips a bracket that closes nothing.
    fn item(&mut self, depth: usize) -> Option<Value<'a>> {
        loop {
            self.skip_space();
            let is_deep = depth > MAX_DEPTH;
            return match self.peek()? {
                b'<' if self.rest().starts_with(b"<<") => {
                    self.at += 2;
                    self.is_too_deep |= is_deep;
                    Some(if is_deep { Value::Odd } else { Value::Dict(self.items(b">>", depth)) })
                }
                b'[' => {
                    self.at += 1;
                    self.is_too_deep |= is_deep;
                    Some(if is_deep { Value::Odd } else { Value::Array(self.items(b"]", depth)) })
                }
                b'<' => {
                    self.at += 1;
                    Some(Value::Hex(self.up_to(|byte| byte == b'>')))
                }
                b'(' => Some(self.literal()),
                b'/' => {
                    self.at += 1;
                    Some(Value::Name(Name(self.run(is_regular))))
                }
                b'>' | b']' | b'{' | b'}' | b')' => {
                    self.at += 1;
                    continue;
                }
                byte if is_numeric(byte) => Some(number(self.run(is_numeric))),
                _ => Some(match self.run(is_regular) {
                    b"null" => Value::Null,
                    b"R" => Value::Name(Name(REFERENCE)),
                    _ => Value::Other,
                }),
            };
        }
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn up_to(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let run = self.run(|byte| !ends(byte));
        self.at = (self.at + 1).min(self.bytes.len());
        run
    }

    fn literal(&mut self) -> Value<'a> {
        let start = self.at + 1;
        let (mut depth, mut is_escaped) = (0_usize, false);
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'(' => depth += 1,
                b')' if depth == 1 => return Value::Text(&self.bytes[start..self.at - 1]),
                b')' => depth -= 1,
                _ => {}
            }
        }
        Value::Text(&self.bytes[start..])
    }
}

/// Stands for the keyword `R`. No name contains a space.
const REFERENCE: &[u8] = b" R";

fn number(written: &[u8]) -> Value<'static> {
    let digits = Some(written).filter(|written| written.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.map_or(Value::Other, Value::Int)
}

/// Joins the words of a reference at the end of a list.
fn join_reference(items: &mut Vec<Value<'_>>) {
    if !matches!(items.last(), Some(Value::Name(Name(name))) if *name == REFERENCE) {
        return;
    }
    items.pop();
    let joined = match items[..] {
        [.., Value::Int(number), Value::Int(_)] => Value::Ref(number),
        // Viewers read numbers such as +5 differently.
        [.., Value::Int(_) | Value::Other, Value::Int(_) | Value::Other] => Value::Odd,
        _ => return items.push(Value::Other),
    };
    items.truncate(items.len() - 2);
    items.push(joined);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Value<'_> {
        Lexer::new(bytes, 0).object().expect("an object")
    }

    #[test]
    fn names_are_read_as_every_viewer_reads_them() {
        let name = |bytes| match read(bytes) {
            Value::Name(name) => name,
            other => panic!("{other:?}"),
        };
        for written in [&b"/JavaScript"[..], b"/Java#53cript ", b"/#4a#61vaScript/x", b"/Java#3Zcript"] {
            assert!(name(written).may_be(b"JavaScript"), "{written:?}");
        }
        assert!(name(b"/Java#53cript").is(b"JavaScript") && !name(b"/Java#3Zcript").is(b"JavaScript"));
        assert!(name(b"/A#1").is(b"A#1") && !name(b"/JavaScriptish").may_be(b"JavaScript"));
    }

    #[test]
    fn every_pair_that_a_viewer_can_see_is_in_the_list() {
        let is_script = |bytes| {
            let value = read(bytes);
            value.values(b"S").any(|kind| matches!(kind, Value::Name(name) if name.may_be(b"JavaScript")))
        };
        for written in [
            &b"<< /S /JavaScript >>"[..],
            b"<</X foo/S/JavaScript>>",
            b"<< /X /S /JavaScript >>",
            b"<< /X (\\) /S /Y \\() /S /JavaScript",
            b"<< /X <00 > /S %comment >>\n/JavaScript >>",
        ] {
            assert!(is_script(written), "{}", String::from_utf8_lossy(written));
        }
        assert!(!is_script(b"<< /X (/S /JavaScript) >>") && !is_script(b"<< /X << /S /JavaScript >> >>"));
    }

    #[test]
    fn references_may_lack_a_space() {
        assert_eq!(read(b"5 0 R"), Value::Ref(5));
        assert_eq!(read(b"5 0R/x"), Value::Ref(5));
        assert_eq!(read(b"+5 0 R"), Value::Odd);
        assert_eq!(read(b"5 0 obj"), Value::Int(5));
        assert_eq!(read(b"[5 0 R 6 1 R 7]"), Value::Array(vec![Value::Ref(5), Value::Ref(6), Value::Int(7)]));
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(read(br"(java\163cript:\(1\))").text().as_deref(), Some(&b"javascript:(1)"[..]));
        assert_eq!(read(b"<6a6 1>").text().as_deref(), Some(&b"ja"[..]));
    }

    #[test]
    fn deep_nesting_ends() {
        let deep = [b"[".repeat(100_000), b"<<".repeat(100_000)].concat();
        let mut lexer = Lexer::new(&deep, 0);
        assert!(lexer.object().is_some() && lexer.is_too_deep);
    }
}
