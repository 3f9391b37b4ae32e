//! Every object of a PDF that any viewer can find.
//!
//! The cross-reference table is ignored, because viewers repair it in different ways, and because an older revision or an
//! unused object can become visible then. Instead, every place that reads like the start of an object counts, also inside
//! of strings, streams and comments, and every object of every object stream.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use super::filters::{Predictor, decode};
use super::lexer::{Lexer, Name, Value, is_numeric, is_space};

/// Bytes read for each byte of the file and of its object streams, beyond a megabyte. A sound file needs two.
const MAX_READS_PER_BYTE: usize = 12;
/// Total size of the decoded object streams.
const MAX_DECODED_BYTES: usize = 96 << 20;
/// Longest chain of references to references.
const MAX_CHAIN: usize = 8;
/// Filters of one stream.
const MAX_FILTERS: usize = 12;

/// Returns the decrypted data of the stream of an encrypted file, if exactly one object has its number.
pub type Decrypt<'a> = &'a dyn Fn(u32) -> Option<Vec<u8>>;

/// Where an object begins.
#[derive(Clone, Copy)]
pub struct Place {
    source: usize,
    at: usize,
}

pub struct Objects<'a> {
    /// The file, then the decoded object streams.
    sources: Vec<Cow<'a, [u8]>>,
    pub places: Vec<Place>,
    by_number: HashMap<u32, Vec<Place>>,
    reads: Cell<usize>,
    /// Something could not be read, so that an object may be missing.
    is_unread: Cell<bool>,
    pub is_encrypted: bool,
    /// The trailer names the catalog.
    pub has_root: bool,
    pub has_page: bool,
}

/// An object stream that was found in the file.
struct Pack<'a> {
    number: Option<u32>,
    dict: Value<'a>,
    data: &'a [u8],
}

impl<'a> Objects<'a> {
    /// Finds the objects. `decrypt` is asked for the object streams of an encrypted file.
    pub fn find(file: &'a [u8], decrypt: Decrypt<'_>) -> Self {
        let mut objects = Self {
            sources: vec![Cow::Borrowed(file)],
            places: Vec::new(),
            by_number: HashMap::new(),
            reads: Cell::new(0),
            is_unread: Cell::new(false),
            is_encrypted: false,
            has_root: false,
            has_page: false,
        };
        let packs = objects.scan(file);
        let mut counts = HashMap::<_, usize>::new();
        for pack in &packs {
            *counts.entry(pack.number).or_default() += 1;
        }
        let mut left = MAX_DECODED_BYTES;
        for pack in packs {
            let is_only = counts.get(&pack.number) == Some(&1);
            match objects.unpacked(&pack, is_only, decrypt, left) {
                Some(bytes) => {
                    left = left.saturating_sub(bytes.len());
                    objects.index_pack(&pack.dict, bytes);
                }
                None => objects.is_unread.set(true),
            }
        }
        objects
    }

    pub fn is_unread(&self) -> bool {
        self.is_unread.get() || self.is_exhausted()
    }

    pub fn mark_unread(&self) {
        self.is_unread.set(true);
    }

    fn is_exhausted(&self) -> bool {
        let size: usize = self.sources.iter().map(|source| source.len()).sum();
        self.reads.get() > size * MAX_READS_PER_BYTE + (1 << 20)
    }

