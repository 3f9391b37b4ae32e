//! The characters of a number as they stand on the page: whether they form a line that a person reads as the text says.

use hayro::vello_cpu::kurbo::{Point, Rect, Vec2};

use super::text::Character;

/// Lowest digits that people read without a lens, in points: those of 4 point type, 0.9 mm. Normal eyes resolve a
/// character of 0.6 mm from 40 cm (five minutes of arc).
const MIN_HEIGHT: f64 = 2.5;
/// On a page larger than a poster, people see the whole page smaller: the longer side by the height of a digit.
const MAX_SIDE: f64 = 1200.0;

/// Of the vectors of two characters, the least cosine of the angle between them.
const MIN_COSINE: f64 = 0.98;
/// The least sine of the angle between the base line and the upright strokes.
const MIN_SINE: f64 = 0.8;

// The rest is relative to the height of a digit.
/// Digits of old style differ in height and place.
const HEIGHTS: std::ops::Range<f64> = 0.5..1.9;
const MAX_SHIFT: f64 = 0.4;
/// What a character advances at least, and the widest gap between two.
const MIN_ADVANCE: f64 = 0.1;
const MAX_GAP: f64 = 1.0;
/// A gap from which it could hide a character, and what of its sides may belong to its neighbors.
const GAP: f64 = 0.15;
const BLUR: f64 = 0.08;
/// The distance between two looked at points.
const STEP: f64 = 0.05;
/// A further digit would be read as one of the number if it follows as closely as the others, and a little less.
const NEXT: (f64, f64) = (1.2, 0.05);
const MAX_WIDTH: f64 = 1.2;
/// How far a paren or a rule exceeds digits, and how high a digit is at least.
const EXCESS: f64 = 0.12;
const MIN_DIGIT: f64 = 0.6;

/// A character, with its extent on the page in points.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub c: char,
    /// The lower left corner.
    pub corner: Point,
    pub right: Vec2,
    pub up: Vec2,
}

impl Measured {
    fn of(character: &Character) -> Option<Self> {
        let Character { c, transform, extent } = *character;
        let corner = transform * extent.origin();
        let right = transform * Point::new(extent.x1, extent.y0) - corner;
        let up = transform * Point::new(extent.x0, extent.y1) - corner;
        let area = right.cross(up);
        // The y axis of the page points down. A mirrored character would turn the other way.
        let is_upright = area < 0.0 && -area >= MIN_SINE * right.hypot() * up.hypot();
        (area.is_finite() && is_upright).then_some(Self { c, corner, right, up })
    }

    /// Returns the point of the page at a place of the extent, from (0, 0) at the upper left to (1, 1).
    pub fn at(&self, x: f64, y: f64) -> Point {
        self.corner + self.right * x + self.up * (1.0 - y)
    }

    pub fn aspect(&self) -> f64 {
        self.right.hypot() / self.up.hypot()
    }
}

/// A number on the page.
pub struct Line {
    pub characters: Vec<Measured>,
    /// Of a digit.
    pub height: f64,
    /// The lower left corner of the first digit, and the directions of the line.
    pub origin: Point,
    along: Vec2,
    across: Vec2,
    /// The extent of each character along and across the line, in heights of a digit.
    extents: Vec<Rect>,
}

