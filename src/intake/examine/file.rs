//! Whether a file is a PDF that viewers open, and whether a customer may get it as it is.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hayro::hayro_syntax::object::{self, MaybeRef, Object, ObjectIdentifier, Stream};
use hayro::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use serde::{Deserialize, Serialize};

use super::Fault;
use super::safety::{self, Concern, Objects, is_space, places_of};

/// First bytes in which viewers look for the header (ISO 32000-1, Annex H, note 13).
const MAX_BYTES_BEFORE: usize = 1024;
/// Characters of the bytes before the header that the access log names.
const MAX_BEGINNING_CHARS: usize = 60;

/// Deepest nesting of the objects of an encrypted file.
const MAX_DEPTH: usize = 60;

/// The beginnings of other kinds of files, which a mail gateway or printer doesn't put before a PDF.
const OTHER_FILES: [&[u8]; 12] = [
    b"MZ",
    b"PK",
    b"GIF8",
    b"\x89PNG",
    b"\xff\xd8",
    b"\x7fELF",
    b"\xd0\xcf\x11\xe0",
    b"Rar!",
    b"7z\xbc\xaf",
    b"{\\rtf",
    b"#!",
    b"<",
];

/// The bytes before the header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preamble {
    pub bytes: usize,
    /// The first of them, without what can't be printed.
    pub begins: String,
}

/// What the objects of a file tell, without drawing a page.
#[derive(Debug, Default)]
pub struct Inspection {
    pub concerns: BTreeSet<Concern>,
    pub preamble: Option<Preamble>,
    has_root: bool,
    has_page: bool,
    is_encrypted: bool,
}

impl Inspection {
    /// Whether a viewer may find a page in the file, even if the portal's reader doesn't.
    pub fn may_open(&self) -> bool {
        self.has_root && self.has_page
    }
}

/// Looks for the header, the end and every object.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    let start = header(bytes).ok_or(Fault::NotPdf)?;
    let mut inspection = Inspection { preamble: preamble(&bytes[..start]), ..Inspection::default() };
    inspection.examine(bytes, &|_| None);
    if !inspection.has_root {
        let has_end = places_of(bytes, b"startxref").next().is_some();
        return Err(if has_end { Fault::Unreadable } else { Fault::Truncated });
    }
    inspection.concerns.extend(shape(bytes, start));
    Ok(inspection)
}

/// Opens the PDF for drawing. Updates the inspection of an encrypted file, whose objects are known only then.
///
/// `None`: the portal's reader can't open the file, but a viewer may.
pub fn open(bytes: &Arc<Vec<u8>>, inspection: &mut Inspection) -> Result<Option<Pdf>, Fault> {
    let start = header(bytes).ok_or(Fault::NotPdf)?;
    let body = if start == 0 { bytes.clone() } else { Arc::new(bytes[start..].to_vec()) };
    // The reader of the pages is lenient in other ways than viewers. It may also fail where they don't.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let pdf = Pdf::new(body)?;
        let can_draw = pdf.pages().first().is_some_and(|first| {
            let (width, height) = first.render_dimensions();
            width.is_finite() && height.is_finite() && width >= 1.0 && height >= 1.0
        });
        Ok((pdf, can_draw))
    }));
    let opened = match opened {
        Ok(Err(LoadPdfError::Decryption(DecryptionError::PasswordProtected))) => return Err(Fault::Encrypted),
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(_)) | Err(_) => None,
    };
    if let Some((pdf, _)) = opened.as_ref().filter(|_| inspection.is_encrypted) {
        let decrypt = |number: u32| {
            let stream: Stream<'_> = pdf.xref().get(ObjectIdentifier::new(number, 0))?;
            Some(stream.raw_data().into_owned())
        };
        inspection.concerns.remove(&Concern::Unread);
        inspection.examine(bytes, &|number| catch_unwind(AssertUnwindSafe(|| decrypt(number))).ok()?);
        let strange = || pdf.objects().into_iter().any(|object| has_strange_address(&object, 0));
        // What the reader can't tell isn't known to be harmless.
        if catch_unwind(AssertUnwindSafe(strange)).unwrap_or(true) {
            inspection.concerns.insert(Concern::Address);
        }
    }
    match opened {
        Some((pdf, true)) => Ok(Some(pdf)),
        _ if inspection.may_open() => {
            inspection.concerns.insert(Concern::Unopened);
            Ok(None)
        }
        Some(_) => Err(Fault::NoPage),
        None => Err(Fault::Unreadable),
    }
}

