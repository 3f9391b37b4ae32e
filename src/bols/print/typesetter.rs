//! Typst with one template, our typefaces and nothing else: no files, no packages, no network, no clock.

use std::sync::LazyLock;

use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World, comemo};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

use super::{PrintError, Sheet};

const TEMPLATE: &str = include_str!("../../../templates/bol.typ");
/// Latin, Greek and Cyrillic; and what that doesn't have, which is mostly Chinese, Japanese and Korean.
const FONTS: [&[u8]; 4] = [
    include_bytes!("../../../fonts/SourceSans3-Regular.ttf"),
    include_bytes!("../../../fonts/SourceSans3-Semibold.ttf"),
    include_bytes!("../../../fonts/SourceSans3-Bold.ttf"),
    include_bytes!("../../../fonts/DroidSansFallback.ttf"),
];
/// Results that were not used in this many further printings are forgotten; without that the memory would grow for ever.
const REMEMBERED: usize = 1;

/// What all printings share.
struct Ground {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    template: Source,
    data: FileId,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let id = |name| {
        let Ok(path) = VirtualPath::new(name) else { unreachable!("a constant") };
        RootedPath::new(VirtualRoot::Project, path).intern()
    };
    let fonts: Vec<Font> = FONTS.iter().flat_map(|data| Font::iter(Bytes::new(*data))).collect();
    Ground {
        library: LazyHash::new(Library::default()),
        book: LazyHash::new(FontBook::from_fonts(&fonts)),
        fonts,
        template: Source::new(id("bol.typ"), TEMPLATE.into()),
        data: id("bol.json"),
    }
});

struct Desk {
    json: Bytes,
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &GROUND.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &GROUND.book
    }

    fn main(&self) -> FileId {
        GROUND.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == GROUND.template.id() { Ok(GROUND.template.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == GROUND.data { Ok(self.json.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        GROUND.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

pub fn pdf(sheet: &Sheet<'_>) -> Result<Vec<u8>, PrintError> {
    typeset(sheet.json()?, sheet.number.to_owned())
}

pub fn typeset(json: Vec<u8>, number: String) -> Result<Vec<u8>, PrintError> {
    let desk = Desk { json: Bytes::new(json) };
    let document: PagedDocument = typst::compile(&desk).output.map_err(|errors| told(&errors))?;
    let options = PdfOptions {
        ident: Smart::Custom(number),
        creator: Smart::Custom(Some("PrimeTrade".into())),
        standards: PdfStandards::new(&[PdfStandard::Ua_1]).map_err(|error| PrintError(error.message().to_string()))?,
        ..PdfOptions::default()
    };
    let pdf = typst_pdf::pdf(&document, &options).map_err(|errors| told(&errors));
    comemo::evict(REMEMBERED);
    pdf
}

fn told(errors: &[SourceDiagnostic]) -> PrintError {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    PrintError(messages.join("; "))
}

/// The first character that can't be printed: one that no typeface has, or one that would not be seen. Line breaks are
/// fine.
pub fn unprintable(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && !is_printable(*c))
}

/// What to tell whoever typed it.
pub fn unprintable_message(c: char) -> String {
    if is_unseen(c) {
        let code = u32::from(c);
        return format!("There is an invisible character (U+{code:04X}), which can't be printed. Leave it out.");
    }
    format!("“{c}” can't be printed. Leave it out.")
}

fn is_printable(c: char) -> bool {
    !is_unseen(c) && GROUND.fonts.iter().any(|font| font.info().coverage.contains(c.into()))
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::unprintable;

    #[test]
    fn what_the_typefaces_have_can_be_printed() {
        for text in ["", "Acme Steel", "Müller & Łódź Æ", "漢字 かな", "Чугун α", "a\nb", "“quoted” – ½ °C µ €"]
        {
            assert_eq!(unprintable(text), None, "{text}");
        }
        for (text, bad) in [
            ("a\u{202e}b", '\u{202e}'),
            ("a\tb", '\t'),
            ("\0", '\0'),
            ("ok 😀", '😀'),
            ("\u{e000}", '\u{e000}'),
            ("ا", 'ا'),
        ] {
            assert_eq!(unprintable(text), Some(bad), "{text:?}");
        }
    }
}
