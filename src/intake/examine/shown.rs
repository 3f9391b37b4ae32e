//! Whether a page shows the numbers that its text says.
//!
//! The text of a PDF is a claim: its font may draw other digits, and something may cover it. So the page is drawn where a
//! number stands. Each character must be there, dark enough and large enough, and look like what the text says.

use std::collections::BTreeSet;

use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::kurbo::{Rect, Vec2};

use super::drawing::Part;
use super::line::{Line, Measured};
use super::shapes::{Likeness, Shape, Shapes};
use super::text::{Candidate, PageText};

/// Height of a drawn digit in pixels, from which its shape is read.
const DIGIT_PIXELS: f64 = 32.0;
/// Fewer pixels don't show the shape.
const MIN_DIGIT_PIXELS: f64 = 10.0;
/// Pixels of the part of a page that has all numbers, and of the part that has one.
const MAX_PIXELS: f64 = 3e6;
/// Numbers on a page that are compared.
const MAX_CANDIDATES: usize = 60;
/// Parts of a page that are drawn, if its numbers stand far from each other.
const MAX_PARTS: usize = 8;

/// Contrast of ink and paper, by luminance. WCAG 2.2 asks for 4.5 in body text and 3 in large text. At 2, a light gray
/// (#b7b7b7) on white, print is faint on a screen and lost on a copy.
const MIN_CONTRAST: f32 = 2.0;
/// Shares of the way from paper to ink: what is paper at most, and what is ink at least.
const PAPER: f32 = 0.25;
const INKED: f32 = 0.3;
/// Distance from a character to the places above and below it that show the paper, by the height of a digit.
const BESIDE: f64 = 0.1;
/// Places above, and as many below.
const PLACES: usize = 8;
/// The number of these places that must be paper.
const MIN_PAPER: usize = 14;

/// The numbers in the text of a page.
#[derive(Default)]
pub struct Numbers {
    /// The page shows them.
    pub shown: BTreeSet<String>,
    /// They can't be seen, or their characters look like none.
    pub unseen: BTreeSet<String>,
    /// The page shows other digits.
    pub disputed: BTreeSet<String>,
    /// There are more than were compared.
    pub is_cut: bool,
}