impl Inspection {
    fn examine(&mut self, bytes: &[u8], decrypt: safety::Decrypt<'_>) {
        let objects = Objects::find(bytes, decrypt);
        (self.has_root, self.has_page) = (objects.has_root, objects.has_page);
        self.is_encrypted = objects.is_encrypted;
        self.concerns.extend(safety::concerns(&objects));
    }
}

/// Whether a link in an object of an encrypted file leads to something other than a web page or an email address.
fn has_strange_address(object: &Object<'_>, depth: usize) -> bool {
    let inner = |value: MaybeRef<Object<'_>>| match value {
        MaybeRef::NotRef(object) => has_strange_address(&object, depth + 1),
        MaybeRef::Ref(_) => false,
    };
    let dict = match object {
        _ if depth > MAX_DEPTH => return true,
        Object::Array(items) => return items.raw_iter().any(inner),
        Object::Dict(dict) => dict,
        Object::Stream(stream) => stream.dict(),
        _ => return false,
    };
    let addresses = ["URI", "Base"].into_iter().filter_map(|key| dict.get::<object::String<'_>>(key));
    let is_strange = addresses.into_iter().any(|address| !safety::is_harmless_address(address.as_bytes()));
    is_strange || dict.entries().any(|(_, value)| inner(value))
}

/// Returns where the header of a PDF begins.
pub fn header(bytes: &[u8]) -> Option<usize> {
    places_of(&bytes[..bytes.len().min(MAX_BYTES_BEFORE)], b"%PDF-").next()
}

fn preamble(before: &[u8]) -> Option<Preamble> {
    let text = String::from_utf8_lossy(before);
    let begins = text.chars().map(|c| if c.is_control() || c == '\u{feff}' { ' ' } else { c });
    let begins: String = begins.take(MAX_BEGINNING_CHARS).collect();
    let begins = begins.split_whitespace().collect::<Vec<_>>().join(" ");
    (!before.is_empty()).then_some(Preamble { bytes: before.len(), begins })
}

/// Returns what is wrong with the beginning and the end.
fn shape(bytes: &[u8], start: usize) -> BTreeSet<Concern> {
    let mut concerns = BTreeSet::new();
    let before = bytes[..start].strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes[..start]).trim_ascii_start();
    let lower = before.to_ascii_lowercase();
    let has_markup = [&b"<html"[..], b"<script", b"<svg"].iter().any(|tag| places_of(&lower, tag).next().is_some());
    if has_markup || OTHER_FILES.iter().any(|other| before.starts_with(other)) {
        concerns.insert(Concern::Before);
    }
    if ends(bytes).any(|end| !is_followed_well(&bytes[end..])) {
        concerns.insert(Concern::Behind);
    }
    // The cross-references follow the objects.
    let last = |word: &[u8]| places_of(bytes, word).last();
    if last(b"endobj") > last(b"startxref").max(last(b"trailer")) {
        concerns.insert(Concern::Cut);
    }
    concerns
}

/// Returns the places after each mark of an end. A file without one ends after the offset of its cross-references.
fn ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut ends: Vec<usize> = places_of(bytes, b"%%EOF").map(|at| at + 5).collect();
    if ends.is_empty() {
        ends.extend(places_of(bytes, b"startxref").last().map(|at| {
            let rest = &bytes[at + 9..];
            let number = rest.iter().position(|byte| !is_space(*byte) && !byte.is_ascii_digit());
            at + 9 + number.unwrap_or(rest.len())
        }));
    }
    ends.into_iter()
}

