//! The text of a page, for finding BOL numbers in it. Glyphs that follow each other closely form a word.

use std::collections::{BTreeSet, HashMap};

use hayro::hayro_interpret::font::{Glyph, GlyphRun, OutlineGlyph, Type3Glyph};
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, CacheKey, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, Paint, SoftMask, TransformExt, interpret_page,
};
use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::kurbo::{Affine, BezPath, Point, Rect, Shape};

use super::heading::TextLine;
use crate::bols::BolNumber;

/// Glyphs read from a page, more than the smallest print has.
const MAX_GLYPHS: usize = 200_000;
/// Gap, relative to the font size, that may separate words or only letters.
const LOOSE: f64 = 0.12;
/// Gap that certainly separates words.
const GAP: f64 = 0.6;
/// Marks a place where a word may end.
const MAYBE: char = '\u{1}';
const MAYBE_TEXT: &str = "\u{1}";
/// A picture that covers this part of the page hides the text below.
const COVERING: f64 = 0.5;

/// Side in pixels from which a picture may be a scan.
const SCAN: u32 = 100;
/// Side of the smallest QR code, in modules.
const CODE: u32 = 21;

#[derive(Default)]
pub struct PageText {
    /// Text that may be visible. The pixels of the page decide.
    pub seen: String,
    /// The glyph of each character of `seen`, by its index in `places`. None for what separates words.
    glyphs: Vec<Option<u32>>,
    places: Vec<GlyphPlace>,
    /// The lines of `seen`.
    pub lines: Vec<TextLine>,
    /// Invisible text, which text recognition adds behind a scan.
    pub hidden: String,
    /// The page has more text than was read.
    pub is_cut: bool,
    pub has_picture: bool,
    /// Lines or areas, which may form a code.
    pub has_drawing: bool,
}

/// Where a glyph stands.
struct GlyphPlace {
    /// From glyph space to the page, in points from its upper left corner.
    transform: Affine,
    outline: Outline,
}

enum Outline {
    Glyph(OutlineGlyph),
    /// The extent of a glyph that is a drawing.
    Box(Rect),
}

/// A number in the text, with the place of each of its characters.
pub struct Candidate {
    pub number: String,
    pub characters: Vec<Character>,
}

/// A character of a number.
#[derive(Clone, Copy, Debug)]
pub struct Character {
    pub c: char,
    /// From the extent to the page.
    pub transform: Affine,
    /// The extent of the outline, in glyph space.
    pub extent: Rect,
}

impl PageText {
    /// Of a page whose text can't be read.
    pub fn unread() -> Self {
        Self { is_cut: true, has_picture: true, ..Self::default() }
    }

    /// Returns each number of the text that may be visible. If a character has no glyph of its own, the number has no
    /// characters.
    pub fn candidates(&self, prefix: &str) -> Vec<Candidate> {
        let mut found: Vec<(Option<u32>, Candidate)> = Vec::new();
        for is_joined in [true, false] {
            let pairs = self.seen.chars().zip(&self.glyphs).filter(|(c, _)| !is_joined || *c != MAYBE);
            let (text, glyphs): (Vec<char>, Vec<Option<u32>>) = pairs.unzip();
            let text: String = text.into_iter().map(|c| if c == MAYBE { '\n' } else { c }).collect();
            for (number, place) in BolNumber::find_places(&text, prefix) {
                let (first, number) = (glyphs[place.start], number.to_string());
                if found.iter().any(|(other, candidate)| *other == first && candidate.number == number) {
                    continue;
                }
                let shown = text.chars().skip(place.start).zip(&glyphs[place.clone()]);
                let characters = self.characters(shown).unwrap_or_default();
                found.push((first, Candidate { number, characters }));
            }
        }
        found.into_iter().map(|(_, candidate)| candidate).collect()
    }

