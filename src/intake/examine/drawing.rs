//! Drawing a page, or a part of it, as gray pixels.

use hayro::hayro_interpret::{InterpreterSettings, TransformExt};
use hayro::hayro_syntax::page::Page;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::kurbo::{Affine, Point, Rect};
use hayro::vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit};
use hayro::{PixmapSettings, RenderCache, RenderSettings, render, render_into};

/// Largest picture of a page, in pixels of 4 bytes.
const MAX_PIXELS: f32 = 20e6;

/// A picture with one byte for each pixel; white is 255.
pub struct Gray {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Gray {
    pub fn of(pixmap: &Pixmap) -> Self {
        let gray = |[r, g, b]: [u8; 3]| ((u32::from(r) * 77 + u32::from(g) * 151 + u32::from(b) * 28) >> 8) as u8;
        Self {
            width: pixmap.width().into(),
            height: pixmap.height().into(),
            pixels: pixmap.data().iter().map(|pixel| gray([pixel.r, pixel.g, pixel.b])).collect(),
        }
    }

    /// Returns the picture at a lower resolution: each pixel is the mean of those that it covers.
    pub fn reduced(&self, factor: f32) -> Self {
        let reduce = |side: usize| ((side as f32 / factor) as usize).max(1);
        let (width, height) = (reduce(self.width), reduce(self.height));
        let starts = |from: usize, to: usize| (0..=to).map(move |at| at * from / to).collect::<Vec<_>>();
        let (columns, rows) = (starts(self.width, width), starts(self.height, height));
        let mut pixels = Vec::with_capacity(width * height);
        let mut sums = vec![0_u32; self.width];
        for row in rows.windows(2) {
            let lines = row[0]..row[1].max(row[0] + 1);
            sums.fill(0);
            for line in self.pixels[lines.start * self.width..lines.end * self.width].chunks_exact(self.width) {
                sums.iter_mut().zip(line).for_each(|(sum, pixel)| *sum += u32::from(*pixel));
            }
            pixels.extend(columns.windows(2).map(|column| {
                let covered = &sums[column[0]..column[1].max(column[0] + 1)];
                (covered.iter().sum::<u32>() / (covered.len() * lines.len()) as u32) as u8
            }));
        }
        Self { width, height, pixels }
    }
}

/// Draws a page. `scale` is in pixels a point.
pub fn draw(page: &Page<'_>, scale: f32) -> Gray {
    let (width, height) = page.render_dimensions();
    let area = (width * height * scale * scale).max(1.0);
    let side = width.max(height).max(1.0);
    let scale = scale * (MAX_PIXELS / area).sqrt().min(1.0);
    let scale = scale.min(60_000.0 / side);
    let size = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    let settings = (InterpreterSettings::default(), RenderSettings::default());
    Gray::of(&render(page, &RenderCache::new(), &settings.0, &settings.1, &size))
}

/// A part of a page.
pub struct Part {
    gray: Gray,
    /// From points of the page to pixels.
    transform: Affine,
}

impl Part {
    /// Draws the part of a page within a rectangle in points, with at most this many pixels.
    pub fn draw(page: &Page<'_>, within: Rect, scale: f64, max_pixels: f64) -> Self {
        let scale = scale * (max_pixels / (within.area() * scale * scale).max(1.0)).sqrt().min(1.0);
        let scale = scale.min(60_000.0 / within.width().max(within.height()).max(1.0));
        let side = |points: f64| (points * scale).ceil().max(1.0) as u16;
        let transform = Affine::scale(scale) * Affine::translate(-within.origin().to_vec2());
        let mut context = RenderContext::new(side(within.width()), side(within.height()));
        let (interpreting, drawing) = (InterpreterSettings::default(), RenderSettings::default());
        // Hinting moves outlines, a cache moves glyphs to whole pixels, and the place of each is compared.
        let drawing = RenderSettings { hinting: false, glyph_caching: false, ..drawing };
        let whole = transform * page.initial_transform(true).to_kurbo();
        render_into(page, &RenderCache::new(), &interpreting, &drawing, &mut context, whole);
        Self { gray: Gray::of(&finish(context)), transform }
    }

    /// Pixels a point.
    pub fn scale(&self) -> f64 {
        self.transform.as_coeffs()[0]
    }

    /// Returns the brightness at a point of the page, from 0 to 255. Outside, the page is white.
    pub fn at(&self, point: Point) -> f32 {
        let place = self.transform * point;
        let (x, y) = (place.x - 0.5, place.y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = ((x - left) as f32, (y - top) as f32);
        let row = |y: f64| self.pixel(left, y) * (1.0 - right) + self.pixel(left + 1.0, y) * right;
        row(top) * (1.0 - below) + row(top + 1.0) * below
    }

    fn pixel(&self, x: f64, y: f64) -> f32 {
        let is_inside = x >= 0.0 && y >= 0.0 && (x as usize) < self.gray.width && (y as usize) < self.gray.height;
        if is_inside { f32::from(self.gray.pixels[y as usize * self.gray.width + x as usize]) } else { 255.0 }
    }
}

/// Returns what was drawn, on white.
pub fn finish(mut context: RenderContext) -> Pixmap {
    context.flush();
    let mut pixmap = Pixmap::new(context.width(), context.height());
    let white = RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..RasterizerSettings::default() };
    context.render_with(&mut pixmap, &mut Resources::default(), white);
    pixmap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reduced_pixel_is_the_mean_of_those_it_covers() {
        let gray = Gray { width: 4, height: 2, pixels: vec![0, 100, 200, 200, 100, 200, 0, 0] };
        let half = gray.reduced(2.0);
        assert_eq!((half.width, half.height, half.pixels), (2, 1, vec![100, 100]));
        let same = gray.reduced(1.0);
        assert_eq!((same.width, same.pixels), (4, gray.pixels));
    }

    #[test]
    fn a_point_between_pixels_is_their_mean() {
        let gray = Gray { width: 2, height: 1, pixels: vec![0, 200] };
        let part = Part { gray, transform: Affine::IDENTITY };
        assert_eq!((part.at(Point::new(0.5, 0.5)), part.at(Point::new(1.0, 0.5))), (0.0, 100.0));
        assert_eq!(part.at(Point::new(9.0, 9.0)), 255.0);
    }
}
