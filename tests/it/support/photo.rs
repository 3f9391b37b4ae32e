//! Photos as phones send them, and how a page of a PDF looks.

use std::process::Command;

use jpeg_encoder::{ColorType, Encoder};

/// What the metadata of a photo say, and its PDF must not.
pub const PLACE: &str = "taken at Gate 7 of the plant";

pub const RED: [u8; 3] = [255, 0, 0];
pub const GREEN: [u8; 3] = [0, 255, 0];
pub const BLUE: [u8; 3] = [0, 0, 255];
pub const WHITE: [u8; 3] = [255; 3];

/// The color of an upright picture: red and green above blue and white.
fn color(x: usize, y: usize, width: usize, height: usize) -> [u8; 3] {
    match (x < width / 2, y < height / 2) {
        (true, true) => RED,
        (false, true) => GREEN,
        (true, false) => BLUE,
        (false, false) => WHITE,
    }
}

/// The pixels of the picture of this upright size, as a phone stores them that is held so (Exif 2.32, 4.6.4). Returns the
/// stored width and height too.
fn stored(width: usize, height: usize, orientation: u8) -> (usize, usize, Vec<u8>) {
    let (across, down) = if orientation >= 5 { (height, width) } else { (width, height) };
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..down {
        for x in 0..across {
            let (mirrored, flipped) = (across - 1 - x, down - 1 - y);
            let (shown_x, shown_y) = match orientation {
                2 => (mirrored, y),
                3 => (mirrored, flipped),
                4 => (x, flipped),
                5 => (y, x),
                6 => (flipped, x),
                7 => (flipped, mirrored),
                8 => (y, mirrored),
                _ => (x, y),
            };
            pixels.extend(color(shown_x, shown_y, width, height));
        }
    }
    (across, down, pixels)
}

/// EXIF data with an orientation, a description and a place.
pub fn exif(orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: usize, value: [u8; 4]| {
        let (tag, kind, count) = (tag.to_le_bytes(), kind.to_le_bytes(), (count as u32).to_le_bytes());
        [&tag[..], &kind, &count, &value].concat()
    };
    let (text_at, place_at) = (8 + 2 + 3 * 12 + 4, 8 + 2 + 3 * 12 + 4 + PLACE.len() + 1);
    let mut bytes = b"II*\0\x08\0\0\0\x03\0".to_vec();
    bytes.extend(entry(270, 2, PLACE.len() + 1, (text_at as u32).to_le_bytes()));
    bytes.extend(entry(274, 3, 1, [orientation, 0, 0, 0]));
    bytes.extend(entry(34853, 4, 1, (place_at as u32).to_le_bytes()));
    bytes.extend([0; 4]);
    bytes.extend(PLACE.as_bytes());
    bytes.extend(b"\0\x01\0");
    bytes.extend(entry(1, 2, 2, *b"N\0\0\0"));
    bytes.extend([0; 4]);
    bytes
}

/// A JPEG of this upright size with metadata, as a phone stores it.
pub fn jpeg(width: usize, height: usize, orientation: u8) -> Vec<u8> {
    let (across, down, pixels) = stored(width, height, orientation);
    encoded(&pixels, across, down, ColorType::Rgb, orientation)
}

/// A JPEG of gray pixels.
pub fn gray_jpeg(pixels: &[u8], width: usize, height: usize, orientation: u8) -> Vec<u8> {
    encoded(pixels, width, height, ColorType::Luma, orientation)
}

fn encoded(pixels: &[u8], width: usize, height: usize, color: ColorType, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.add_exif_metadata(&exif(orientation)).unwrap();
    let xmp = format!("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>{PLACE}</x:xmpmeta>");
    encoder.add_app_segment(1, xmp.into_bytes()).unwrap();
    encoder.add_app_segment(13, PLACE.into()).unwrap();
    encoder.encode(pixels, width as u16, height as u16, color).unwrap();
    // Some phones append a film.
    bytes.extend(PLACE.as_bytes());
    bytes
}

/// A PNG of this size with metadata.
pub fn png(width: usize, height: usize) -> Vec<u8> {
    let (across, down, pixels) = stored(width, height, 1);
    let mut bytes = Vec::new();
    let mut info = png::Info::with_size(across as u32, down as u32);
    (info.color_type, info.bit_depth) = (png::ColorType::Rgb, png::BitDepth::Eight);
    info.exif_metadata = Some(exif(1).into());
    let mut encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
    encoder.add_text_chunk("Comment".into(), PLACE.into()).unwrap();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// A PNG of black pixels, of which each million takes a kilobyte.
pub fn black_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    let row = vec![0; width as usize];
    for _ in 0..height {
        std::io::Write::write_all(&mut stream, &row).unwrap();
    }
    stream.finish().unwrap();
    drop(writer);
    bytes
}

/// A page as poppler draws it.
pub struct Shown {
    pub width: usize,
    pub height: usize,
    pixels: Vec<u8>,
}

impl Shown {
    /// Draws a page, counted from one.
    pub fn page(pdf: &[u8], number: usize) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let (input, output) = (folder.path().join("in.pdf"), folder.path().join("out"));
        std::fs::write(&input, pdf).unwrap();
        let page = number.to_string();
        let mut draw = Command::new("pdftoppm");
        draw.args(["-r", "100", "-singlefile", "-f", &page]).arg(&input).arg(&output);
        assert!(draw.status().unwrap().success());
        let ppm = std::fs::read(output.with_extension("ppm")).unwrap();
        // P6, width and height, 255, pixels.
        let size = String::from_utf8(ppm.split(|byte| *byte == b'\n').nth(1).unwrap().to_vec()).unwrap();
        let (width, height) = size.split_once(' ').unwrap();
        let (width, height) = (width.parse::<usize>().unwrap(), height.parse::<usize>().unwrap());
        Self { width, height, pixels: ppm[ppm.len() - width * height * 3..].to_vec() }
    }

    /// The colors in the middle of each quarter: above left and right, below left and right. Nearly red is red.
    pub fn quarters(&self) -> [[u8; 3]; 4] {
        [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
            let at = (self.height * y / 4 * self.width + self.width * x / 4) * 3;
            [0, 1, 2].map(|sample| match self.pixels[at + sample] {
                0..=15 => 0,
                240..=255 => 255,
                other => other,
            })
        })
    }
}
