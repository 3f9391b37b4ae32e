//! Photos as PDFs: JPEG, PNG, HEIC and multi-page TIFF, one page for each picture.
//!
//! Each picture is decoded, turned upright, reduced to what a page needs, and encoded again. So the PDF has none of the
//! bytes that a phone wrote: no place, no name, no thumbnail, and nothing behind the end. All of this runs in the
//! confined process.

mod decode;
mod fax;
mod page;
mod picture;
mod tiff;

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use self::page::PhotoPdf;
use self::picture::{Picture, Upright};
use super::{Fault, file, whole};

/// Largest picture, in pixels. A phone of 108 megapixels makes the largest honest ones.
pub const MAX_PIXELS: u64 = 120_000_000;
/// Pages of a TIFF.
pub const MAX_PAGES: usize = 100;
/// The resolution of a page that a photo fills, in dots per inch.
pub const MAX_DPI: usize = 250;
/// Largest PDF of a photo, in bytes.
pub const MAX_PDF_BYTES: usize = 64 << 20;
/// Bytes that tell the format.
pub const SNIFFED_BYTES: usize = 1024;

/// The format of a photo, by its bytes. Its name and its content type don't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Heic,
    Tiff,
}

impl Format {
    /// Recognizes a photo by its first [`SNIFFED_BYTES`]. A file with the header of a PDF is a PDF, whatever precedes it.
    pub fn of(beginning: &[u8]) -> Option<Self> {
        let beginning = &beginning[..beginning.len().min(SNIFFED_BYTES)];
        let starts = |magic: &[&[u8]]| magic.iter().any(|magic| beginning.starts_with(magic));
        if file::header(beginning).is_some() {
            None
        } else if starts(&[b"\xff\xd8\xff"]) {
            Some(Self::Jpeg)
        } else if starts(&[b"\x89PNG\r\n\x1a\n"]) {
            Some(Self::Png)
        } else if starts(&[b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]) {
            Some(Self::Tiff)
        } else {
            is_heic(beginning).then_some(Self::Heic)
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Heic => "HEIC",
            Self::Tiff => "TIFF",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Heic => "heic",
            Self::Tiff => "tif",
        }
    }
}

/// Whether the file type box names HEVC pictures (ISO/IEC 23008-12, annex B).
fn is_heic(beginning: &[u8]) -> bool {
    let Some(Ok(size)) = beginning.get(..4).map(<[u8; 4]>::try_from) else { return false };
    let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX).min(beginning.len());
    let Some(brands) = beginning.get(8..size).filter(|_| beginning.get(4..8) == Some(b"ftyp")) else { return false };
    let is_known = |brand: &[u8]| [&b"heic"[..], b"heix", b"heim", b"heis", b"hevc", b"hevx"].contains(&brand);
    brands.chunks_exact(4).any(is_known)
}

/// What the process says before the PDF, in one line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhotoReport {
    Fault(Fault),
    /// The PDF follows.
    Made {
        /// `false`: the end of the photo is missing, and the PDF shows what is there.
        is_whole: bool,
    },
}

/// Runs `primetrade examine --photo`: writes a report, and the PDF if one could be made.
pub fn run(input: File, mut output: impl Write) -> io::Result<()> {
    let bytes = whole(input)?;
    // A decoder that fails on hostile bytes is no reason to end without a report.
    let made = catch_unwind(AssertUnwindSafe(|| convert(&bytes))).unwrap_or(Err(Fault::PhotoUnreadable));
    let (report, pdf) = match made {
        Ok(Converted { pdf, is_whole }) => (PhotoReport::Made { is_whole }, pdf),
        Err(fault) => (PhotoReport::Fault(fault), Vec::new()),
    };
    let mut line = serde_json::to_vec(&report)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.write_all(&pdf)?;
    output.flush()
}

/// A PDF that was made of a photo.
struct Converted {
    pdf: Vec<u8>,
    is_whole: bool,
}

/// A decoded picture.
struct Decoded {
    picture: Picture,
    upright: Upright,
    is_whole: bool,
}

fn convert(bytes: &[u8]) -> Result<Converted, Fault> {
    let mut pdf = PhotoPdf::default();
    let decoded = match Format::of(bytes).ok_or(Fault::NotPdf)? {
        Format::Tiff => {
            let is_whole = tiff::pages(bytes, &mut pdf)?;
            return Ok(Converted { pdf: pdf.finish()?, is_whole });
        }
        Format::Jpeg => decode::jpeg(bytes)?,
        Format::Png => decode::png(bytes)?,
        Format::Heic => decode::heic(bytes)?,
    };
    if !decoded.is_whole && decoded.picture.is_plain() {
        return Err(Fault::PhotoUnreadable);
    }
    let is_whole = decoded.is_whole;
    pdf.add(decoded, 1.0)?;
    Ok(Converted { pdf: pdf.finish()?, is_whole })
}

/// Returns an error for a picture that is too large to decode.
fn check_size(width: usize, height: usize) -> Result<(), Fault> {
    let pixels = (width as u64).saturating_mul(height as u64);
    match pixels {
        0 => Err(Fault::PhotoUnreadable),
        _ if pixels > MAX_PIXELS => Err(Fault::PhotoTooLarge),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_bytes() {
        let heic = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic";
        let avif = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1";
        for (bytes, format) in [
            (&b"\xff\xd8\xff\xe1\0\0Exif"[..], Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Some(Format::Png)),
            (b"II*\0\x08\0\0\0", Some(Format::Tiff)),
            (b"MM\0*\0\0\0\x08", Some(Format::Tiff)),
            (heic, Some(Format::Heic)),
            (avif, None),
            (b"\xff\xd8\xff\xe0 %PDF-1.7", None),
            (b"%PDF-1.7", None),
            (b"GIF89a", None),
            (b"\0\0\0\x18ftyp", None),
            (b"", None),
        ] {
            assert_eq!(Format::of(bytes), format, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_picture_beyond_the_limit_is_turned_away_by_its_size() {
        assert_eq!(check_size(8_000, 6_000), Ok(()));
        assert_eq!(check_size(30_000, 30_000), Err(Fault::PhotoTooLarge));
        assert_eq!(check_size(usize::MAX, usize::MAX), Err(Fault::PhotoTooLarge));
        assert_eq!(check_size(0, 9), Err(Fault::PhotoUnreadable));
    }
}
