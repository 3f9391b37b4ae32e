//! The reference shapes, drawn from the outlines of the standard fonts and of our own typeface.
//!
//! The outlines come from a PDF with a line for each font, because the reader of PDF has the standard fonts.

use std::collections::BTreeMap;
use std::sync::Arc;

use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::RenderContext;
use hayro::vello_cpu::color::palette::css::{BLACK, WHITE};
use hayro::vello_cpu::kurbo::{Affine, BezPath, Rect, Shape as _, Stroke};
use pdf_writer::{Content, Finish, Name, Rect as PdfRect, Ref, Str};

use super::{COLUMNS, MIN_ASPECT, ROWS, Shape};
use crate::intake::examine::drawing::{Gray, finish};
use crate::typefaces;

/// Fonts with upright and normal strokes, upright and bold ones, and slanted ones.
pub const REGULAR: [&str; 3] = ["Helvetica", "Times-Roman", "Courier"];
pub const BOLD: [&str; 3] = ["Helvetica-Bold", "Times-Bold", "Courier-Bold"];
pub const SLANTED: [&str; 3] = ["Helvetica-Oblique", "Times-Italic", "Courier-Oblique"];
pub const BOLD_SLANTED: [&str; 3] = ["Helvetica-BoldOblique", "Times-BoldItalic", "Courier-BoldOblique"];
/// Slants of upright fonts: from left to right by height.
const SLANTS: [f64; 4] = [0.0, 0.12, 0.2, 0.28];
/// What strokes lose, by the height of the character.
const THINNING: f64 = 0.05;

/// Pixels of a drawn character: twice as many as cells, and a margin for the strokes that thin it.
const WIDTH: usize = 2 * COLUMNS;
const HEIGHT: usize = 2 * ROWS;
const MARGIN: usize = 2;
/// Characters in a row of the picture.
const IN_A_ROW: usize = 40;

/// A font of the references.
#[derive(Clone, Copy)]
struct Font {
    source: Source,
    is_bold: bool,
    is_slanted: bool,
}

#[derive(Clone, Copy)]
enum Source {
    Standard(&'static str),
    Embedded(&'static [u8]),
}

fn fonts() -> Vec<Font> {
    let standard = |names: [&'static str; 3], is_bold, is_slanted| {
        names.map(|name| Font { source: Source::Standard(name), is_bold, is_slanted })
    };
    let standard = [
        standard(REGULAR, false, false),
        standard(BOLD, true, false),
        standard(SLANTED, false, true),
        standard(BOLD_SLANTED, true, true),
    ];
    let ours = typefaces::OF_TEXT.into_iter().enumerate().map(|(index, data)| Font {
        source: Source::Embedded(data),
        is_bold: index > 0,
        is_slanted: false,
    });
    standard.into_iter().flatten().chain(ours).collect()
}

/// A character to be drawn.
struct Drawing {
    c: char,
    outline: BezPath,
    is_thin: bool,
}

/// Draws the references of each character.
pub fn draw(characters: &[char]) -> BTreeMap<char, Vec<Shape>> {
    let fonts = fonts();
    let outlines = outlines(&fonts, characters).unwrap_or_default();
    let mut drawings = Vec::new();
    for (font, c, outline) in outlines {
        let Some(font) = fonts.get(font) else { continue };
        for slant in if font.is_slanted { &SLANTS[..1] } else { &SLANTS } {
            let outline = Affine::new([1.0, 0.0, *slant, 1.0, 0.0, 0.0]) * outline.clone();
            for is_thin in if font.is_bold { &[false][..] } else { &[false, true] } {
                drawings.push(Drawing { c, outline: outline.clone(), is_thin: *is_thin });
            }
        }
    }
    shapes(&drawings)
}

fn shapes(drawings: &[Drawing]) -> BTreeMap<char, Vec<Shape>> {
    let (across, down) = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN);
    let corner = |index: usize| (index % IN_A_ROW * across + MARGIN, index / IN_A_ROW * down + MARGIN);
    let rows = drawings.len().div_ceil(IN_A_ROW).max(1);
    let mut context = RenderContext::new((IN_A_ROW * across) as u16, (rows * down) as u16);
    for (index, drawing) in drawings.iter().enumerate() {
        let Drawing { outline, is_thin, .. } = drawing;
        let mut extent = outline.bounding_box();
        let thinning = if *is_thin { THINNING * extent.height() } else { 0.0 };
        extent = extent.inset(-thinning / 2.0);
        let extent = widened(extent);
        let (left, top) = corner(index);
        // The outline's y axis points up.
        let transform = Affine::translate((left as f64, top as f64))
            * Affine::scale_non_uniform(WIDTH as f64 / extent.width(), -(HEIGHT as f64) / extent.height())
            * Affine::translate((-extent.x0, -extent.y1));
        context.set_transform(transform);
        context.set_paint(BLACK);
        context.fill_path(outline);
        if *is_thin {
            context.set_paint(WHITE);
            context.set_stroke(Stroke::new(thinning));
            context.stroke_path(outline);
        }
    }
    let picture = Gray::of(&finish(context));
    let mut shapes: BTreeMap<char, Vec<Shape>> = BTreeMap::new();
    for (index, drawing) in drawings.iter().enumerate() {
        let (left, top) = corner(index);
        let mut cells = [0.0; COLUMNS * ROWS];
        for (index, cell) in cells.iter_mut().enumerate() {
            let (x, y) = (left + index % COLUMNS * 2, top + index / COLUMNS * 2);
            let pixels = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)];
            *cell = pixels.iter().map(|(x, y)| 255.0 - f32::from(picture.pixels[y * picture.width + x])).sum();
        }
        shapes.entry(drawing.c).or_default().push(Shape::new(&cells));
    }
    shapes
}