    fn characters<'a>(&self, shown: impl Iterator<Item = (char, &'a Option<u32>)>) -> Option<Vec<Character>> {
        let mut last = None;
        let characters = shown.map(|(c, glyph)| {
            // A glyph that stands for several characters can't show each of them.
            let index = glyph.filter(|index| last.replace(*index) != Some(*index))?;
            let place = self.places.get(index as usize)?;
            let extent = match &place.outline {
                Outline::Glyph(glyph) => glyph.outline().bounding_box(),
                Outline::Box(extent) => *extent,
            };
            Some(Character { c, transform: place.transform, extent })
        });
        characters.collect()
    }

    fn push(&mut self, text: &str, glyph: Option<u32>) {
        self.seen.push_str(text);
        self.glyphs.extend(text.chars().map(|_| glyph));
    }

    /// Something covers all text so far.
    fn cover(&mut self) {
        self.hidden.push('\n');
        self.hidden.push_str(&std::mem::take(&mut self.seen));
        (self.glyphs, self.places, self.lines) = (Vec::new(), Vec::new(), Vec::new());
    }
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
    let transform = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(transform, extent, &cache, page.xref(), settings);
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
    /// The extents of glyphs that are drawings.
    drawings: HashMap<u128, Rect>,
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
    fn read<'a>(&mut self, glyph: &Glyph<'a>, place: Affine, (hidden, paint): (bool, &Paint<'a>)) {
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
        let separator = self.separator(origin, size, hidden);
        if hidden {
            self.text.hidden.push_str(separator);
            self.text.hidden.push_str(&text);
        } else {
            let outline = match glyph {
                Glyph::Outline(glyph) => Outline::Glyph(glyph.clone()),
                Glyph::Type3(glyph) => Outline::Box(self.extent_of(glyph, paint)),
            };
            let index = self.text.places.len() as u32;
            if separator == "\n" || self.text.lines.is_empty() {
                self.text.lines.push(TextLine { text: String::new(), size: size as f32, y: origin.y as f32 });
            }
            if let Some(line) = self.text.lines.last_mut() {
                line.text.push_str(&separator.replace(MAYBE, " "));
                line.text.push_str(&text);
            }
            self.text.push(separator, None);
            self.text.push(&text, Some(index));
            self.text.places.push(GlyphPlace { transform: place, outline });
        }
        self.last = Some(Last { origin, end, size, hidden, text });
    }

    /// Returns what separates a glyph from the last one.
    fn separator(&self, origin: Point, size: f64, hidden: bool) -> &'static str {
        let gap = self.last.as_ref().filter(|last| last.hidden == hidden).map_or(f64::INFINITY, |last| {
            let size = last.size.max(size).max(f64::MIN_POSITIVE);
            match last.end {
                Some(end) => (origin - end).hypot() / size,
                // Only the start of a drawn glyph is known.
                None if (origin - last.origin).hypot() <= size => 0.0,
                None => f64::INFINITY,
            }
        });
        match gap {
            ..LOOSE => "",
            LOOSE..GAP => MAYBE_TEXT,
            _ => "\n",
        }
    }
}

impl Reader {
    fn extent_of<'a>(&mut self, glyph: &Type3Glyph<'a>, paint: &Paint<'a>) -> Rect {
        *self.drawings.entry(glyph.cache_key()).or_insert_with(|| {
            let mut drawing = Extent(None);
            glyph.interpret(&mut drawing, Affine::IDENTITY, Affine::IDENTITY, paint);
            drawing.0.unwrap_or_default()
        })
    }
}

/// The extent of what is drawn.
struct Extent(Option<Rect>);

impl Extent {
    fn add(&mut self, extent: Rect) {
        self.0 = Some(self.0.map_or(extent, |so_far| so_far.union(extent)));
    }
}

impl<'a> Device<'a> for Extent {
    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, _: &DrawMode) {
        self.add((props.transform * path).bounding_box());
    }
    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let size = Rect::new(0.0, 0.0, image.width().into(), image.height().into());
        self.add(props.transform.transform_rect_bbox(size));
    }
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        for glyph in run.glyphs() {
            if let Glyph::Outline(outline) = &**glyph {
                self.add((props.transform * glyph.transform() * outline.outline()).bounding_box());
            }
        }
    }
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

impl<'a> Device<'a> for Reader {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, mode: &DrawMode) {
        let is_transparent = matches!(&props.paint, Paint::Color(color) if color.to_rgba().to_rgba8()[3] < 8);
        let is_hidden = matches!(mode, DrawMode::Invisible) || is_transparent;
        for glyph in run.glyphs() {
            self.read(glyph, props.transform * glyph.transform(), (is_hidden, &props.paint));
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
            self.text.cover();
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
