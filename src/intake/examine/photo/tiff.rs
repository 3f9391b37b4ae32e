//! The pages of a TIFF (TIFF 6.0), as office scanners and fax machines send them.

use std::io::Cursor;

use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError, TiffUnsupportedError};

use super::fax::{self, Encoding};
use super::page::PhotoPdf;
use super::picture::{Picture, Upright};
use super::{Decoded, Fault, MAX_PAGES, MAX_PIXELS, check_size};

type Tiff<'a> = Decoder<Cursor<&'a [u8]>>;

/// The tag T4Options.
const T4_OPTIONS: Tag = Tag::Unknown(292);
/// The bit of NewSubfileType that marks a smaller copy of another page.
const IS_REDUCED: u32 = 1;
/// Pixels of a fax are at most this much higher than wide.
const MAX_ASPECT: f32 = 4.0;

/// Adds every page, and returns whether all of them are whole.
pub fn pages(bytes: &[u8], pdf: &mut PhotoPdf) -> Result<bool, Fault> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(fault)?.with_limits(limits());
    loop {
        let is_reduced = number(&mut decoder, Tag::NewSubfileType).unwrap_or(0) & IS_REDUCED != 0;
        if !is_reduced {
            if pdf.page_count() == MAX_PAGES {
                return Err(Fault::TooManyPages);
            }
            match page(&mut decoder, bytes) {
                Ok((decoded, aspect)) => {
                    let is_whole = decoded.is_whole;
                    pdf.add(decoded, aspect)?;
                    if !is_whole {
                        return Ok(false);
                    }
                }
                // Viewers show the pages before the damage.
                Err(Fault::PhotoUnreadable) if pdf.page_count() > 0 => return Ok(false),
                Err(fault) => return Err(fault),
            }
        }
        if !decoder.more_images() {
            return Ok(true);
        }
        match decoder.next_image() {
            Ok(()) => {}
            Err(_) if pdf.page_count() > 0 => return Ok(false),
            Err(error) => return Err(fault(error)),
        }
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_PIXELS as usize * 4;
    limits.intermediate_buffer_size = MAX_PIXELS as usize;
    limits
}

fn fault(error: TiffError) -> Fault {
    match error {
        TiffError::UnsupportedError(_) => Fault::TiffUnsupported,
        TiffError::LimitsExceeded => Fault::PhotoTooLarge,
        _ => Fault::PhotoUnreadable,
    }
}

/// Returns the picture of the current page, and the height of its pixels relative to their width.
fn page(decoder: &mut Tiff<'_>, bytes: &[u8]) -> Result<(Decoded, f32), Fault> {
    let (width, height) = decoder.dimensions().map_err(fault)?;
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    let upright = Upright::new(number(decoder, Tag::Orientation).unwrap_or(1));
    let aspect = aspect(decoder);
    let decoded = match number(decoder, Tag::Compression).unwrap_or(1) {
        compression @ 2..=4 => {
            let (picture, is_whole) = faxed(decoder, bytes, (width, height), compression as u16)?;
            Decoded { picture, upright, is_whole }
        }
        _ => Decoded { picture: picture(decoder, width, height)?, upright, is_whole: true },
    };
    Ok((decoded, aspect))
}

fn number(decoder: &mut Tiff<'_>, tag: Tag) -> Option<u32> {
    decoder.find_tag_unsigned(tag).ok().flatten()
}

/// A fax of normal resolution has pixels that are twice as high as wide.
fn aspect(decoder: &mut Tiff<'_>) -> f32 {
    let mut dots = |tag| match decoder.find_tag(tag) {
        Ok(Some(Value::Rational(dots, per))) if dots > 0 && per > 0 => Some(dots as f32 / per as f32),
        _ => None,
    };
    let (Some(across), Some(down)) = (dots(Tag::XResolution), dots(Tag::YResolution)) else { return 1.0 };
    let aspect = across / down;
    if (1.0 / MAX_ASPECT..=MAX_ASPECT).contains(&aspect) { aspect } else { 1.0 }
}

