//! JPEG, PNG and HEIC as pixels.

use std::io::Cursor;

use heifer::Options;
use heifer::heifer_isobmff::HeifFile;
use png::{BitDepth, ColorType, DecodingError, Limits, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::picture::{Picture, Upright};
use super::{Decoded, Fault, MAX_PIXELS, check_size};

/// Longest side of a JPEG, in pixels: what its header can say.
const MAX_JPEG_SIDE: usize = u16::MAX as usize;
/// Memory of a PNG's decoder besides the pixels, in bytes.
const PNG_LIMITS: Limits = Limits { bytes: 16 << 20 };

pub fn jpeg(bytes: &[u8]) -> Result<Decoded, Fault> {
    let unreadable = |_| Fault::PhotoUnreadable;
    let options = DecoderOptions::default().set_max_width(MAX_JPEG_SIDE).set_max_height(MAX_JPEG_SIDE);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(unreadable)?;
    let (width, height) = decoder.dimensions().ok_or(Fault::PhotoUnreadable)?;
    check_size(width, height)?;
    let is_gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let shown = if is_gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(shown));
    // What is missing at the end stays gray, as in viewers.
    let pixels = decoder.decode().map_err(unreadable)?;
    let upright = Upright::of_exif(decoder.exif().map(Vec::as_slice));
    let picture = if is_gray { Picture::gray(width, height, pixels) } else { Picture::rgb(width, height, pixels) };
    check_pixels(&picture)?;
    Ok(Decoded { picture, upright, is_whole: has_end(bytes) })
}

/// Fails if a decoder returns fewer pixels than it promised.
fn check_pixels(picture: &Picture) -> Result<(), Fault> {
    let is_complete = picture.pixels.len() == picture.width * picture.height * picture.samples;
    if is_complete { Ok(()) } else { Err(Fault::PhotoUnreadable) }
}

/// Whether the mark of the end follows the beginning of the picture's data. Thumbnails in a segment before it don't count.
fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
        if *marker == 0xda {
            // Within the data, a zero or the number of a restart follows each byte of ones.
            return bytes.get(at..).is_some_and(|data| data.windows(2).any(|pair| pair == [0xff, 0xd9]));
        }
    }
    // Filling between segments. The decoder has read it.
    bytes.windows(2).any(|pair| pair == [0xff, 0xd9])
}

pub fn png(bytes: &[u8]) -> Result<Decoded, Fault> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), PNG_LIMITS);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(|_| Fault::PhotoUnreadable)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height)?;
    let is_bilevel = header.bit_depth == BitDepth::One && header.color_type == ColorType::Grayscale;
    let mut reader = decoder.read_info().map_err(|_| Fault::PhotoUnreadable)?;
    let upright = Upright::of_exif(reader.info().exif_metadata.as_deref());
    let (color, _) = reader.output_color_type();
    // What is missing at the end stays white.
    let mut pixels = vec![255; reader.output_buffer_size().ok_or(Fault::PhotoTooLarge)?];
    let is_whole = match reader.next_frame(&mut pixels) {
        Ok(_) => true,
        Err(DecodingError::IoError(_)) => false,
        Err(_) => return Err(Fault::PhotoUnreadable),
    };
    let picture = match color {
        ColorType::Grayscale => Picture { is_bilevel, ..Picture::gray(width, height, pixels) },
        ColorType::Rgb => Picture::rgb(width, height, pixels),
        ColorType::GrayscaleAlpha => Picture::on_paper(width, height, 2, &pixels),
        ColorType::Rgba => Picture::on_paper(width, height, 4, &pixels),
        ColorType::Indexed => return Err(Fault::PhotoUnreadable),
    };
    check_pixels(&picture)?;
    Ok(Decoded { picture, upright, is_whole })
}

/// The decoder turns the picture as the container says. Such a file's EXIF data repeat that and are ignored (ISO/IEC
/// 23008-12, 6.5.10).
pub fn heic(bytes: &[u8]) -> Result<Decoded, Fault> {
    let file = HeifFile::parse(bytes).map_err(|_| Fault::HeicUnreadable)?;
    if let Ok(Some((width, height))) = file.image_size(file.primary_id) {
        check_size(width as usize, height as usize)?;
    }
    let options = Options { max_threads: 1, max_pixels: MAX_PIXELS };
    let decoded = match heifer::decode_srgb_rgba8(bytes, &options) {
        // Colors that can't be converted are shown as they are stored.
        Err(heifer::Error::Unsupported(_)) => heifer::decode_rgba8(bytes, &options),
        decoded => decoded,
    };
    let image = decoded.map_err(|_| Fault::HeicUnreadable)?;
    let (width, height) = (image.width as usize, image.height as usize);
    check_size(width, height)?;
    let picture = Picture::on_paper(width, height, 4, &image.data);
    check_pixels(&picture)?;
    Ok(Decoded { picture, upright: Upright::AS_STORED, is_whole: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_behind_the_data_counts() {
        let thumbnail = b"\xff\xd8\xff\xe1\0\x06ab\xff\xd9\xff\xda\0\x02data";
        assert!(!has_end(thumbnail));
        assert!(has_end(&[&thumbnail[..], b"\xff\xd9"].concat()));
        assert!(has_end(&[&thumbnail[..], b"\xff\xd9 a film, as some phones append"].concat()));
        assert!(!has_end(b"\xff\xd8"));
    }
}