    /// Finds the objects and trailers in the bytes of the file, and returns its object streams.
    fn scan(&mut self, file: &'a [u8]) -> Vec<Pack<'a>> {
        let mut packs = Vec::new();
        for at in places_of(file, b"obj") {
            if self.is_exhausted() {
                break;
            }
            if !file[..at].ends_with(b"end") {
                packs.extend(self.index(file, at));
            }
        }
        for at in places_of(file, b"trailer") {
            let place = Place { source: 0, at: at + 7 };
            if let Some(trailer) = self.read(place) {
                let has = |key: &[u8]| trailer.values(key).next().is_some();
                let (is_encrypted, has_root) = (has(b"Encrypt"), has(b"Root"));
                self.is_encrypted |= is_encrypted;
                self.has_root |= has_root;
                self.places.push(place);
            }
        }
        packs
    }

    /// Adds the object before whose value `obj` stands.
    fn index(&mut self, file: &'a [u8], keyword: usize) -> Option<Pack<'a>> {
        let number = number_before(file, keyword);
        if number == Before::Nothing {
            return None;
        }
        let place = Place { source: 0, at: keyword + 3 };
        let mut lexer = Lexer::new(file, place.at);
        let value = lexer.object()?;
        self.count(&lexer, place.at);
        let number = match number {
            Before::Number(number) => Some(number),
            _ => None,
        };
        if number.is_none() && !matches!(value, Value::Int(_) | Value::Other) {
            self.is_unread.set(true);
        }
        self.add(number, place);
        let is_kind = |kind: &[u8]| may_be(&value, b"Type", kind);
        self.has_page |= is_kind(b"Page");
        if !matches!(value, Value::Dict(_)) || !lexer.skip_word(b"stream") {
            return None;
        }
        if is_kind(b"XRef") {
            self.is_encrypted |= value.values(b"Encrypt").next().is_some();
            self.has_root |= value.values(b"Root").next().is_some();
        }
        // Some viewers recognize an object stream by its keys alone.
        let has = |key: &[u8]| value.values(key).next().is_some();
        let is_pack = is_kind(b"ObjStm") || has(b"First") && has(b"N");
        // The line end after the keyword: CR LF or LF, and in some files CR.
        let data = &file[lexer.at..];
        let data = data.strip_prefix(b"\r\n").or(data.strip_prefix(b"\n")).or(data.strip_prefix(b"\r")).unwrap_or(data);
        is_pack.then_some(Pack { number, dict: value, data })
    }

    fn add(&mut self, number: Option<u32>, place: Place) {
        self.places.push(place);
        if let Some(number) = number {
            self.by_number.entry(number).or_default().push(place);
        }
    }

    fn count(&self, lexer: &Lexer<'_>, from: usize) {
        self.reads.set(self.reads.get() + lexer.at - from + 1);
        if lexer.is_too_deep {
            self.is_unread.set(true);
        }
    }

    /// Reads the object at a place.
    pub fn read(&self, place: Place) -> Option<Value<'_>> {
        if self.is_exhausted() {
            return None;
        }
        let mut lexer = Lexer::new(&self.sources[place.source], place.at);
        let value = lexer.object();
        self.count(&lexer, place.at);
        value
    }

    /// Whether the object at a place is a stream.
    pub fn is_stream(&self, place: Place) -> bool {
        let mut lexer = Lexer::new(&self.sources[place.source], place.at);
        matches!(lexer.object(), Some(Value::Dict(_))) && lexer.skip_word(b"stream")
    }

    /// Returns the value, or everything that the reference may refer to.
    pub fn resolved<'s>(&'s self, value: &Value<'s>) -> Vec<Value<'s>> {
        let mut found = Vec::new();
        let mut left = vec![(value.clone(), 0)];
        while let Some((value, depth)) = left.pop() {
            match value {
                Value::Ref(_) if depth > MAX_CHAIN => found.push(Value::Odd),
                Value::Ref(number) => {
                    let places = self.by_number.get(&number).map(Vec::as_slice).unwrap_or_default();
                    left.extend(places.iter().filter_map(|place| Some((self.read(*place)?, depth + 1))));
                }
                value => found.push(value),
            }
        }
        found
    }

    /// Returns the one value of a key, or `None` if it is ambiguous. A missing value is null.
    fn only<'s>(&'s self, dict: &Value<'s>, key: &[u8]) -> Option<Value<'s>> {
        let mut values: Vec<_> = dict.values(key).flat_map(|value| self.resolved(value)).collect();
        values.dedup();
        match values.len() {
            0 => Some(Value::Null),
            1 => values.pop(),
            _ => None,
        }
    }

    /// Decodes an object stream. Returns what was decoded, marks the file as unread if that isn't all, and returns `None`
    /// if nothing is known.
    fn unpacked(&self, pack: &Pack<'a>, is_only: bool, decrypt: Decrypt<'_>, max_bytes: usize) -> Option<Vec<u8>> {
        let filters = self.filters(&pack.dict)?;
        let mut bytes = if self.is_encrypted {
            let number = pack.number.filter(|_| is_only && filters.iter().all(|(name, _)| !name.may_be(b"Crypt")))?;
            decrypt(number)?
        } else {
            self.raw_data(pack, filters.first().map(|(name, _)| *name))?
        };
        for (name, predictor) in filters {
            if name.is(b"Crypt") {
                continue;
            }
            let filter = FILTERS.iter().find(|filter| name.is(filter));
            let Some(decoded) = filter.and_then(|filter| decode(filter, &bytes, predictor, max_bytes)) else {
                // Some viewers use what was decoded before an unknown filter.
                self.is_unread.set(true);
                return Some(bytes);
            };
            if !decoded.is_sound {
                self.is_unread.set(true);
            }
            bytes = decoded.bytes;
        }
        Some(bytes)
    }

    /// The data of a stream. The data of a filter with an end of its own may be followed by anything.
    fn raw_data(&self, pack: &Pack<'a>, first: Option<Name<'_>>) -> Option<Vec<u8>> {
        let (data, keyword) = (pack.data, b"endstream");
        let is_end = |length: usize| {
            let mut rest = data.get(length..).unwrap_or_default();
            while let Some((_, after)) = rest.split_first().filter(|(byte, _)| is_space(**byte)) {
                rest = after;
            }
            rest.starts_with(keyword)
        };
        let length = match self.only(&pack.dict, b"Length")? {
            Value::Int(length) => Some(length as usize).filter(|length| is_end(*length)),
            _ => None,
        };
        let found = places_of(data, keyword).next();
        if length.is_none() || first.is_none() && length > found {
            self.is_unread.set(true);
        }
        Some(data[..length.or(found).unwrap_or(data.len())].to_vec())
    }

    fn filters<'s>(&'s self, dict: &Value<'s>) -> Option<Vec<(Name<'s>, Predictor)>> {
        let of = |long: &[u8], short: &[u8]| match (self.only(dict, long)?, self.only(dict, short)?) {
            (Value::Null, value) | (value, Value::Null) => Some(value),
            _ => None,
        };
        let list = |value: Value<'s>| match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().flat_map(|value| self.resolved(value)).collect(),
            value => vec![value],
        };
        let names = list(of(b"Filter", b"F")?);
        let mut parameters = list(of(b"DecodeParms", b"DP")?).into_iter();
        let filters = names.into_iter().map(|name| match name {
            Value::Name(name) => Some((name, self.predictor(parameters.next())?)),
            _ => None,
        });
        filters.collect::<Option<Vec<_>>>().filter(|filters| filters.len() <= MAX_FILTERS)
    }

    fn predictor(&self, parameters: Option<Value<'_>>) -> Option<Predictor> {
        let mut predictor = Predictor::default();
        let dict = match parameters {
            None | Some(Value::Null) => return Some(predictor),
            Some(dict @ Value::Dict(_)) => dict,
            Some(_) => return None,
        };
        let number = |key: &[u8], usual: u32| match self.only(&dict, key)? {
            Value::Null => Some(usual),
            Value::Int(number) => Some(number),
            _ => None,
        };
        predictor.kind = number(b"Predictor", 1)?;
        predictor.colors = number(b"Colors", 1)?;
        predictor.bits = number(b"BitsPerComponent", 8)?;
        predictor.columns = number(b"Columns", 1)?;
        predictor.is_early = number(b"EarlyChange", 1)? != 0;
        Some(predictor)
    }

    /// Adds the objects of an object stream (ISO 32000-1, 7.5.7).
    fn index_pack(&mut self, dict: &Value<'_>, bytes: Vec<u8>) {
        let numbers = (self.only(dict, b"N"), self.only(dict, b"First"));
        let (Some(Value::Int(count)), Some(Value::Int(first))) = numbers else { return self.mark_unread() };
        let source = self.sources.len();
        self.sources.push(Cow::Owned(bytes));
        let mut found = Vec::new();
        let mut header = Lexer::new(&self.sources[source], 0);
        for _ in 0..count {
            let (Some(Value::Int(number)), Some(Value::Int(offset))) = (header.object(), header.object()) else {
                break;
            };
            found.push((number, (first as usize).saturating_add(offset as usize)));
        }
        // Some viewers read the objects one after the other, others at their offsets. Both must find the same.
        let mut lexer = Lexer::new(&self.sources[source], first as usize);
        let mut has_page = false;
        let is_sound = found.len() == count as usize
            && found.iter().all(|(_, offset)| {
                let mut start = Lexer::new(&self.sources[source], *offset);
                start.skip_space();
                lexer.skip_space();
                let is_next = start.at == lexer.at;
                let value = lexer.object();
                has_page |= value.as_ref().is_some_and(|value| may_be(value, b"Type", b"Page"));
                value.is_some() && is_next
            });
        self.has_page |= has_page;
        let is_too_deep = lexer.is_too_deep;
        lexer.skip_space();
        let is_whole = lexer.at >= self.sources[source].len();
        if !is_sound || is_too_deep || !is_whole {
            self.mark_unread();
        }
        for (number, at) in found {
            self.add(Some(number), Place { source, at });
        }
        if !is_sound {
            // Whatever reads like an object there counts.
            let starts: Vec<usize> = places_of(&self.sources[source], b"<<").collect();
            self.places.extend(starts.into_iter().map(|at| Place { source, at }));
        }
    }
}

