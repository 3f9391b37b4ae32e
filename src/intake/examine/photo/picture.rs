//! A decoded picture: turned upright and reduced.

use pic_scale::{ImageSize, ImageStore, ImageStoreMut, PicScaleError, ResamplingFunction, Scaler, ThreadingPolicy};

use super::Fault;

/// The pixels of a picture, eight bits for each sample.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Samples of a pixel: 1 is gray, 3 is RGB.
    pub samples: usize,
    pub pixels: Vec<u8>,
    /// Every pixel is black or white.
    pub is_bilevel: bool,
}

/// How the stored picture is turned and mirrored to be upright: the value of the tag Orientation, 1 to 8 (Exif 2.32,
/// 4.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upright(u32);

impl Upright {
    /// The picture is stored upright.
    pub const AS_STORED: Self = Self(1);

    /// A value that isn't defined means as stored, as viewers do.
    pub fn new(orientation: u32) -> Self {
        if (1..=8).contains(&orientation) { Self(orientation) } else { Self::AS_STORED }
    }

    /// Reads the orientation from EXIF data.
    pub fn of_exif(exif: Option<&[u8]>) -> Self {
        let Some(bytes) = exif else { return Self::AS_STORED };
        let mut reader = exif::Reader::new();
        reader.continue_on_error(true);
        let read = reader.read_raw(bytes.to_vec()).or_else(|error| error.distill_partial_result(|_| ()));
        let orientation = read.ok().and_then(|exif| {
            exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).and_then(|field| field.value.get_uint(0))
        });
        orientation.map_or(Self::AS_STORED, Self::new)
    }

    /// Whether width and height change places.
    pub fn is_on_its_side(self) -> bool {
        self.0 >= 5
    }
}

impl Picture {
    pub fn gray(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        Self { width, height, samples: 1, pixels, is_bilevel: false }
    }

    pub fn rgb(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        Self { width, height, samples: 3, pixels, is_bilevel: false }
    }

    /// Drops the opacity, on white paper. The last sample of each pixel is the opacity.
    pub fn on_paper(width: usize, height: usize, samples: usize, pixels: &[u8]) -> Self {
        let mut opaque = Vec::with_capacity(width * height * (samples - 1));
        for pixel in pixels.chunks_exact(samples) {
            let opacity = u32::from(pixel[samples - 1]);
            opaque.extend(pixel[..samples - 1].iter().map(|sample| {
                let mixed = (u32::from(*sample) * opacity + 255 * (255 - opacity) + 127) / 255;
                u8::try_from(mixed).unwrap_or(u8::MAX)
            }));
        }
        Self { width, height, samples: samples - 1, pixels: opaque, is_bilevel: false }
    }

    /// Whether all pixels are alike, so that the picture shows nothing.
    pub fn is_plain(&self) -> bool {
        self.pixels.chunks_exact(self.samples).all(|pixel| *pixel == self.pixels[..self.samples])
    }

    /// Reduces the picture, so that its longer side has at most this many pixels.
    pub fn reduced(self, longest: usize) -> Result<Self, Fault> {
        let longer = self.width.max(self.height);
        if longer <= longest {
            return Ok(self);
        }
        let part = |side: usize| (side * longest / longer).max(1);
        let (width, height) = (part(self.width), part(self.height));
        let pixels = self.resampled(width, height).map_err(|_| Fault::PhotoUnreadable)?;
        Ok(Self { width, height, pixels, samples: self.samples, is_bilevel: false })
    }

    fn resampled(&self, width: usize, height: usize) -> Result<Vec<u8>, PicScaleError> {
        // Keeps the edges of print and of codes sharp. The library's Area averages over twice as much.
        let mut scaler = Scaler::new(ResamplingFunction::Lanczos3);
        scaler.set_threading_policy(ThreadingPolicy::Single);
        let (from, to) = (ImageSize::new(self.width, self.height), ImageSize::new(width, height));
        let mut pixels = vec![0; width * height * self.samples];
        if self.samples == 1 {
            let source = ImageStore::<u8, 1>::borrow(&self.pixels, self.width, self.height)?;
            let mut target = ImageStoreMut::<u8, 1>::borrow(&mut pixels, width, height)?;
            scaler.plan_planar_resampling(from, to)?.resample(&source, &mut target)?;
        } else {
            let source = ImageStore::<u8, 3>::borrow(&self.pixels, self.width, self.height)?;
            let mut target = ImageStoreMut::<u8, 3>::borrow(&mut pixels, width, height)?;
            scaler.plan_rgb_resampling(from, to)?.resample(&source, &mut target)?;
        }
        Ok(pixels)
    }

    /// Turns and mirrors the picture.
    pub fn turned(self, upright: Upright) -> Self {
        if upright == Upright::AS_STORED {
            return self;
        }
        let (across, down) =
            if upright.is_on_its_side() { (self.height, self.width) } else { (self.width, self.height) };
        let (right, bottom) = (self.width - 1, self.height - 1);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..down {
            for x in 0..across {
                let (from_x, from_y) = match upright.0 {
                    2 => (right - x, y),
                    3 => (right - x, bottom - y),
                    4 => (x, bottom - y),
                    5 => (y, x),
                    6 => (y, bottom - x),
                    7 => (right - y, bottom - x),
                    8 => (right - y, x),
                    _ => (x, y),
                };
                let at = (from_y * self.width + from_x) * self.samples;
                pixels.extend_from_slice(&self.pixels[at..at + self.samples]);
            }
        }
        Self { width: across, height: down, pixels, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored pictures of two by three pixels that all show the same: a to f, row by row.
    #[test]
    fn every_orientation_is_turned_upright() {
        for (orientation, width, stored) in [
            (1, 2, "abcdef"),
            (2, 2, "badcfe"),
            (3, 2, "fedcba"),
            (4, 2, "efcdab"),
            (5, 3, "acebdf"),
            (6, 3, "bdface"),
            (7, 3, "fdbeca"),
            (8, 3, "ecafdb"),
            (9, 2, "abcdef"),
        ] {
            let picture = Picture::gray(width, 6 / width, stored.into());
            let turned = picture.turned(Upright::new(orientation));
            let shown = String::from_utf8(turned.pixels).expect("letters");
            assert_eq!((turned.width, turned.height, shown.as_str()), (2, 3, "abcdef"), "{orientation}");
        }
    }

    #[test]
    fn a_large_picture_is_reduced_to_the_longest_side() {
        let stripes = [[0; 10], [200; 10]].concat().repeat(2_000 * 300 / 20);
        let reduced = Picture::gray(2_000, 300, stripes).reduced(1_000).expect("reduced");
        assert_eq!((reduced.width, reduced.height), (1_000, 150));
        // The stripes stay five pixels wide, and their middles black and light.
        for stripes in reduced.pixels[100 * 1_000..].chunks_exact(10) {
            assert!(stripes[2] < 25 && (175..=225).contains(&stripes[7]), "{stripes:?}");
        }
        let small = Picture::rgb(3, 1, vec![9; 9]).reduced(1_500).expect("as it is");
        assert_eq!((small.width, small.pixels.len()), (3, 9));
    }

    #[test]
    fn what_is_transparent_shows_the_paper() {
        let shown = Picture::on_paper(2, 1, 4, &[10, 20, 30, 255, 10, 20, 30, 0]);
        assert_eq!((shown.samples, shown.pixels), (3, vec![10, 20, 30, 255, 255, 255]));
    }
}
