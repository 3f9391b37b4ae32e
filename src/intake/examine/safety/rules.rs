//! What an object may do when a viewer opens it, and what only its reader's click may do.

use std::collections::{BTreeSet, HashSet};

use super::Concern;
use super::lexer::{Name, Value};
use super::objects::Objects;

/// Actions that only show another place of the document (ISO 32000-1, table 198).
const HARMLESS_ACTIONS: [&[u8]; 2] = [b"GoTo", b"Named"];
/// Named actions that only turn pages or ask what to print (ISO 32000-1, table 211).
const HARMLESS_NAMED: [&[u8]; 7] =
    [b"NextPage", b"PrevPage", b"FirstPage", b"LastPage", b"GoBack", b"GoForward", b"Print"];
/// Annotations that only show something (ISO 32000-1, table 169).
const HARMLESS_ANNOTATIONS: [&[u8]; 21] = [
    b"Link",
    b"Text",
    b"FreeText",
    b"Line",
    b"Square",
    b"Circle",
    b"Polygon",
    b"PolyLine",
    b"Highlight",
    b"Underline",
    b"Squiggly",
    b"StrikeOut",
    b"Caret",
    b"Stamp",
    b"Ink",
    b"Popup",
    b"Widget",
    b"PrinterMark",
    b"TrapNet",
    b"Watermark",
    b"Redact",
];
/// Beginnings of the addresses that a link may have.
const HARMLESS_SCHEMES: [&str; 4] = ["http", "https", "mailto", "tel"];

/// Actions by their name, wherever they are.
const KNOWN_ACTIONS: [(&[u8], Concern); 13] = [
    (b"JavaScript", Concern::Script),
    (b"ECMAScript", Concern::Script),
    (b"Launch", Concern::StartsProgram),
    (b"SubmitForm", Concern::SendsData),
    (b"ImportData", Concern::SendsData),
    (b"GoToR", Concern::OtherFile),
    (b"GoToE", Concern::OtherFile),
    (b"Rendition", Concern::Media),
    (b"Sound", Concern::Media),
    (b"Movie", Concern::Media),
    (b"GoTo3DView", Concern::Media),
    (b"RichMediaExecute", Concern::Media),
    (b"SetState", Concern::UnknownAction),
];
/// Subtypes of objects, wherever they are.
const KNOWN_SUBTYPES: [(&[u8], Concern); 8] = [
    (b"FileAttachment", Concern::Attachment),
    (b"Sound", Concern::Media),
    (b"Movie", Concern::Media),
    (b"Screen", Concern::Media),
    (b"3D", Concern::Media),
    (b"U3D", Concern::Media),
    (b"PRC", Concern::Media),
    (b"RichMedia", Concern::Media),
];
/// Keys that tell what they are for, whatever their value.
const KNOWN_KEYS: [(&[u8], Concern); 13] = [
    (b"JS", Concern::Script),
    (b"JavaScript", Concern::Script),
    (b"XFA", Concern::Script),
    (b"EF", Concern::Attachment),
    (b"Collection", Concern::Attachment),
    (b"RichMediaContent", Concern::Media),
    (b"RichMediaSettings", Concern::Media),
    (b"3DD", Concern::Media),
    (b"3DA", Concern::Media),
    (b"Movie", Concern::Media),
    (b"Renditions", Concern::Media),
    (b"AlternatePresentations", Concern::Media),
    (b"FFilter", Concern::OtherFile),
];

/// What a value is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    /// An action that runs without a click, or a destination.
    Automatic,
    /// An action that runs after a click.
    Clicked,
    /// `AA`: an action for each event.
    Additional,
    Annotations,
    Annotation,
}

pub fn check(objects: &Objects<'_>) -> BTreeSet<Concern> {
    let mut rules = Rules { objects, concerns: BTreeSet::new(), judged: HashSet::new() };
    for place in &objects.places {
        let Some(value) = objects.read(*place) else { continue };
        rules.inspect(&value);
        if value
            .values(b"F")
            .any(|file| matches!(file, Value::Text(_) | Value::Hex(_) | Value::Dict(_) | Value::Ref(_)))
            && objects.is_stream(*place)
        {
            // The data of this stream is in another file.
            rules.concerns.insert(Concern::OtherFile);
        }
    }
    if objects.is_unread() {
        rules.concerns.insert(Concern::Unread);
    }
    rules.concerns
}

struct Rules<'o, 'a> {
    objects: &'o Objects<'a>,
    concerns: BTreeSet<Concern>,
    /// Objects that were judged for a purpose.
    judged: HashSet<(u32, Purpose)>,
}

