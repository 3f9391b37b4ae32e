//! How the annotations and form fields of a page look.

use hayro::hayro_interpret::hayro_syntax;
use hayro::vello_cpu::kurbo::{Affine, Rect, Shape};
use hayro_syntax::object::{self, Array, Dict, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::Page;

/// The name of the font for fields without an appearance.
pub const FONT: &str = "PortalHelvetica";
/// Annotation flags: hidden, and not on the screen (ISO 32000-1, table 165).
const UNSEEN: u32 = 1 << 1 | 1 << 5;
/// Longest chain of parents of a field.
const MAX_PARENTS: usize = 20;
/// Font size of a field without an appearance, in points, and its share of a low field's height.
const MAX_FONT_SIZE: f64 = 12.0;
const FONT_SHARE: f64 = 0.7;

/// Something that is drawn above the contents of a page.
pub enum Appearance {
    /// The appearance stream, by its name in the page's resources.
    Form { name: String, stream: ObjectIdentifier, place: Affine },
    /// The value of a field without an appearance stream, in `WinAnsiEncoding`.
    Text { value: Vec<u8>, area: Rect },
}

impl Appearance {
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    pub fn form(&self) -> Option<(&str, ObjectIdentifier)> {
        match self {
            Self::Form { name, stream, .. } => Some((name, *stream)),
            Self::Text { .. } => None,
        }
    }

    /// Returns the operators that draw it.
    pub fn drawing(&self) -> Vec<u8> {
        let mut content = pdf_writer::Content::new();
        content.save_state();
        match self {
            Self::Form { name, place, .. } => {
                content.transform(place.as_coeffs().map(|number| number as f32));
                content.x_object(pdf_writer::Name(name.as_bytes()));
            }
            Self::Text { value, area } => {
                let size = MAX_FONT_SIZE.min(area.height() * FONT_SHARE) as f32;
                let baseline = area.y0 as f32 + (area.height() as f32 - size) / 2.0 + size * 0.2;
                content.set_fill_gray(0.0).begin_text().set_font(pdf_writer::Name(FONT.as_bytes()), size);
                content.next_line(area.x0 as f32 + 2.0, baseline).show(pdf_writer::Str(value)).end_text();
            }
        }
        content.restore_state();
        let mut drawing = content.finish().to_vec();
        drawing.push(b'\n');
        drawing
    }
}

/// Returns what the annotations of a page show, lowest first.
pub fn of(page: &Page<'_>) -> Vec<Appearance> {
    let annotations = page.raw().get::<Array<'_>>("Annots");
    let annotations = annotations.iter().flat_map(|all| all.iter::<Dict<'_>>()).enumerate();
    annotations.filter_map(|(index, annotation)| appearance(&annotation, index)).collect()
}

fn appearance(annotation: &Dict<'_>, index: usize) -> Option<Appearance> {
    let is_popup = annotation.get::<Name<'_>>("Subtype").is_some_and(|kind| &*kind == b"Popup");
    if is_popup || annotation.get::<u32>("F").unwrap_or(0) & UNSEEN != 0 {
        return None;
    }
    let area = rect(&annotation.get::<object::Rect>("Rect")?);
    let Some(stream) = stream(annotation) else { return text(annotation, area) };
    let bounds = rect(&stream.dict().get::<object::Rect>("BBox")?);
    let numbers = stream.dict().get::<Array<'_>>("Matrix").map(|matrix| matrix.iter::<f32>().map(f64::from).collect());
    let matrix =
        numbers.and_then(|numbers: Vec<f64>| <[f64; 6]>::try_from(numbers).ok()).map_or(Affine::IDENTITY, Affine::new);
    // ISO 32000-1, 12.5.5, algorithm 8.1.
    let bounds = (matrix * bounds.to_path(0.1)).bounding_box();
    if bounds.width() <= 0.0 || bounds.height() <= 0.0 {
        return None;
    }
    let (x, y) = (area.width() / bounds.width(), area.height() / bounds.height());
    let place = Affine::new([x, 0.0, 0.0, y, area.x0 - x * bounds.x0, area.y0 - y * bounds.y0]);
    Some(Appearance::Form { name: format!("PortalAppearance{index}"), stream: stream.obj_id(), place })
}

fn rect(area: &object::Rect) -> Rect {
    Rect::new(area.x0, area.y0, area.x1, area.y1).abs()
}

/// The normal appearance in the annotation's state.
fn stream<'a>(annotation: &Dict<'a>) -> Option<Stream<'a>> {
    match annotation.get::<Dict<'_>>("AP")?.get::<Object<'_>>("N")? {
        Object::Stream(stream) => Some(stream),
        Object::Dict(states) => {
            let state = annotation.get::<Name<'_>>("AS");
            state.and_then(|state| states.get(&*state)).or_else(|| states.get("Off"))
        }
        _ => None,
    }
}

/// The value of a text or choice field. Viewers draw it without an appearance stream.
fn text(field: &Dict<'_>, area: Rect) -> Option<Appearance> {
    let kind = inherited(field, |field| field.get::<Name<'_>>("FT"))?;
    let value = inherited(field, |field| field.get::<object::String<'_>>("V"))?;
    let value = win_ansi(value.as_bytes());
    let is_shown = matches!(&*kind, b"Tx" | b"Ch") && !value.is_empty() && area.height() > 0.0;
    is_shown.then_some(Appearance::Text { value, area })
}

fn inherited<'a, T>(field: &Dict<'a>, get: impl Fn(&Dict<'a>) -> Option<T>) -> Option<T> {
    let mut field = field.clone();
    for _ in 0..MAX_PARENTS {
        if let Some(found) = get(&field) {
            return Some(found);
        }
        field = field.get::<Dict<'_>>("Parent")?;
    }
    None
}

/// Converts a text string (ISO 32000-1, 7.9.2.2). Characters beyond Latin-1 become question marks.
fn win_ansi(text: &[u8]) -> Vec<u8> {
    let text: String = match text.strip_prefix(b"\xfe\xff") {
        Some(utf16) => {
            let units = utf16.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect()
        }
        None => text.iter().copied().map(char::from).collect(),
    };
    text.chars().map(|c| if c.is_control() { b' ' } else { u8::try_from(u32::from(c)).unwrap_or(b'?') }).collect()
}