/// Decodes the strips of a fax. The library knows only one of the compressions, and not the order of bits.
fn faxed(
    decoder: &mut Tiff<'_>,
    bytes: &[u8],
    (width, height): (usize, usize),
    compression: u16,
) -> Result<(Picture, bool), Fault> {
    let encoding = Encoding {
        compression,
        options: number(decoder, T4_OPTIONS).unwrap_or(0),
        is_reversed: number(decoder, Tag::FillOrder) == Some(2),
    };
    let is_inverted = number(decoder, Tag::PhotometricInterpretation) == Some(1);
    let rows = number(decoder, Tag::RowsPerStrip).map_or(height, |rows| rows as usize).clamp(1, height);
    let mut list = |tag| {
        let found = decoder.find_tag_unsigned_vec::<u64>(tag).map_err(fault)?;
        found.ok_or(Fault::TiffUnsupported)
    };
    let (offsets, sizes) = (list(Tag::StripOffsets)?, list(Tag::StripByteCounts)?);
    let mut pixels = vec![255; width * height];
    let mut is_whole = offsets.len() >= height.div_ceil(rows) && sizes.len() >= offsets.len();
    for (pixels, (offset, size)) in pixels.chunks_mut(width * rows).zip(offsets.into_iter().zip(sizes)) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
        is_whole &= end <= bytes.len() && fax::strip(&bytes[start..end.min(bytes.len())], encoding, width, pixels);
    }
    if is_inverted {
        pixels.iter_mut().for_each(|pixel| *pixel = !*pixel);
    }
    let picture = Picture { is_bilevel: true, ..Picture::gray(width, height, pixels) };
    if !is_whole && picture.is_plain() { Err(Fault::PhotoUnreadable) } else { Ok((picture, is_whole)) }
}

fn picture(decoder: &mut Tiff<'_>, width: usize, height: usize) -> Result<Picture, Fault> {
    let color = decoder.colortype().map_err(fault)?;
    let is_planar = number(decoder, Tag::PlanarConfiguration) == Some(2);
    if is_planar && color.num_samples() > 1 {
        return Err(fault(TiffError::UnsupportedError(TiffUnsupportedError::UnsupportedColorType(color))));
    }
    let samples = match decoder.read_image().map_err(fault)? {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|sample| (sample >> 8) as u8).collect(),
        _ => return Err(Fault::TiffUnsupported),
    };
    let expected = |channels: usize| {
        if samples.len() == width * height * channels { Ok(()) } else { Err(Fault::PhotoUnreadable) }
    };
    Ok(match color {
        ColorType::Gray(depth @ (1 | 2 | 4)) => {
            let pixels = unpacked(&samples, width, height, depth).ok_or(Fault::PhotoUnreadable)?;
            Picture { is_bilevel: depth == 1, ..Picture::gray(width, height, pixels) }
        }
        ColorType::Gray(8 | 16) => {
            expected(1)?;
            Picture::gray(width, height, samples)
        }
        ColorType::RGB(8 | 16) => {
            expected(3)?;
            Picture::rgb(width, height, samples)
        }
        ColorType::RGBA(8 | 16) => {
            expected(4)?;
            Picture::on_paper(width, height, 4, &samples)
        }
        ColorType::CMYK(8) => {
            expected(4)?;
            Picture::rgb(width, height, samples.chunks_exact(4).flat_map(of_inks).collect())
        }
        ColorType::YCbCr(8) => {
            expected(3)?;
            Picture::rgb(width, height, samples.chunks_exact(3).flat_map(of_luma).collect())
        }
        _ => return Err(Fault::TiffUnsupported),
    })
}

/// Returns one byte for each pixel of fewer bits. Each row begins with a byte of its own.
fn unpacked(samples: &[u8], width: usize, height: usize, depth: u8) -> Option<Vec<u8>> {
    let (each, most) = (usize::from(8 / depth), (1_u16 << depth) - 1);
    let rows = samples.chunks_exact(width.div_ceil(each)).take(height);
    let pixels: Vec<u8> = rows
        .flat_map(|row| {
            (0..width).map(move |x| {
                let shift = 8 - usize::from(depth) * (x % each + 1);
                ((u16::from(row[x / each]) >> shift & most) * 255 / most) as u8
            })
        })
        .collect();
    (pixels.len() == width * height).then_some(pixels)
}

fn of_inks(inks: &[u8]) -> [u8; 3] {
    let light = |ink: u8| (u32::from(255 - ink) * u32::from(255 - inks[3]) / 255) as u8;
    [light(inks[0]), light(inks[1]), light(inks[2])]
}

/// ITU-R BT.601, as JPEG uses it.
fn of_luma(sample: &[u8]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(sample[0]), f32::from(sample[1]) - 128.0, f32::from(sample[2]) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|value| value.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_fewer_bits_are_unpacked_row_by_row() {
        assert_eq!(unpacked(&[0b1010_0000, 0b0100_0000], 3, 2, 1).expect("whole"), [255, 0, 255, 0, 255, 0]);
        assert_eq!(unpacked(&[0xf0, 0x50], 3, 1, 4).expect("whole"), [255, 0, 85]);
        assert_eq!(unpacked(&[0xf0], 3, 1, 4), None);
    }

    #[test]
    fn colors_of_inks_and_of_luma_are_converted() {
        assert_eq!((of_inks(&[0, 0, 0, 0]), of_inks(&[0, 255, 255, 0])), ([255; 3], [255, 0, 0]));
        assert_eq!((of_luma(&[128, 128, 128]), of_luma(&[76, 85, 255])), ([128; 3], [254, 0, 0]));
    }
}
