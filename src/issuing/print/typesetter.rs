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
use crate::typefaces;

const TEMPLATE: &str = include_str!("../../../templates/bol.typ");
/// Results that were not used in this many further printings are forgotten; without that the memory would grow for ever.
const REMEMBERED: usize = 1;

/// What all printings share.
struct Ground {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    template: Source,
    data: FileId,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let id = |name| {
        let Ok(path) = VirtualPath::new(name) else { unreachable!("a constant") };
        RootedPath::new(VirtualRoot::Project, path).intern()
    };
    Ground {
        library: LazyHash::new(Library::default()),
        book: LazyHash::new(FontBook::from_fonts(typefaces::all())),
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