impl Numbers {
    /// Of a page that can't be drawn.
    pub fn unseen(text: &PageText, prefix: &str) -> Self {
        let numbers = text.candidates(prefix).into_iter().map(|candidate| candidate.number);
        Self { unseen: numbers.collect(), ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Shown,
    Unseen,
    Disputed,
}

/// Compares the numbers in the text of a page with its picture.
pub fn compare(page: &Page<'_>, text: &PageText, prefix: &str, shapes: &mut Option<Shapes>) -> Numbers {
    let candidates = text.candidates(prefix);
    let numbers: BTreeSet<&String> = candidates.iter().map(|candidate| &candidate.number).collect();
    // Different numbers contradict each other anyway.
    if numbers.len() != 1 {
        return Numbers { shown: numbers.into_iter().cloned().collect(), ..Numbers::default() };
    }
    let mut found = Numbers { is_cut: candidates.len() > MAX_CANDIDATES, ..Numbers::default() };
    let (width, height) = page.render_dimensions();
    let lines: Vec<Option<Line>> = candidates
        .iter()
        .take(MAX_CANDIDATES)
        .map(|Candidate { characters, .. }| Line::of(characters, f64::from(width.max(height))))
        .collect();
    let shapes = shapes.get_or_insert_with(|| Shapes::new(prefix));
    let mut sights: Vec<Sight> = lines.iter().filter(|line| line.is_none()).map(|_| Sight::Unseen).collect();
    let lines: Vec<Line> = lines.into_iter().flatten().collect();
    sights.extend(sights_of(page, &lines, shapes));
    let Some(number) = candidates.into_iter().next().map(|candidate| candidate.number) else { return found };
    let has = |sight: Sight| sights.contains(&sight);
    if has(Sight::Disputed) {
        found.disputed.insert(number);
    } else if has(Sight::Shown) {
        found.shown.insert(number);
    } else {
        found.unseen.insert(number);
    }
    found
}

/// Draws the page once around all numbers or, if that is too coarse, around each.
fn sights_of(page: &Page<'_>, lines: &[Line], shapes: &Shapes) -> Vec<Sight> {
    let Some(smallest) = lines.iter().map(|line| line.height).reduce(f64::min) else { return Vec::new() };
    let extent = lines.iter().map(Line::surroundings).reduce(|one, other| one.union(other)).unwrap_or_default();
    let scale = DIGIT_PIXELS / smallest;
    let is_coarse = (extent.area() * scale * scale / MAX_PIXELS).sqrt() > DIGIT_PIXELS / MIN_DIGIT_PIXELS;
    if !is_coarse {
        let part = Part::draw(page, extent, scale, MAX_PIXELS);
        return lines.iter().map(|line| sight(line, &part, shapes)).collect();
    }
    let alone = |(index, line): (usize, &Line)| {
        let within: Rect = line.surroundings();
        if index >= MAX_PARTS {
            return Sight::Unseen;
        }
        sight(line, &Part::draw(page, within, DIGIT_PIXELS / line.height, MAX_PIXELS), shapes)
    };
    lines.iter().enumerate().map(alone).collect()
}

fn sight(line: &Line, part: &Part, shapes: &Shapes) -> Sight {
    if line.height * part.scale() < MIN_DIGIT_PIXELS {
        return Sight::Unseen;
    }
    let mut levels: Option<Levels> = None;
    let mut sight = Sight::Shown;
    for measured in line.characters.iter().filter(|measured| measured.c.is_ascii_alphanumeric()) {
        let Some(found) = Levels::of(measured, line, part) else { return Sight::Unseen };
        levels = levels.or(Some(found));
        let shape = Shape::sampled(measured.aspect(), |x, y| found.ink(part, measured, x, y));
        match shapes.compare(&shape, measured.c) {
            Likeness::Same => {}
            Likeness::Other => sight = Sight::Disputed,
            Likeness::Unknown if sight == Sight::Disputed => {}
            Likeness::Unknown => sight = Sight::Unseen,
        }
    }
    let Some(levels) = levels else { return Sight::Unseen };
    let is_inked = |at: Vec2| levels.share(part.at(line.origin + at)) > INKED;
    let has_stray_ink =
        !line.hyphens_are_bars(is_inked) || !line.gaps_are_empty(is_inked) || goes_on(line, shapes, is_inked);
    if sight == Sight::Shown && has_stray_ink { Sight::Unseen } else { sight }
}

/// Whether another digit follows the last one, which isn't in the text.
fn goes_on(line: &Line, shapes: &Shapes, is_inked: impl Fn(Vec2) -> bool) -> bool {
    let Some(extent) = line.next(&is_inked) else { return false };
    let shape = Shape::sampled(extent.width() / extent.height(), |x, y| {
        let (x, y) = (extent.x0 + x * extent.width(), extent.y1 - y * extent.height());
        f32::from(u8::from(is_inked(line.at(x, y))))
    });
    shapes.is_digit(&shape)
}

/// The brightness of paper and ink at a character, from 0 to 255.
#[derive(Clone, Copy, Debug)]
struct Levels {
    paper: f32,
    ink: f32,
}

impl Levels {
    /// Returns nothing if the character can't be told from what is around it.
    fn of(measured: &Measured, line: &Line, part: &Part) -> Option<Self> {
        let up = measured.up / measured.up.hypot() * line.height * BESIDE;
        let share = |index: usize| (index as f64 + 0.5) / PLACES as f64;
        let below = (0..PLACES).map(|index| measured.corner + measured.right * share(index) - up);
        let above = (0..PLACES).map(|index| measured.corner + measured.up + measured.right * share(index) + up);
        let beside: Vec<f32> = below.chain(above).map(|point| part.at(point)).collect();
        let mut sorted = beside.clone();
        sorted.sort_by(f32::total_cmp);
        let paper = sorted[sorted.len() / 2];
        let inside = (0..24 * 24).map(|index| ((index % 24) as f64 / 23.0, (index / 24) as f64 / 23.0));
        let inside = inside.map(|(x, y)| part.at(measured.at(x, y)));
        let ink =
            inside.fold(paper, |ink, found| if (found - paper).abs() > (ink - paper).abs() { found } else { ink });
        let levels = Self { paper, ink };
        let is_paper = |found: &&f32| levels.share(**found) < PAPER;
        (levels.contrast() >= MIN_CONTRAST && beside.iter().filter(is_paper).count() >= MIN_PAPER).then_some(levels)
    }

    /// Returns the ratio of the luminances (WCAG 2.2).
    fn contrast(self) -> f32 {
        let luminance = |level: f32| (level / 255.0).powf(2.2) + 0.05;
        let (paper, ink) = (luminance(self.paper), luminance(self.ink));
        paper.max(ink) / paper.min(ink)
    }

    /// Returns how far from paper to ink a brightness is, from 0 to 1.
    fn share(self, found: f32) -> f32 {
        ((found - self.paper) / (self.ink - self.paper)).clamp(0.0, 1.0)
    }

    fn ink(self, part: &Part, measured: &Measured, x: f64, y: f64) -> f32 {
        self.share(part.at(measured.at(x, y)))
    }
}
