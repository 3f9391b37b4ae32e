//! The pages of a PDF that show one picture each.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref};

use super::picture::Picture;
use super::{Decoded, Fault, MAX_DPI, MAX_PDF_BYTES};

/// A page of Letter size, its longer side first, in points.
const LETTER: [f32; 2] = [792.0, 612.0];
/// The longest side of a picture, in pixels: that of a Letter page at [`MAX_DPI`].
const MAX_SIDE: usize = 11 * MAX_DPI;
/// The longest side of a black and white picture, in pixels: 600 dots per inch.
const MAX_BILEVEL_SIDE: usize = 11 * 600;
/// Small pictures aren't enlarged beyond 100 dots per inch.
const MAX_POINTS_PER_PIXEL: f32 = 0.72;
/// The shortest side that viewers show (ISO 32000-1, annex C), in points.
const MIN_POINTS: f32 = 3.0;
/// Quality of the JPEG encoder, of 100. Below, small print begins to blur.
const QUALITY: u8 = 82;

/// A PDF in the making. The same pictures give the same bytes.
pub struct PhotoPdf {
    pdf: Pdf,
    pages: Vec<Ref>,
    next: i32,
}

const CATALOG: Ref = Ref::new(1);
const TREE: Ref = Ref::new(2);

impl Default for PhotoPdf {
    fn default() -> Self {
        Self { pdf: Pdf::new(), pages: Vec::new(), next: 3 }
    }
}

impl PhotoPdf {
    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Adds a page with the picture, upright and reduced. `aspect` is the height of a stored pixel, relative to its width.
    pub fn add(&mut self, decoded: Decoded, aspect: f32) -> Result<(), Fault> {
        let Decoded { picture, upright, .. } = decoded;
        let longest = if picture.is_bilevel { MAX_BILEVEL_SIDE } else { MAX_SIDE };
        let picture = picture.reduced(longest)?.turned(upright);
        let aspect = if upright.is_on_its_side() { 1.0 / aspect } else { aspect };
        let encoded = if picture.is_bilevel { packed(&picture) } else { jpeg(&picture).map_err(io::Error::other) };
        self.write(&picture, &encoded.map_err(|_| Fault::PhotoUnreadable)?, aspect)
    }

    fn write(&mut self, picture: &Picture, encoded: &[u8], aspect: f32) -> Result<(), Fault> {
        if self.pdf.len() + encoded.len() > MAX_PDF_BYTES {
            return Err(Fault::PhotoTooLarge);
        }
        let [page, contents, image] = [self.id(), self.id(), self.id()];
        let [width, height] = points(picture, aspect);
        let mut written = self.pdf.page(page);
        written.media_box(Rect::new(0.0, 0.0, width, height)).parent(TREE).contents(contents);
        written.resources().x_objects().pair(Name(b"P"), image);
        written.finish();
        let mut drawing = Content::new();
        drawing.transform([width, 0.0, 0.0, height, 0.0, 0.0]).x_object(Name(b"P"));
        self.pdf.stream(contents, &drawing.finish());
        let mut object = self.pdf.image_xobject(image, encoded);
        object.filter(if picture.is_bilevel { Filter::FlateDecode } else { Filter::DctDecode });
        object.width(side(picture.width)).height(side(picture.height));
        object.bits_per_component(if picture.is_bilevel { 1 } else { 8 });
        match picture.samples {
            1 => object.color_space().device_gray(),
            _ => object.color_space().device_rgb(),
        }
        object.finish();
        self.pages.push(page);
        Ok(())
    }

    fn id(&mut self) -> Ref {
        let id = Ref::new(self.next);
        self.next += 1;
        id
    }

    pub fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if self.pages.is_empty() {
            return Err(Fault::PhotoUnreadable);
        }
        self.pdf.catalog(CATALOG).pages(TREE);
        let count = side(self.pages.len());
        self.pdf.pages(TREE).count(count).kids(self.pages);
        Ok(self.pdf.finish())
    }
}

/// Returns the size of the page: the picture as large as fits on Letter, upright or across.
fn points(picture: &Picture, aspect: f32) -> [f32; 2] {
    let (width, height) = (picture.width as f32, picture.height as f32 * aspect);
    let scale = (LETTER[0] / width.max(height)).min(LETTER[1] / width.min(height)).min(MAX_POINTS_PER_PIXEL);
    [width, height].map(|side| (side * scale).clamp(MIN_POINTS, LETTER[0]))
}

fn side(pixels: usize) -> i32 {
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

fn jpeg(picture: &Picture) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    encoder.set_optimized_huffman_tables(true);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    let color = if picture.samples == 1 { ColorType::Luma } else { ColorType::Rgb };
    // No side is longer than MAX_SIDE.
    let [width, height] = [picture.width, picture.height].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
    encoder.encode(&picture.pixels, width, height, color)?;
    Ok(bytes)
}

/// Packs black and white into bits.
fn packed(picture: &Picture) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in picture.pixels.chunks_exact(picture.width) {
        let bits = |pixels: &[u8]| {
            (0..8).zip(pixels).fold(0, |byte, (bit, pixel)| byte | if *pixel >= 128 { 0x80 >> bit } else { 0 })
        };
        encoder.write_all(&row.chunks(8).map(bits).collect::<Vec<u8>>())?;
    }
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_large_as_fits_on_letter() {
        let size = |width, height, aspect| points(&Picture::gray(width, height, Vec::new()), aspect).map(f32::round);
        assert_eq!(size(4_000, 3_000, 1.0), [792.0, 594.0]);
        assert_eq!(size(3_000, 4_000, 1.0), [594.0, 792.0]);
        assert_eq!(size(3_000, 3_000, 1.0), [612.0, 612.0]);
        assert_eq!(size(100, 50, 1.0), [72.0, 36.0]);
        assert_eq!(size(9_000, 1, 1.0), [792.0, 3.0]);
        // A fax of 204 by 98 dots per inch.
        assert_eq!(size(1_700, 1_056, 204.0 / 98.0), [612.0, 791.0]);
    }
}