/// Whether only white space follows the end, or another revision of the file up to its own end.
fn is_followed_well(behind: &[u8]) -> bool {
    let (mut rest, mut has_comment) = (behind, false);
    loop {
        let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
        rest = &rest[start..];
        let starts = |word: &[u8]| rest.starts_with(word);
        // Embedded fonts and drawings in PostScript end with the same mark.
        if rest.is_empty() || starts(b"%%EOF") || starts(b"endstream") {
            return !rest.is_empty() || !has_comment;
        }
        let end = match rest[0] {
            // Some programs put a comment before their revision.
            b'%' => {
                has_comment = true;
                Some(rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len()))
            }
            b'x' if starts(b"xref") => places_of(rest, b"trailer").next(),
            b't' if starts(b"trailer") => places_of(rest, b"startxref").next(),
            b's' if starts(b"startxref") => {
                let number = rest[9..].iter().position(|byte| !is_space(*byte)).map_or(rest.len(), |spaces| 9 + spaces);
                Some(
                    rest.iter()
                        .skip(number)
                        .position(|byte| !byte.is_ascii_digit())
                        .map_or(rest.len(), |end| number + end),
                )
            }
            b'0'..=b'9' if is_object(rest) => places_of(rest, b"endobj").next().map(|end| end + 6),
            _ => None,
        };
        match end {
            Some(end) => rest = &rest[end..],
            None => return false,
        }
    }
}

/// Whether this begins with the number and generation of an object, and `obj`.
fn is_object(bytes: &[u8]) -> bool {
    let mut words = bytes.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    let mut is_number = || words.next().is_some_and(|word| word.iter().all(u8::is_ascii_digit));
    is_number() && is_number() && words.next().is_some_and(|word| word.starts_with(b"obj"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
                        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n";

    fn concerns(before: &str, behind: &str) -> Vec<Concern> {
        let bytes = format!("{before}{BODY}{behind}").into_bytes();
        inspect(&bytes).expect("a PDF").concerns.into_iter().collect()
    }

    #[test]
    fn faults_have_names() {
        let fault = |bytes: &[u8]| inspect(bytes).err();
        assert_eq!(fault(b""), Some(Fault::Empty));
        assert_eq!(fault(b"<html>%PDX-1.7 startxref %%EOF"), Some(Fault::NotPdf));
        assert_eq!(fault(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog"), Some(Fault::Truncated));
        assert_eq!(fault(b"%PDF-1.7\nstartxref\n0\n%%EOF\n"), Some(Fault::Unreadable));
    }

    #[test]
    fn white_space_and_other_revisions_may_follow_the_end() {
        for behind in [
            "",
            "%%EOF",
            "%%EOF\r\n",
            &format!("%%EOF{}", "\0".repeat(5_000)),
            "%%EOF\n9 0 obj null endobj\nstartxref\n0\n%%EOF",
            "%%EOF\n%BeginExifToolUpdate\nstartxref\n7\n9 0 obj null endobj\nstartxref\n0\n%%EOF",
            "%%EOF\n9 0 obj<<>>stream\n%!PS\n%%EOF\nendstream endobj\nstartxref\n0\n%%EOF",
        ] {
            assert_eq!(concerns("", behind), [], "{behind:?}");
        }
        for behind in [
            "%%EOF<html>",
            "%%EOF\nx",
            "%%EOF\n<html>%%EOF",
            "\nMZ",
            "%%EOF\n1",
            "%%EOF\n%\n<html>\n%%EOF",
            "%%EOF\n% x\n",
        ] {
            assert_eq!(concerns("", behind), [Concern::Behind], "{behind:?}");
        }
        assert_eq!(concerns("", "%%EOF\n9 0 obj null endobj\n%%EOF"), [Concern::Cut]);
    }

    #[test]
    fn a_header_of_a_gateway_may_come_first() {
        for before in ["\u{feff}", "--b7\r\nContent-Type: application/pdf\r\n\r\n", "\x1b%-12345X@PJL\n", "\r\n\r\n"] {
            assert_eq!(concerns(before, "%%EOF"), [], "{before:?}");
        }
        for before in ["MZ\0", "GIF89a ", "<!doctype html>", "text <script>1</script>"] {
            assert_eq!(concerns(before, "%%EOF"), [Concern::Before], "{before:?}");
        }
        let named = preamble(b"\xef\xbb\xbf--b7\r\nContent");
        assert_eq!(named, Some(Preamble { bytes: 16, begins: "--b7 Content".into() }));
    }
}
