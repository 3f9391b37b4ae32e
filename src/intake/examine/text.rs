//! The text of a page, for finding BOL numbers in it. Glyphs that follow each other closely form a word.

use std::collections::BTreeSet;

use hayro::hayro_interpret::font::{Glyph, GlyphRun};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, Paint, SoftMask, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::kurbo::{Affine, BezPath, Point, Rect};

use crate::bols::BolNumber;

/// Glyphs read from a page, more than the smallest print has.
const MAX_GLYPHS: usize = 200_000;
/// Gap, relative to the font size, that may separate words or only letters.
const LOOSE: f64 = 0.12;
/// Gap that certainly separates words.
const GAP: f64 = 0.6;
/// Marks a place where a word may end.
const MAYBE: char = '\u{1}';
/// A picture that covers this part of the page hides the text below.
const COVERING: f64 = 0.5;

/// Side in pixels from which a picture may be a scan.
const SCAN: u32 = 100;
/// Side of the smallest QR code, in modules.
const CODE: u32 = 21;

#[derive(Default)]
pub struct PageText {
    pub seen: String,
    /// Invisible text, which text recognition adds behind a scan.
    pub hidden: String,
    /// The page has more text than was read.
    pub is_cut: bool,
    pub has_picture: bool,
    /// Lines or areas, which may form a code.
    pub has_drawing: bool,
}

/// Returns the numbers in a text. Loose letters are read joined and split; if the readings differ, a clerk decides.
pub fn numbers(text: &str, prefix: &str) -> BTreeSet<String> {
    let (joined, split) = (text.replace(MAYBE, ""), text.replace(MAYBE, "\n"));
    let found = [joined, split].map(|text| BolNumber::find_all(&text, prefix));
    found.iter().flatten().map(ToString::to_string).collect()
}

pub fn of(page: &Page<'_>) -> PageText {
    let cache = InterpreterCache::new();
    let (width, height) = page.render_dimensions();
    let extent = Rect::new(0.0, 0.0, width.into(), height.into());
    let settings = InterpreterSettings::default();
    let mut context = Context::new(Affine::IDENTITY, extent, &cache, page.xref(), settings);
    let mut reader = Reader { extent, ..Reader::default() };
    interpret_page(page, &mut context, &mut reader);
    reader.text
}

#[derive(Default)]
struct Reader {
    text: PageText,
    extent: Rect,
    glyphs: usize,
    last: Option<Last>,
}

struct Last {
    origin: Point,
    /// Position of the next glyph of the word; unknown for glyphs that are drawings.
    end: Option<Point>,
    size: f64,
    hidden: bool,
    text: String,
}

impl Reader {
    fn read(&mut self, glyph: &Glyph<'_>, place: Affine, hidden: bool) {
        self.glyphs += 1;
        if self.glyphs > MAX_GLYPHS {
            self.text.is_cut = true;
            return;
        }
        let text = match glyph.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(text)) => text,
            None => "\u{fffd}".into(),
        };
        let origin = place * Point::ZERO;
        let hidden = hidden || !self.extent.contains(origin);
        let size = (place * Point::new(1000.0, 0.0) - origin).hypot();
        let advance = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width().map(f64::from),
            Glyph::Type3(_) => None,
        };
        let end = advance.map(|advance| place * Point::new(advance, 0.0));
        // The same glyph again: filled and stroked, or doubled to look bold.
        let again = self.last.as_ref().is_some_and(|last| {
            last.text == text && last.hidden == hidden && (origin - last.origin).hypot() < last.size * 0.05
        });
        if again {
            return;
        }
        let gap = self.last.as_ref().filter(|last| last.hidden == hidden).map_or(f64::INFINITY, |last| {
            let size = last.size.max(size).max(f64::MIN_POSITIVE);
            match last.end {
                Some(end) => (origin - end).hypot() / size,
                // Only the start of a drawn glyph is known.
                None if (origin - last.origin).hypot() <= size => 0.0,
                None => f64::INFINITY,
            }
        });
        let target = if hidden { &mut self.text.hidden } else { &mut self.text.seen };
        match gap {
            ..LOOSE => {}
            LOOSE..GAP => target.push(MAYBE),
            _ => target.push('\n'),
        }
        target.push_str(&text);
        self.last = Some(Last { origin, end, size, hidden, text });
    }
}

/// Whether a color is invisible: transparent, or white on paper.
fn is_unseen([red, green, blue, alpha]: [u8; 4]) -> bool {
    alpha < 8 || red.min(green).min(blue) > 250
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let is_unseen = matches!(mode, DrawMode::Invisible)
            || matches!(&props.paint, Paint::Color(color) if is_unseen(color.to_rgba().to_rgba8()));
        for glyph in run.glyphs() {
            self.read(glyph, props.transform * glyph.transform(), is_unseen);
        }
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let transform = props.transform;
        let (width, height) = (image.width(), image.height());
        self.text.has_picture |= width.max(height) >= SCAN;
        // A code with one pixel for each module is a very small picture.
        self.text.has_drawing |= width.max(height) >= CODE;
        let [corner, right, below] =
            [(0.0, 0.0), (width.into(), 0.0), (0.0, height.into())].map(|(x, y)| transform * Point::new(x, y));
        let covered = (right - corner).cross(below - corner).abs();
        if covered >= self.extent.area() * COVERING {
            let below = std::mem::take(&mut self.text.seen);
            self.text.hidden.push('\n');
            self.text.hidden.push_str(&below);
            self.last = None;
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {
        self.text.has_drawing = true;
    }
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