impl<'o> Rules<'o, '_> {
    /// Applies the rules to an object and the objects within it.
    fn inspect(&mut self, value: &Value<'o>) {
        for pair in value.items().windows(2) {
            if let Value::Name(key) = pair[0] {
                self.pair(value, key, &pair[1]);
            }
        }
        for item in value.items() {
            self.inspect(item);
        }
    }

    fn pair(&mut self, owner: &Value<'o>, key: Name<'o>, value: &Value<'o>) {
        let known = KNOWN_KEYS.iter().find(|(known, _)| key.may_be(known) && *value != Value::Null);
        self.concerns.extend(known.map(|(_, concern)| *concern));
        let purposes: [(&[u8], Purpose); 6] = [
            (b"OpenAction", Purpose::Automatic),
            (b"AA", Purpose::Additional),
            (b"A", Purpose::Clicked),
            (b"PA", Purpose::Clicked),
            (b"Annots", Purpose::Annotations),
            (b"Next", Purpose::Clicked),
        ];
        for (_, purpose) in purposes.into_iter().filter(|(name, _)| key.may_be(name)) {
            // The next item of an outline isn't an action.
            if !key.may_be(b"Next") || owner.values(b"S").next().is_some() {
                self.judge(value, purpose);
            }
        }
        if key.may_be(b"S") {
            self.named(value, &KNOWN_ACTIONS);
        }
        if key.may_be(b"Subtype") {
            self.named(value, &KNOWN_SUBTYPES);
        }
        if key.may_be(b"Type") {
            self.kind(owner, value);
        }
        if key.may_be(b"EmbeddedFiles") && self.objects.resolved(value).iter().any(has_names) {
            self.concerns.insert(Concern::Attachment);
        }
        // The strings of an encrypted file are known only to the reader of its pages.
        if (key.may_be(b"URI") || key.may_be(b"Base")) && !self.objects.is_encrypted {
            let texts = self.objects.resolved(value);
            if texts.iter().filter_map(Value::text).any(|text| !is_harmless_address(&text)) {
                self.concerns.insert(Concern::Address);
            }
        }
    }

    /// Adds the concern of a name in a list.
    fn named(&mut self, value: &Value<'o>, list: &[(&[u8], Concern)]) {
        for value in self.objects.resolved(value) {
            let Value::Name(name) = value else { continue };
            let known = list.iter().find(|(known, _)| name.may_be(known));
            self.concerns.extend(known.map(|(_, concern)| *concern));
        }
    }

    fn kind(&mut self, owner: &Value<'o>, value: &Value<'o>) {
        for value in self.objects.resolved(value) {
            let Value::Name(name) = value else { continue };
            if name.may_be(b"Annot") {
                self.judge(owner, Purpose::Annotation);
            } else if name.may_be(b"Action") {
                self.judge(owner, Purpose::Clicked);
            } else if name.may_be(b"EmbeddedFile") {
                self.concerns.insert(Concern::Attachment);
            } else if name.may_be(b"Rendition") || name.may_be(b"MediaClip") {
                self.concerns.insert(Concern::Media);
            }
        }
    }

    /// Judges a value, or everything that it refers to, for a purpose.
    fn judge(&mut self, value: &Value<'o>, purpose: Purpose) {
        if let Value::Ref(number) = value
            && !self.judged.insert((*number, purpose))
        {
            return;
        }
        for value in self.objects.resolved(value) {
            match (purpose, &value) {
                (_, Value::Odd) => {
                    self.concerns.insert(Concern::Unread);
                }
                (Purpose::Automatic | Purpose::Clicked, Value::Dict(_)) => self.action(&value, purpose),
                (Purpose::Additional, Value::Dict(items)) => {
                    items.iter().for_each(|action| self.judge(action, Purpose::Automatic));
                }
                (Purpose::Annotations, Value::Array(items)) => {
                    items.iter().for_each(|item| self.judge(item, Purpose::Annotation));
                }
                (Purpose::Annotation, Value::Dict(_)) => self.annotation(&value),
                // Further actions, or a destination, whose first element is a page.
                (Purpose::Clicked, Value::Array(items)) => {
                    let actions = items.iter().filter(|item| matches!(item, Value::Dict(_) | Value::Ref(_)));
                    actions.for_each(|item| self.judge(item, purpose));
                }
                _ => {}
            }
        }
    }

    fn action(&mut self, action: &Value<'o>, purpose: Purpose) {
        for kind in action.values(b"S").flat_map(|kind| self.objects.resolved(kind)) {
            let Value::Name(kind) = kind else {
                self.concerns.insert(Concern::Unread);
                continue;
            };
            if kind.is(b"Named") && self.is_harmless_named(action)
                || kind.is(b"URI") && purpose == Purpose::Clicked
                || HARMLESS_ACTIONS.iter().any(|harmless| kind.is(harmless)) && !kind.is(b"Named")
            {
                continue;
            }
            let known = KNOWN_ACTIONS.iter().find(|(known, _)| kind.may_be(known)).map(|(_, concern)| *concern);
            let unknown = if kind.is(b"URI") { Concern::ActsAlone } else { Concern::UnknownAction };
            self.concerns.insert(known.unwrap_or(unknown));
        }
    }

    fn is_harmless_named(&self, action: &Value<'o>) -> bool {
        action.values(b"N").flat_map(|name| self.objects.resolved(name)).all(|name| match name {
            Value::Name(name) => HARMLESS_NAMED.iter().any(|harmless| name.is(harmless)),
            _ => false,
        })
    }

    fn annotation(&mut self, annotation: &Value<'o>) {
        let kinds: Vec<_> = annotation.values(b"Subtype").flat_map(|kind| self.objects.resolved(kind)).collect();
        let is_harmless = |kind: &Value<'_>| match kind {
            Value::Name(name) => HARMLESS_ANNOTATIONS.iter().any(|harmless| name.is(harmless)),
            _ => false,
        };
        let is_known = |kind: &Value<'_>| match kind {
            Value::Name(name) => KNOWN_SUBTYPES.iter().any(|(known, _)| name.may_be(known)),
            _ => false,
        };
        if kinds.is_empty() || !kinds.iter().all(|kind| is_harmless(kind) || is_known(kind)) {
            self.concerns.insert(Concern::UnknownAnnotation);
        }
    }
}

