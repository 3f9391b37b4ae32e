//! The text of a page, as far as it matters for finding a number in it: glyphs that follow each other closely are a word.

use std::collections::BTreeSet;

use hayro::hayro_interpret::font::Glyph;
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, GlyphDrawMode, Image, InterpreterCache, InterpreterSettings, Paint,
    PathDrawMode, SoftMask, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::kurbo::{Affine, BezPath, Point, Rect};

use crate::bols::BolNumber;

/// More than a page of the smallest print has; a page that draws more is not read on.
const MOST: usize = 200_000;
/// A gap of this part of the font's size ends a word, so that two cells of a table never make one number.
const GAP: f64 = 0.3;

/// A picture with so many pixels to a side may be a scan with a code in it.
const SCAN: u32 = 100;

#[derive(Default)]
pub struct PageText {
    pub seen: String,
    /// Drawn invisibly: what software for text recognition puts behind a scan.
    pub hidden: String,
    pub has_picture: bool,
    /// Lines or areas, of which a code may be made.
    pub has_drawing: bool,
}

pub fn numbers(text: &str, prefix: &str) -> BTreeSet<String> {
    BolNumber::find_all(text, prefix).iter().map(ToString::to_string).collect()
}

pub fn of(page: &Page<'_>) -> PageText {
    let cache = InterpreterCache::new();
    let (width, height) = page.render_dimensions();
    let extent = Rect::new(0.0, 0.0, width.into(), height.into());
    let settings = InterpreterSettings::default();
    let mut context = Context::new(Affine::IDENTITY, extent, &cache, page.xref(), settings);
    let mut reader = Reader::default();
    interpret_page(page, &mut context, &mut reader);
    reader.text
}

#[derive(Default)]
struct Reader {
    text: PageText,
    glyphs: usize,
    last: Option<Last>,
}

struct Last {
    origin: Point,
    /// Where the next glyph of the word would be; unknown for glyphs that are drawings.
    end: Option<Point>,
    size: f64,
    hidden: bool,
    text: String,
}

impl Reader {
    fn read(&mut self, glyph: &Glyph<'_>, place: Affine, hidden: bool) {
        self.glyphs += 1;
        if self.glyphs > MOST {
            return;
        }
        let text = match glyph.as_unicode() {
            Some(BfString::Char(c)) => c.to_string(),
            Some(BfString::String(text)) => text,
            None => "\u{fffd}".into(),
        };
        let origin = place * Point::ZERO;
        let size = (place * Point::new(1000.0, 0.0) - origin).hypot();
        let advance = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width().map(f64::from),
            Glyph::Type3(_) => None,
        };
        let end = advance.map(|advance| place * Point::new(advance, 0.0));
        // Filled and stroked, or doubled to look bold.
        let again = self.last.as_ref().is_some_and(|last| {
            last.text == text && last.hidden == hidden && (origin - last.origin).hypot() < last.size * 0.05
        });
        if again {
            return;
        }
        let follows = self.last.as_ref().is_some_and(|last| {
            let (gap, most) = match last.end {
                Some(end) => ((origin - end).hypot(), GAP),
                None => ((origin - last.origin).hypot(), 1.0),
            };
            last.hidden == hidden && gap <= last.size.max(size) * most
        });
        let target = if hidden { &mut self.text.hidden } else { &mut self.text.seen };
        if !follows {
            target.push('\n');
        }
        target.push_str(&text);
        self.last = Some(Last { origin, end, size, hidden, text });
    }
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph(
        &mut self,
        glyph: &Glyph<'a>,
        transform: Affine,
        glyph_transform: Affine,
        _: &Paint<'a>,
        mode: &GlyphDrawMode,
    ) {
        self.read(glyph, transform * glyph_transform, matches!(mode, GlyphDrawMode::Invisible));
    }

    fn draw_image(&mut self, image: Image<'a, '_>, _: Affine) {
        self.text.has_picture |= image.width().max(image.height()) >= SCAN;
    }

    fn set_soft_mask(&mut self, _: Option<SoftMask<'a>>) {}
    fn set_blend_mode(&mut self, _: BlendMode) {}
    fn draw_path(&mut self, _: &BezPath, _: Affine, _: &Paint<'a>, _: &PathDrawMode) {
        self.text.has_drawing = true;
    }
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip_path(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
