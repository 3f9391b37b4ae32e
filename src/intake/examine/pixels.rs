//! A page as pixels: its QR codes and its preview.

use std::collections::BTreeSet;
use std::io;

use hayro::hayro_syntax::page::Page;
use rqrr::PreparedImage;

use super::code::{self, QrCode};
use super::drawing::{Gray, draw};

/// Resolutions in dots per inch at which codes are searched. A drawn page is sharp at any resolution. A code of a scan
/// may be readable only near the scan's own resolution. The first two are always tried on a scan, which may have two
/// codes.
const OF_DRAWN: [f32; 2] = [200.0, 300.0];
const OF_SCANNED: [f32; 9] = [200.0, 300.0, 150.0, 120.0, 250.0, 170.0, 400.0, 350.0, 72.0];
/// Scans are drawn at this resolution too, from which the further ones are reduced.
const FINEST: f32 = 400.0;
/// The number of resolutions of a scan that are drawn themselves.
const DRAWN_ITSELF: usize = 2;

/// What a page consists of, as far as it matters for codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageContent {
    /// Only text, which can't be a code.
    Text,
    Drawn,
    Scanned,
}

/// Width of the preview in pixels, wide enough to read a number.
const PREVIEW_WIDTH: f32 = 1000.0;

/// Returns what the page's codes say about BOLs.
pub fn codes(page: &Page<'_>, content: PageContent, prefix: &str) -> Codes {
    let mut all = Codes { found: BTreeSet::new(), is_sure: true };
    let (resolutions, always) = match content {
        PageContent::Text => return all,
        PageContent::Drawn => (&OF_DRAWN[..], 1),
        PageContent::Scanned => (&OF_SCANNED[..], 2),
    };
    let (mut doubts, mut finest) = (0, None);
    for (tried, resolution) in (1..).zip(resolutions) {
        let Pass { found, unread } = if tried <= DRAWN_ITSELF {
            read(&draw(page, resolution / 72.0), prefix)
        } else {
            // Decoding the pictures of a page may take longer than everything else.
            let finest = finest.get_or_insert_with(|| draw(page, FINEST / 72.0));
            read(&finest.reduced(FINEST / resolution), prefix)
        };
        all.found.extend(found);
        doubts = if unread == 0 { 0 } else { doubts + unread };
        let is_done = match content {
            PageContent::Scanned => !all.found.is_empty() && unread == 0,
            _ => unread == 0,
        };
        if is_done && tried >= always {
            return all;
        }
    }
    // One code was read and another was not: it may name another BOL.
    all.is_sure = all.found.is_empty() || doubts == 0;
    all
}

pub struct Codes {
    pub found: BTreeSet<QrCode>,
    /// No code was left unread.
    pub is_sure: bool,
}

impl Codes {
    /// Of a page that can't be drawn.
    pub const UNKNOWN: Self = Self { found: BTreeSet::new(), is_sure: false };
}

/// The result at one resolution.
struct Pass {
    found: BTreeSet<QrCode>,
    /// Codes that were detected but not decoded.
    unread: usize,
}

fn read(page: &Gray, prefix: &str) -> Pass {
    let pixel = |x, y| page.pixels[y * page.width + x];
    let mut image = PreparedImage::prepare_from_greyscale(page.width, page.height, pixel);
    let mut pass = Pass { found: BTreeSet::new(), unread: 0 };
    for grid in image.detect_grids() {
        match grid.decode() {
            Ok((_, text)) => pass.found.extend(code::numbers(&text, prefix)),
            Err(_) => pass.unread += 1,
        }
    }
    pass
}

pub fn preview(page: &Page<'_>) -> io::Result<Vec<u8>> {
    let (width, _) = page.render_dimensions();
    let gray = draw(page, PREVIEW_WIDTH / width.max(1.0));
    let mut png = Vec::new();
    let (Ok(width), Ok(height)) = (gray.width.try_into(), gray.height.try_into()) else {
        return Err(io::Error::other("the page is too large"));
    };
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(&gray.pixels).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    Ok(png)
}
