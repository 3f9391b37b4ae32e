//! Typst with one template and our typefaces. It has no files, no packages, no network and no clock.

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
use crate::typefaces;

const TEMPLATE: &str = include_str!("../../../templates/bol.typ");
/// Typst drops cached results that this many further prints did not use. Without it, the cache would grow without
/// limit.
const MAX_CACHE_AGE: usize = 1;

/// The parts that all prints share.
struct Shared {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    template: Source,
    data: FileId,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let id = |name| {
        let Ok(path) = VirtualPath::new(name) else { unreachable!("a constant") };
        RootedPath::new(VirtualRoot::Project, path).intern()
    };
    Shared {
        library: LazyHash::new(Library::default()),
        book: LazyHash::new(FontBook::from_fonts(typefaces::all())),
        template: Source::new(id("bol.typ"), TEMPLATE.into()),
        data: id("bol.json"),
    }
});

/// One sheet to typeset.
struct SheetWorld {
    json: Bytes,
}

impl World for SheetWorld {
    fn library(&self) -> &LazyHash<Library> {
        &SHARED.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &SHARED.book
    }

    fn main(&self) -> FileId {
        SHARED.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == SHARED.template.id() { Ok(SHARED.template.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == SHARED.data { Ok(self.json.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        typefaces::all().get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

pub fn pdf(sheet: &Sheet<'_>) -> Result<Vec<u8>, PrintError> {
    typeset(sheet.json()?, sheet.number.to_owned())
}

pub fn typeset(json: Vec<u8>, number: String) -> Result<Vec<u8>, PrintError> {
    let world = SheetWorld { json: Bytes::new(json) };
    let document: PagedDocument = typst::compile(&world).output.map_err(|errors| print_error(&errors))?;
    let options = PdfOptions {
        ident: Smart::Custom(number),
        creator: Smart::Custom(Some("PrimeTrade".into())),
        standards: PdfStandards::new(&[PdfStandard::Ua_1]).map_err(|error| PrintError(error.message().to_string()))?,
        ..PdfOptions::default()
    };
    let pdf = typst_pdf::pdf(&document, &options).map_err(|errors| print_error(&errors));
    comemo::evict(MAX_CACHE_AGE);
    pdf
}

fn print_error(errors: &[SourceDiagnostic]) -> PrintError {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    PrintError(messages.join("; "))
}
