//! What a document of ours may not do: be locked, run a script, start a program, or call somewhere when it is opened.
//!
//! Scripts are refused wherever they are, not only where they run at opening: no BOL, ticket or certificate needs one.

use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object};

/// Deeper nesting is nobody's document; what lies below is looked at as an object of its own if it is one.
const DEEPEST: usize = 60;

/// Actions that may happen when a document or a page is opened (ISO 32000-1, table 198): to show a place in it.
const HARMLESS: [&[u8]; 2] = [b"GoTo", b"Named"];

/// By its key in the trailer, which is never compressed.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    occurrences(bytes, b"/Encrypt").any(|(_, after)| after.first().is_some_and(|next| is_delimiter(*next)))
}

/// As the bytes say it, for a file whose structure shows different things to different readers.
pub fn names_a_script(bytes: &[u8]) -> bool {
    [&b"/JavaScript"[..], b"/Launch"].into_iter().any(|name| {
        occurrences(bytes, name).any(|(before, after)| {
            before.trim_ascii_end().ends_with(b"/S") && after.first().is_none_or(|next| is_delimiter(*next))
        })
    })
}

fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0 || b"()<>[]{}/%".contains(&byte)
}

/// What stands before and after each.
fn occurrences<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let found = bytes.windows(wanted.len()).enumerate().filter(move |(_, window)| *window == wanted);
    found.map(move |(at, _)| (&bytes[..at], &bytes[at + wanted.len()..]))
}

pub fn runs_something(pdf: &Pdf) -> bool {
    let scripted = pdf.objects().into_iter().any(|object| is_scripted(&object, 0));
    let catalog: Option<Dict<'_>> = pdf.xref().get(pdf.xref().root_id());
    scripted
        || catalog.is_some_and(|catalog| acts_at_opening(&catalog))
        || pdf.pages().iter().any(|page| acts_at_opening(page.raw()))
}

fn is_scripted(object: &Object<'_>, depth: usize) -> bool {
    if depth > DEEPEST {
        return false;
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
    // XFA forms are scripts with a form around them.
    runs || dict.contains_key("JS") || dict.contains_key("XFA")
}

/// `OpenAction` of the document, `AA` (additional actions) of document and page.
fn acts_at_opening(dict: &Dict<'_>) -> bool {
    let opening = dict.get::<Dict<'_>>("OpenAction");
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
    !harmless || depth > DEEPEST || next.into_iter().any(|next| acts(&next, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole() {
        assert!(is_encrypted(b"trailer << /Encrypt 5 0 R >>"));
        assert!(!is_encrypted(b"<< /EncryptMetadata false >>"));
        assert!(names_a_script(b"<</S/JavaScript/JS(x)>>") && names_a_script(b"/S /Launch >>"));
        assert!(!names_a_script(b"/URI (https://x.example/JavaScript/)") && !names_a_script(b"/S /Launcher"));
    }
}
