//! Rejects PDFs that are encrypted, run a script, start a program or open a connection.
//!
//! Scripts are rejected anywhere in the file, because no BOL, ticket or certificate needs one.

use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object};

/// Deepest nesting of objects; deeper files are rejected.
const MAX_DEPTH: usize = 60;

/// Actions that are allowed when a document or page is opened (ISO 32000-1, table 198). They only show a place in it.
const HARMLESS: [&[u8]; 2] = [b"GoTo", b"Named"];

/// Names whose presence anywhere means that the file can run something.
const RUNNING: [&[u8]; 5] = [b"JavaScript", b"Launch", b"ImportData", b"Rendition", b"XFA"];

/// Whether the trailer, which is never compressed, has the key of an encrypted file.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    names(bytes).any(|name| name.is(b"Encrypt"))
}

/// Whether the raw bytes have a name that runs something. This ignores the structure, because a lenient reader may repair an
/// object that a strict parser skips.
pub fn names_a_script(bytes: &[u8]) -> bool {
    names(bytes).any(|name| RUNNING.iter().any(|running| name.is(running)))
}

/// The beginning of a name, long enough for every name that matters.
struct Start {
    bytes: [u8; 16],
    length: usize,
}

impl Start {
    fn is(&self, name: &[u8]) -> bool {
        self.bytes[..self.length] == *name
    }
}

/// Returns everything that reads like a name (ISO 32000-1, 7.3.5), with `#xx` decoded.
fn names(bytes: &[u8]) -> impl Iterator<Item = Start> {
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| {
        let mut start = Start { bytes: [0; 16], length: 0 };
        let mut rest = &bytes[at + 1..];
        while let Some((&first, after)) = rest.split_first() {
            if is_delimiter(first) || start.length == start.bytes.len() {
                break;
            }
            let escaped = after
                .get(..2)
                .filter(|_| first == b'#')
                .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
            (start.bytes[start.length], rest) = escaped.map_or((first, after), |byte| (byte, &after[2..]));
            start.length += 1;
        }
        start
    })
}

fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0 || b"()<>[]{}/%".contains(&byte)
}

pub fn runs_something(pdf: &Pdf) -> bool {
    let scripted = pdf.objects().into_iter().any(|object| packs_a_script(&object) || is_scripted(&object, 0));
    let catalog: Option<Dict<'_>> = pdf.xref().get(pdf.xref().root_id());
    scripted
        || catalog.is_some_and(|catalog| acts_at_opening(&catalog))
        || pdf.pages().iter().any(|page| acts_at_opening(page.raw()) || has_acting_annotation(page.raw()))
}

/// Whether an object stream has a name that runs something.
fn packs_a_script(object: &Object<'_>) -> bool {
    let Object::Stream(stream) = object else { return false };
    let is_pack = stream.dict().get::<Name<'_>>("Type").is_some_and(|kind| &*kind == b"ObjStm");
    is_pack && stream.decoded().is_ok_and(|bytes| names_a_script(&bytes))
}

/// Whether an annotation acts when its page is opened or becomes visible (ISO 32000-1, table 194).
fn has_acting_annotation(page: &Dict<'_>) -> bool {
    let annotations = page.get::<Array<'_>>("Annots");
    let mut additional =
        annotations.iter().flat_map(|all| all.iter::<Dict<'_>>()).filter_map(|one| one.get::<Dict<'_>>("AA"));
    additional.any(|actions| {
        ["PO", "PV"].iter().any(|when| actions.get::<Dict<'_>>(when).is_some_and(|action| acts(&action, 0)))
    })
}

fn is_scripted(object: &Object<'_>, depth: usize) -> bool {
    // No honest document nests this deeply.
    if depth > MAX_DEPTH {
        return true;
    }
    let direct = |entry: MaybeRef<Object<'_>>| match entry {
        MaybeRef::NotRef(object) => is_scripted(&object, depth + 1),
        MaybeRef::Ref(_) => false,
    };
    match object {
        Object::Dict(dict) => is_script(dict) || dict.entries().any(|(_, entry)| direct(entry)),
        Object::Stream(stream) => is_script(stream.dict()) || stream.dict().entries().any(|(_, entry)| direct(entry)),
        Object::Array(array) => array.raw_iter().any(direct),
        _ => false,
    }
}

fn is_script(dict: &Dict<'_>) -> bool {
    let kind = dict.get::<Name<'_>>("S");
    let runs = kind.is_some_and(|kind| matches!(&*kind, b"JavaScript" | b"Launch" | b"ImportData" | b"Rendition"));
    // XFA forms contain scripts.
    runs || dict.contains_key("JS") || dict.contains_key("XFA")
}

/// Whether `OpenAction` of the document, or `AA` (additional actions) of the document or page, does something.
fn acts_at_opening(dict: &Dict<'_>) -> bool {
    let opening = dict.get::<Dict<'_>>("OpenAction");
    // A destination is an array. An unreadable action may be readable to another program.
    if dict.contains_key("OpenAction") && opening.is_none() && dict.get::<Array<'_>>("OpenAction").is_none() {
        return true;
    }
    let additional = dict.get::<Dict<'_>>("AA");
    let additional =
        additional.iter().flat_map(|actions| actions.keys().filter_map(|key| actions.get::<Dict<'_>>(&*key)));
    opening.into_iter().chain(additional).any(|action| acts(&action, 0))
}

fn acts(action: &Dict<'_>, depth: usize) -> bool {
    let kind = action.get::<Name<'_>>("S");
    let harmless = kind.is_none_or(|kind| HARMLESS.contains(&&*kind));
    let one = action.get::<Dict<'_>>("Next");
    let many = action.get::<Array<'_>>("Next");
    let next = one.into_iter().chain(many.iter().flat_map(|many| many.iter::<Dict<'_>>()));
    !harmless || depth > MAX_DEPTH || next.into_iter().any(|next| acts(&next, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_unescaped() {
        assert!(is_encrypted(b"trailer << /Encrypt 5 0 R >>") && is_encrypted(b"/#45ncrypt 5 0 R"));
        assert!(!is_encrypted(b"<< /EncryptMetadata false >>"));
        for script in
            [&b"<</S/JavaScript/JS(x)>>"[..], b"/S /Launch >>", b"/S/Java#53cript", b"5 0 obj /JavaScript endobj"]
        {
            assert!(names_a_script(script), "{script:?}");
        }
        for harmless in [&b"/S /Launcher"[..], b"/JavaScriptish", b"JavaScript", b"/Java#5gcript", b"/", b"/#", b"/#4"]
        {
            assert!(!names_a_script(harmless), "{harmless:?}");
        }
    }
}