/// Whether the value of a key may be this name. A reference may be any, but an object stream is the one that matters.
fn may_be(dict: &Value<'_>, key: &[u8], wanted: &[u8]) -> bool {
    dict.values(key).any(|value| match value {
        Value::Name(name) => name.may_be(wanted),
        Value::Ref(_) | Value::Odd => wanted == b"ObjStm",
        _ => false,
    })
}

/// The filters of text, long and short.
const FILTERS: [&[u8]; 10] = [
    b"FlateDecode",
    b"Fl",
    b"LZWDecode",
    b"LZW",
    b"ASCIIHexDecode",
    b"AHx",
    b"ASCII85Decode",
    b"A85",
    b"RunLengthDecode",
    b"RL",
];

/// What stands before the keyword `obj`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// The number of the object, and then its generation.
    Number(u32),
    /// It may be a number to some viewers.
    Odd,
    Nothing,
}

fn number_before(file: &[u8], keyword: usize) -> Before {
    let generation = word_before(file, keyword);
    let (start, generation) = match generation {
        Ok(word) => word,
        Err(odd) => return odd,
    };
    let (_, number) = match word_before(file, start) {
        Ok(word) => word,
        Err(odd) => return odd,
    };
    let is_plain = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(number).ok().filter(|number| is_plain(number.as_bytes()) && is_plain(generation));
    number.and_then(|number| number.parse().ok()).map_or(Before::Odd, Before::Number)
}

/// The number before a place, across white space, and where it starts.
fn word_before(file: &[u8], place: usize) -> Result<(usize, &[u8]), Before> {
    let before = &file[..place];
    let end = before.iter().rposition(|byte| !is_space(*byte)).map_or(0, |at| at + 1);
    let start = before[..end].iter().rposition(|byte| !is_numeric(*byte)).map_or(0, |at| at + 1);
    if start < end {
        return Ok((start, &before[start..end]));
    }
    // A comment may stand between the words.
    let line = before[..end].iter().rposition(|byte| matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let is_comment = end < place && before[line..end].contains(&b'%');
    Err(if is_comment { Before::Odd } else { Before::Nothing })
}

/// Returns every place of a word.
pub fn places_of<'b>(bytes: &'b [u8], word: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let first = word[0];
    let starts = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first).map(|(at, _)| at);
    starts.filter(move |at| bytes[*at..].starts_with(word))
}
