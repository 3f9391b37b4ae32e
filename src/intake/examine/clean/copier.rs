//! Copies objects from one PDF to another, with everything that they refer to.

use std::collections::HashMap;

use hayro::hayro_interpret::hayro_syntax;
use hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::{Filter, Pdf};
use pdf_writer::{Obj, Ref};

/// Deepest nesting of direct objects.
const MAX_DEPTH: usize = 60;

/// Keys that lead away from what a page shows, or name a use other than showing it.
const LEFT_OUT: [&str; 25] = [
    "AA",
    "AF",
    "Alternates",
    "Annots",
    "Collection",
    "Dests",
    "EF",
    "FDecodeParms",
    "FFilter",
    "JS",
    "JavaScript",
    "LastModified",
    "Measure",
    "Metadata",
    "Names",
    "OPI",
    "OpenAction",
    "Parent",
    "PieceInfo",
    "PtData",
    "Ref",
    "StructParent",
    "StructParents",
    "URI",
    "XFA",
];
/// Dictionaries whose keys the writer of the file chooses.
const NAMED: [&str; 9] =
    ["CharProcs", "ColorSpace", "Colorants", "ExtGState", "Font", "Pattern", "Properties", "Shading", "XObject"];
/// Objects that aren't shown by a page's contents.
const NOT_SHOWN: [&[u8]; 8] =
    [b"Action", b"Annot", b"Catalog", b"EmbeddedFile", b"Filespec", b"Page", b"Pages", b"StructElem"];

/// An object that is still to be copied.
struct Due {
    from: ObjectIdentifier,
    to: Ref,
    /// The writer of the file chose its keys.
    is_named: bool,
}

/// The numbers of the objects in the copy.
pub struct Links {
    next: Ref,
    numbers: HashMap<(ObjectIdentifier, bool), Ref>,
    due: Vec<Due>,
}

impl Default for Links {
    fn default() -> Self {
        Self { next: Ref::new(1), numbers: HashMap::new(), due: Vec::new() }
    }
}

impl Links {
    pub fn bump(&mut self) -> Ref {
        self.next.bump()
    }

    /// Returns the number of an object in the copy, and copies the object later.
    pub fn link(&mut self, from: ObjectIdentifier) -> Ref {
        self.link_as(from, false)
    }

    fn link_as(&mut self, from: ObjectIdentifier, is_named: bool) -> Ref {
        if let Some(known) = self.numbers.get(&(from, is_named)) {
            return *known;
        }
        let to = self.bump();
        self.numbers.insert((from, is_named), to);
        self.due.push(Due { from, to, is_named });
        to
    }

    pub fn write(&mut self, object: Object<'_>, target: Obj<'_>) {
        self.write_value(MaybeRef::NotRef(object), target, false, 0);
    }

    /// Writes the entries of a dictionary whose keys the writer of the file chose.
    pub fn write_named(&mut self, entries: &Dict<'_>, target: &mut pdf_writer::Dict<'_>) {
        self.write_entries(entries, target, true, 0);
    }

    fn write_value(&mut self, value: MaybeRef<Object<'_>>, target: Obj<'_>, is_named: bool, depth: usize) {
        let object = match value {
            MaybeRef::Ref(reference) => return target.primitive(self.link_as(reference.into(), is_named)),
            MaybeRef::NotRef(object) => object,
        };
        match object {
            _ if depth > MAX_DEPTH => target.primitive(pdf_writer::Null),
            Object::Null(_) | Object::Stream(_) => target.primitive(pdf_writer::Null),
            Object::Boolean(is_true) => target.primitive(is_true),
            Object::Number(number) => {
                let number = number.as_f64();
                match number.fract() == 0.0 && number.abs() < f64::from(i32::MAX) {
                    true => target.primitive(number as i32),
                    false => target.primitive(number as f32),
                }
            }
            Object::String(text) => target.primitive(pdf_writer::Str(text.as_bytes())),
            Object::Name(name) => target.primitive(pdf_writer::Name(&name)),
            Object::Array(items) => {
                let mut array = target.array();
                for item in items.raw_iter() {
                    self.write_value(item, array.push(), false, depth + 1);
                }
            }
            Object::Dict(entries) if is_shown(&entries) => {
                self.write_entries(&entries, &mut target.dict(), is_named, depth);
            }
            Object::Dict(_) => target.primitive(pdf_writer::Null),
        }
    }

    fn write_entries(&mut self, entries: &Dict<'_>, target: &mut pdf_writer::Dict<'_>, is_named: bool, depth: usize) {
        for (key, value) in entries.entries() {
            let of = |list: &[&str]| list.iter().any(|known| known.as_bytes() == &*key);
            if is_named || !of(&LEFT_OUT) {
                let has_names = !is_named && of(&NAMED);
                self.write_value(value, target.insert(pdf_writer::Name(&key)), has_names, depth + 1);
            }
        }
    }

    /// Writes a stream with its decrypted data as it is encoded.
    fn write_stream(&mut self, out: &mut pdf_writer::Pdf, stream: &Stream<'_>, to: Ref) {
        let data = stream.raw_data();
        let mut written = out.stream(to, &data);
        let is_encrypted = stream.filters().first() == Some(&Filter::Crypt);
        for (key, value) in stream.dict().entries() {
            let is_filter = matches!(&*key, b"Filter" | b"DecodeParms" | b"DP");
            // `F` names another file, or the filters in some files.
            let is_other = LEFT_OUT.iter().any(|known| known.as_bytes() == &*key) || matches!(&*key, b"Length");
            if is_other
                || is_filter && is_encrypted
                || &*key == b"F" && !matches!(value, MaybeRef::NotRef(Object::Name(_)))
            {
                continue;
            }
            let has_names = NAMED.iter().any(|known| known.as_bytes() == &*key);
            self.write_value(value, written.insert(pdf_writer::Name(&key)), has_names, 0);
        }
        if is_encrypted {
            for (to, from) in [("Filter", &["Filter"][..]), ("DecodeParms", &["DecodeParms", "DP"])] {
                let list = from.iter().find_map(|from| stream.dict().get::<Array<'_>>(from));
                let mut array = written.insert(pdf_writer::Name(to.as_bytes())).array();
                for item in list.iter().flat_map(|list| list.raw_iter().skip(1)) {
                    self.write_value(item, array.push(), false, 0);
                }
            }
        }
    }
}

/// Copies every object that is due, and what those refer to.
pub fn drain(pdf: &Pdf, out: &mut pdf_writer::Pdf, links: &mut Links) {
    while let Some(Due { from, to, is_named }) = links.due.pop() {
        match pdf.xref().get::<Object<'_>>(from) {
            Some(Object::Stream(stream)) if is_shown(stream.dict()) => links.write_stream(out, &stream, to),
            Some(object @ Object::Dict(_)) if is_named => {
                links.write_value(MaybeRef::NotRef(object), out.indirect(to), true, 0);
            }
            Some(object) => links.write(object, out.indirect(to)),
            None => out.indirect(to).primitive(pdf_writer::Null),
        }
    }
}

fn is_shown(dict: &Dict<'_>) -> bool {
    dict.get::<Name<'_>>("Type").is_none_or(|kind| !NOT_SHOWN.contains(&&*kind))
}