impl Line {
    /// Returns nothing if a person wouldn't read these characters in this order, or can't. `side` is that of the page.
    pub fn of(characters: &[Character], side: f64) -> Option<Self> {
        let characters: Vec<Measured> = characters.iter().map(Measured::of).collect::<Option<_>>()?;
        let digits = || characters.iter().filter(|measured| measured.c.is_ascii_digit());
        let mut heights: Vec<f64> = digits().map(|digit| digit.up.hypot()).collect();
        heights.sort_by(f64::total_cmp);
        let height = *heights.get(heights.len() / 2)?;
        let origin = digits().next()?.corner;
        let along = digits().next()?.right.normalize();
        let across = Vec2::new(along.y, -along.x);
        let extent = |measured: &Measured| {
            let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].map(|(x, y)| measured.at(x, y) - origin);
            let corners = corners.map(|corner| Point::new(corner.dot(along) / height, corner.dot(across) / height));
            corners
                .iter()
                .skip(1)
                .fold(Rect::from_points(corners[0], corners[0]), |extent, corner| extent.union_pt(*corner))
        };
        let extents: Vec<Rect> = characters.iter().map(extent).collect();
        let line = Self { characters, height, origin, along, across, extents };
        (height >= MIN_HEIGHT.max(side / MAX_SIDE) && line.is_straight()).then_some(line)
    }

    /// Whether the characters stand upright beside each other in their order.
    fn is_straight(&self) -> bool {
        let is_parallel = self.characters.iter().all(|it| it.right.normalize().dot(self.along) >= MIN_COSINE);
        let digits = self.characters.iter().zip(&self.extents).filter(|(measured, _)| measured.c.is_ascii_digit());
        let mut digits = digits.map(|(_, extent)| extent);
        let is_even = digits.all(|digit| HEIGHTS.contains(&digit.height()) && digit.y0.abs() <= MAX_SHIFT);
        let is_ordered = self.extents.windows(2).all(|pair| {
            let advance = pair[1].center().x - pair[0].center().x;
            let gap = pair[1].x0 - pair[0].x1;
            advance >= MIN_ADVANCE && gap <= MAX_GAP && -gap <= pair[0].width().min(pair[1].width()) / 2.0
        });
        is_parallel && is_even && is_ordered
    }

    /// Returns the way from the origin to a place along and across the line, in heights of a digit.
    pub fn at(&self, along: f64, across: f64) -> Vec2 {
        (self.along * along + self.across * across) * self.height
    }

    /// Returns the part of the page that has the number and what is beside it.
    pub fn surroundings(&self) -> Rect {
        let corners =
            self.characters.iter().flat_map(|it| [it.at(0.0, 0.0), it.at(1.0, 0.0), it.at(0.0, 1.0), it.at(1.0, 1.0)]);
        let extents = corners.map(|corner| Rect::from_points(corner, corner));
        let extent = extents.reduce(|one, other| one.union(other)).unwrap_or_default();
        extent.inflate(2.0 * self.height, 2.0 * self.height)
    }

    /// Whether each hyphen is a bar in the middle of the line, and nothing else is above or below it.
    pub fn hyphens_are_bars(&self, is_inked: impl Fn(Vec2) -> bool) -> bool {
        let mut hyphens = self.characters.iter().zip(&self.extents).filter(|(it, _)| !it.c.is_ascii_alphanumeric());
        hyphens.all(|(_, bar)| {
            let has_form = bar.width() >= 0.12 && bar.height() <= 0.35 && bar.y0 >= 0.05 && bar.y1 <= 0.9;
            let middle = (bar.y0 + bar.y1) / 2.0;
            let columns = (2..=6).map(|column| bar.x0 + bar.width() * f64::from(column) / 8.0);
            let is_bar = |x: f64| {
                let is_beside = |y: &f64| *y < bar.y0 - BLUR || *y > bar.y1 + BLUR;
                is_inked(self.at(x, middle)) && !rows().filter(is_beside).any(|y| is_inked(self.at(x, y)))
            };
            has_form && columns.filter(|x| is_bar(*x)).count() >= 4
        })
    }

    /// Whether nothing stands between two characters.
    pub fn gaps_are_empty(&self, is_inked: impl Fn(Vec2) -> bool) -> bool {
        self.extents.windows(2).all(|pair| {
            let (start, end) = (pair[0].x1, pair[1].x0);
            let columns = steps(start + BLUR, end - BLUR);
            end - start < GAP || !columns.into_iter().any(|x| rows().any(|y| is_inked(self.at(x, y))))
        })
    }

    /// Returns the widest gap between two digits.
    fn widest_gap(&self) -> f64 {
        let is_digit = |measured: &Measured| measured.c.is_ascii_digit();
        let pairs = self.characters.windows(2).zip(self.extents.windows(2));
        let pairs = pairs.filter(|(characters, _)| characters.iter().all(is_digit));
        pairs.map(|(_, extents)| extents[1].x0 - extents[0].x1).fold(0.0, f64::max)
    }

    /// Returns the extent of what follows the number closely and has the height of a digit.
    pub fn next(&self, is_inked: impl Fn(Vec2) -> bool) -> Option<Rect> {
        let end = self.extents.last()?.x1;
        let close = NEXT.0 * self.widest_gap() + NEXT.1;
        let inked = |x: f64| {
            let ys: Vec<f64> =
                steps(-3.0 * EXCESS, 1.0 + 3.0 * EXCESS).into_iter().filter(|y| is_inked(self.at(x, *y))).collect();
            Some((*ys.first()?, *ys.last()?))
        };
        let columns = steps(end + BLUR, end + close + MAX_WIDTH).into_iter().map(|x| (x, inked(x)));
        let mut after = columns.skip_while(|(x, ink)| ink.is_none() && *x <= end + close).peekable();
        after.peek().filter(|(x, _)| *x <= end + close)?;
        let ink = after.map_while(|(x, ink)| ink.map(|(low, high)| Rect::new(x, low, x + STEP, high)));
        let extent = ink.reduce(|one, other| one.union(other))?;
        let is_digit = extent.y0 >= -EXCESS && extent.y1 <= 1.0 + EXCESS && extent.height() >= MIN_DIGIT;
        is_digit.then_some(extent)
    }
}

/// Returns the places at which the height of a digit is looked at.
fn rows() -> impl Iterator<Item = f64> {
    steps(0.0, 1.0).into_iter()
}

fn steps(from: f64, to: f64) -> Vec<f64> {
    let count = ((to - from) / STEP).max(0.0) as usize;
    (0..=count).map(|step| from + step as f64 * STEP).filter(|at| *at <= to).collect()
}
