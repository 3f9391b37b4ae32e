//! A copy of a PDF that only shows its pages: their contents, form fields and annotations as they look, and the layers.
//!
//! Everything in the copy is reached from a page's contents. Actions, scripts, attachments, forms, outlines and metadata
//! are not, and the few keys that lead there are left out. [`super::safety`] examines the copy again before it is stored.

mod appearance;
mod copier;

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hayro::hayro_interpret::hayro_syntax;
use hayro_syntax::Pdf;
use hayro_syntax::content::ops::TypedInstruction;
use hayro_syntax::object::{Array, Dict, Name, Object};
use hayro_syntax::page::{Page, Rotation};
use pdf_writer::{Finish, Rect, Ref};

use self::appearance::Appearance;
use self::copier::Links;

/// Largest copy, in bytes.
pub const MAX_CLEANED_BYTES: usize = 128 << 20;

#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    #[error("the contents of page {0} can't be decoded")]
    Contents(usize),
    #[error("the copy is too large")]
    TooLarge,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Names of the resources of a page (ISO 32000-1, table 33).
const RESOURCES: [&[u8]; 7] = [b"ExtGState", b"ColorSpace", b"Pattern", b"Shading", b"XObject", b"Font", b"Properties"];

/// Returns the copy.
pub fn copy(pdf: &Pdf) -> Result<Vec<u8>, CleanError> {
    let mut out = pdf_writer::Pdf::new();
    let mut links = Links::default();
    let (catalog, tree) = (links.bump(), links.bump());
    let mut kids = Vec::new();
    for (number, page) in (1..).zip(pdf.pages().iter()) {
        kids.push(write_page(&mut out, &mut links, page, tree).map_err(|error| match error {
            CleanError::Contents(_) => CleanError::Contents(number),
            error => error,
        })?);
        copier::drain(pdf, &mut out, &mut links);
        if out.len() > MAX_CLEANED_BYTES {
            return Err(CleanError::TooLarge);
        }
    }
    out.pages(tree).count(i32::try_from(kids.len()).unwrap_or(i32::MAX)).kids(kids);
    let root: Option<Dict<'_>> = pdf.xref().get(pdf.xref().root_id());
    let mut written = out.catalog(catalog);
    written.pages(tree);
    if let Some(layers) = root.and_then(|root| root.get::<Dict<'_>>("OCProperties")) {
        write_layers(&mut written, &mut links, &layers);
    }
    written.finish();
    copier::drain(pdf, &mut out, &mut links);
    if out.len() > MAX_CLEANED_BYTES {
        return Err(CleanError::TooLarge);
    }
    Ok(out.finish())
}

fn write_page(out: &mut pdf_writer::Pdf, links: &mut Links, page: &Page<'_>, tree: Ref) -> Result<Ref, CleanError> {
    let (id, contents) = (links.bump(), links.bump());
    let appearances = appearance::of(page);
    let packed = packed(&contents_of(page, &appearances)?)?;
    out.stream(contents, &packed).filter(pdf_writer::Filter::FlateDecode);
    let font = appearances.iter().any(Appearance::is_text).then(|| links.bump());
    if let Some(font) = font {
        let mut helvetica = out.type1_font(font);
        helvetica.base_font(pdf_writer::Name(b"Helvetica")).encoding_predefined(pdf_writer::Name(b"WinAnsiEncoding"));
    }
    let mut written = out.page(id);
    let convert =
        |area: hayro_syntax::object::Rect| Rect::new(area.x0 as f32, area.y0 as f32, area.x1 as f32, area.y1 as f32);
    written.media_box(convert(page.media_box())).crop_box(convert(page.crop_box()));
    written.rotate(match page.rotation() {
        Rotation::None => 0,
        Rotation::Horizontal => 90,
        Rotation::Flipped => 180,
        Rotation::FlippedHorizontal => 270,
    });
    written.parent(tree).contents(contents);
    if let Some(group) = page.raw().get::<Dict<'_>>("Group") {
        links.write(Object::Dict(group), written.insert(pdf_writer::Name(b"Group")));
    }
    let mut resources = written.insert(pdf_writer::Name(b"Resources")).dict();
    for (kind, entries) in RESOURCES.into_iter().zip(of_page(page)) {
        let mut named = resources.insert(pdf_writer::Name(kind)).dict();
        links.write_named(&entries, &mut named);
        for appearance in &appearances {
            match (kind, appearance.form()) {
                (b"XObject", Some((name, form))) => {
                    named.pair(pdf_writer::Name(name.as_bytes()), links.link(form));
                }
                (b"Font", None) => {
                    named.pairs(font.map(|font| (pdf_writer::Name(appearance::FONT.as_bytes()), font)));
                }
                _ => {}
            }
        }
    }
    resources.finish();
    written.finish();
    Ok(id)
}

/// Returns the resources in the order of [`RESOURCES`].
fn of_page<'a>(page: &Page<'a>) -> [Dict<'a>; 7] {
    let all = page.resources().clone();
    [all.ext_g_states, all.color_spaces, all.patterns, all.shadings, all.x_objects, all.fonts, all.properties]
}

/// Returns the contents of the page, followed by the appearances of its annotations.
fn contents_of(page: &Page<'_>, appearances: &[Appearance]) -> Result<Vec<u8>, CleanError> {
    let stream = page.page_stream();
    if stream.is_none() && page.raw().contains_key("Contents") {
        return Err(CleanError::Contents(0));
    }
    // The contents may save the state without restoring it.
    let (mut operations, mut saved) = (page.typed_operations(), 0_usize);
    while let Some(operation) = operations.next() {
        match operation {
            TypedInstruction::SaveState(_) => saved += 1,
            TypedInstruction::RestoreState(_) => saved = saved.saturating_sub(1),
            _ => {}
        }
    }
    let mut contents = b"q\n".to_vec();
    contents.extend_from_slice(stream.unwrap_or_default());
    contents.extend_from_slice(b"\nQ\n");
    contents.extend(b"Q\n".repeat(saved));
    for appearance in appearances {
        contents.extend(appearance.drawing());
    }
    Ok(contents)
}

fn packed(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Writes which layers show (ISO 32000-1, 8.11.4).
fn write_layers(catalog: &mut pdf_writer::Dict<'_>, links: &mut Links, layers: &Dict<'_>) {
    let mut written = catalog.insert(pdf_writer::Name(b"OCProperties")).dict();
    let usual = layers.get::<Dict<'_>>("D").unwrap_or_default();
    let all = layers.get::<Array<'_>>("OCGs").unwrap_or_default();
    links.write(Object::Array(all), written.insert(pdf_writer::Name(b"OCGs")));
    let mut state = written.insert(pdf_writer::Name(b"D")).dict();
    if let Some(base) = usual.get::<Name<'_>>("BaseState") {
        state.pair(pdf_writer::Name(b"BaseState"), pdf_writer::Name(&base));
    }
    for key in ["ON", "OFF"] {
        if let Some(groups) = usual.get::<Array<'_>>(key) {
            links.write(Object::Array(groups), state.insert(pdf_writer::Name(key.as_bytes())));
        }
    }
}