/// Whether a name tree holds something.
fn has_names(tree: &Value<'_>) -> bool {
    let is_empty = |value: &Value<'_>| matches!(value, Value::Array(items) if items.is_empty());
    match tree {
        Value::Dict(_) => [&b"Names"[..], b"Kids"].iter().any(|key| tree.values(key).any(|value| !is_empty(value))),
        Value::Null => false,
        _ => true,
    }
}

/// Whether an address is of the web, of email or of a telephone, or relative.
pub fn is_harmless_address(address: &[u8]) -> bool {
    let address: Vec<u8> = address.iter().copied().filter(|byte| *byte != 0 && *byte < 0xfe).collect();
    let address = String::from_utf8_lossy(&address);
    let address = address.trim();
    let Some((scheme, _)) = address.split_once(':') else { return !address.starts_with("\\\\") };
    scheme.contains(['/', '?', '#']) || HARMLESS_SCHEMES.iter().any(|harmless| scheme.eq_ignore_ascii_case(harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concerns(objects: &[&str]) -> Vec<Concern> {
        let numbered = objects.iter().enumerate().map(|(at, object)| format!("{} 0 obj\n{object}\nendobj\n", at + 1));
        let file = format!("%PDF-1.7\n{}trailer << /Root 1 0 R >>", numbered.collect::<String>());
        check(&Objects::find(file.as_bytes(), &|_| None)).into_iter().collect()
    }

    #[test]
    fn harmless_objects_are_harmless() {
        for object in [
            "<< /Type /Catalog /OpenAction null >>",
            "<< /OpenAction (intro) >>",
            "<< /OpenAction [3 0 R /Fit] >>",
            "<< /OpenAction << /S /Named /N /Print >> >>",
            "<< /Title (/JavaScript /Launch << /S /JavaScript >>) >>",
            "<< /Annots [<< /Subtype /Link /A << /S /URI /URI (https://a.example/JavaScript) >> >>] >>",
            "<< /S /P /A << /O /Layout /Placement /Block >> /K [<< /Type /MCR >>] >>",
            "<< /Names << /EmbeddedFiles << /Names [] >> >> >>",
            "<< /Type /Font /Encoding << /Differences [65 /A /AA /S /T /JSX] >> >>",
            "<< /A 9 0 R /OpenAction 9 0 R >>",
            "<< /Title (x) /Parent 2 0 R /Next 1 0 R /A << /S /GoTo /D [1 0 R /Fit] >> >>",
        ] {
            assert_eq!(concerns(&[object]), [], "{object}");
        }
    }

    #[test]
    fn everything_else_has_a_concern() {
        for (objects, expected) in [
            (&["<< /OpenAction << /S /JavaScript >> >>"][..], Concern::Script),
            (&["<< /OpenAction 2 0 R >>", "<< /S 3 0 R >>", "/Java#53cript"], Concern::Script),
            (&["<< /AA << /O 2 0 R >> >>", "<< /S /ResetForm >>"], Concern::UnknownAction),
            (&["<< /AA 2 0 R >>", "<< /O << /S /URI /URI (http://a) >> >>"], Concern::ActsAlone),
            (&["<< /A << /S /GoTo /Next [<< /S /Hide >>] >> >>"], Concern::UnknownAction),
            (&["<< /A << /S /Named /N /SaveAs >> >>"], Concern::UnknownAction),
            (&["<< /OpenAction +2 0 R >>", "<< /S /Fancy >>"], Concern::Unread),
            (&["<< /Annots 2 0 R >>", "[3 0 R]", "<< /Subtype /Fancy >>"], Concern::UnknownAnnotation),
            (&["<< /Type /Annot /Subtype /Screen >>"], Concern::Media),
            (&["<< /Names << /EmbeddedFiles 2 0 R >> >>", "<< /Kids [3 0 R] >>"], Concern::Attachment),
            (&["<< /A << /S /URI /URI (java\\163cript:x) >> >>"], Concern::Address),
            (&["<< /A << /S /URI /URI (file:///c:/x.exe) >> >>"], Concern::Address),
            (&["<< /Length 0 /F (other.pdf) >> stream\nendstream"], Concern::OtherFile),
            (&["(5 0 obj << /S /Launch >>)"], Concern::StartsProgram),
        ] {
            assert!(concerns(objects).contains(&expected), "{objects:?}: {:?}", concerns(objects));
        }
    }
}