fn widened(extent: Rect) -> Rect {
    let missing = (extent.height() * MIN_ASPECT - extent.width()).max(0.0);
    extent.inflate(missing / 2.0, 0.0)
}

/// Returns the outlines: the index of the font, the character, and its outline.
fn outlines(fonts: &[Font], characters: &[char]) -> Option<Vec<(usize, char, BezPath)>> {
    let pdf = Pdf::new(Arc::new(sheet(fonts, characters))).ok()?;
    let page = pdf.pages().first()?;
    let cache = InterpreterCache::new();
    let extent = Rect::new(0.0, 0.0, 1000.0, 1000.0);
    let mut context = Context::new(Affine::IDENTITY, extent, &cache, page.xref(), InterpreterSettings::default());
    let mut reader = Reader { characters, runs: 0, outlines: Vec::new() };
    interpret_page(page, &mut context, &mut reader);
    Some(reader.outlines)
}

/// Returns a PDF with a line of the characters in each font.
fn sheet(fonts: &[Font], characters: &[char]) -> Vec<u8> {
    let text: Vec<u8> = characters.iter().filter(|c| c.is_ascii()).map(|c| *c as u8).collect();
    let (catalog, pages, page, contents) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4));
    let of_font = |index: usize, part: i32| Ref::new(5 + 3 * index as i32 + part);
    let names: Vec<String> = (0..fonts.len()).map(|index| format!("F{index}")).collect();
    let mut pdf = pdf_writer::Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.media_box(PdfRect::new(0.0, 0.0, 1000.0, 1000.0)).parent(pages).contents(contents);
    let mut resources = sheet.resources();
    let mut dictionary = resources.fonts();
    let mut drawing = Content::new();
    for (index, name) in names.iter().enumerate() {
        dictionary.pair(Name(name.as_bytes()), of_font(index, 0));
        drawing.begin_text().set_font(Name(name.as_bytes()), 10.0).next_line(10.0, 20.0 + 20.0 * index as f32);
        drawing.show(Str(&text)).end_text();
    }
    dictionary.finish();
    resources.finish();
    sheet.finish();
    pdf.stream(contents, &drawing.finish());
    for (index, font) in fonts.iter().enumerate() {
        let mut object = pdf.indirect(of_font(index, 0)).dict();
        object.pair(Name(b"Type"), Name(b"Font")).pair(Name(b"Encoding"), Name(b"WinAnsiEncoding"));
        match font.source {
            Source::Standard(name) => {
                object.pair(Name(b"Subtype"), Name(b"Type1")).pair(Name(b"BaseFont"), Name(name.as_bytes()));
            }
            Source::Embedded(data) => {
                object.pair(Name(b"Subtype"), Name(b"TrueType")).pair(Name(b"BaseFont"), Name(b"Ours"));
                object.pair(Name(b"FirstChar"), 32).pair(Name(b"LastChar"), 126);
                object.insert(Name(b"Widths")).array().items([600; 95]);
                object.pair(Name(b"FontDescriptor"), of_font(index, 1));
                object.finish();
                let mut descriptor = pdf.indirect(of_font(index, 1)).dict();
                descriptor.pair(Name(b"Type"), Name(b"FontDescriptor")).pair(Name(b"FontName"), Name(b"Ours"));
                descriptor.pair(Name(b"Flags"), 32).pair(Name(b"FontFile2"), of_font(index, 2));
                descriptor.finish();
                pdf.stream(of_font(index, 2), data);
            }
        }
    }
    pdf.finish()
}

/// Collects the outlines of the sheet.
struct Reader<'c> {
    characters: &'c [char],
    runs: usize,
    outlines: Vec<(usize, char, BezPath)>,
}

impl<'a> Device<'a> for Reader<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, _: DrawProps<'a>, _: &DrawMode) {
        for (glyph, c) in run.glyphs().iter().zip(self.characters) {
            if let Glyph::Outline(glyph) = &**glyph {
                self.outlines.push((self.runs, *c, glyph.outline()));
            }
        }
        self.runs += 1;
    }
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
