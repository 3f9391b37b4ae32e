//! PDFs as scanners make them: pictures of pages, rotated, skewed, coarse, black and white.

use std::f64::consts::PI;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, Str};

/// A gray picture, in which 255 is white.
#[derive(Clone)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    dpi: u32,
}

impl Picture {
    /// Renders the first page of a PDF with poppler.
    pub fn of(pdf: &[u8], dpi: u32) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let (input, output) = (folder.path().join("in.pdf"), folder.path().join("out"));
        std::fs::write(&input, pdf).unwrap();
        let dots = dpi.to_string();
        let done =
            Command::new("pdftoppm").args(["-r", &dots, "-gray", "-singlefile"]).arg(&input).arg(&output).status();
        assert!(done.unwrap().success());
        let pgm = std::fs::read(output.with_extension("pgm")).unwrap();
        // P5, width and height, 255, pixels.
        let mut lines = pgm.splitn(4, |byte| *byte == b'\n');
        let (_, size) = (lines.next(), String::from_utf8(lines.next().unwrap().to_vec()).unwrap());
        let (width, height) = size.split_once(' ').unwrap();
        let (width, height): (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
        let pixels = pgm[pgm.len() - width * height..].to_vec();
        Self { width, height, pixels, dpi }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let pixel = |x: f64, y: f64| {
            let inside = x >= 0.0 && y >= 0.0 && (x as usize) < self.width && (y as usize) < self.height;
            if inside { f64::from(self.pixels[y as usize * self.width + x as usize]) } else { 255.0 }
        };
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = (x - left, y - top);
        let upper = pixel(left, top) * (1.0 - right) + pixel(left + 1.0, top) * right;
        let lower = pixel(left, top + 1.0) * (1.0 - right) + pixel(left + 1.0, top + 1.0) * right;
        upper * (1.0 - below) + lower * below
    }

    /// Rotates by any angle in degrees. Quarter turns change the format of the page.
    pub fn turned(&self, degrees: f64) -> Self {
        let quarter = (degrees / 90.0).round() as i32 % 2 != 0;
        let (width, height) = if quarter { (self.height, self.width) } else { (self.width, self.height) };
        let (sin, cos) = (degrees * PI / 180.0).sin_cos();
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let (x, y) = (x as f64 + 0.5 - width as f64 / 2.0, y as f64 + 0.5 - height as f64 / 2.0);
                let (from_x, from_y) = (x * cos + y * sin, y * cos - x * sin);
                let (middle_x, middle_y) = (self.width as f64 / 2.0 - 0.5, self.height as f64 / 2.0 - 0.5);
                pixels.push(self.at(from_x + middle_x, from_y + middle_y).round() as u8);
            }
        }
        Self { width, height, pixels, dpi: self.dpi }
    }

    /// Reduces the picture to black and white, like a fax machine.
    pub fn black_and_white(mut self) -> Self {
        for pixel in &mut self.pixels {
            *pixel = if *pixel > 140 { 255 } else { 0 };
        }
        self
    }

    /// The picture as a phone sends it that is held so.
    pub fn jpeg(&self, orientation: u8) -> Vec<u8> {
        super::photo::gray_jpeg(&self.pixels, self.width, self.height, orientation)
    }

    pub fn pdf(&self) -> Vec<u8> {
        sheet(&[self])
    }

    /// The page as copiers with four inks write it.
    pub fn cmyk_pdf(&self) -> Vec<u8> {
        let (catalog, tree, page, content, image) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5));
        let points = |pixels: usize| pixels as f32 * 72.0 / self.dpi as f32;
        let (width, height) = (points(self.width), points(self.height));
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        pdf.pages(tree).kids([page]).count(1);
        let mut sheet = pdf.page(page);
        sheet.media_box(Rect::new(0.0, 0.0, width, height)).parent(tree).contents(content);
        sheet.resources().x_objects().pair(Name(b"P"), image);
        sheet.finish();
        let mut drawing = Content::new();
        drawing.transform([width, 0.0, 0.0, height, 0.0, 0.0]).x_object(Name(b"P"));
        pdf.stream(content, &drawing.finish());
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        let inks: Vec<u8> = self.pixels.iter().flat_map(|gray| [0, 0, 0, 255 - gray]).collect();
        packed.write_all(&inks).unwrap();
        let packed = packed.finish().unwrap();
        let mut object = pdf.image_xobject(image, &packed);
        object.filter(Filter::FlateDecode);
        object.width(self.width as i32).height(self.height as i32).bits_per_component(8);
        object.color_space().device_cmyk();
        object.finish();
        pdf.finish()
    }
}

/// A page with pictures, one below the other.
pub fn sheet(pictures: &[&Picture]) -> Vec<u8> {
    let points = |pixels: usize, dpi: u32| pixels as f32 * 72.0 / dpi as f32;
    let heights: Vec<f32> = pictures.iter().map(|picture| points(picture.height, picture.dpi)).collect();
    let width = pictures.iter().map(|picture| points(picture.width, picture.dpi)).fold(0.0, f32::max);
    let mut pdf = Pdf::new();
    let (catalog, tree, page, content) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4));
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page]).count(1);
    let mut drawing = Content::new();
    let mut y: f32 = heights.iter().sum();
    let names: Vec<String> = (0..pictures.len()).map(|index| format!("P{index}")).collect();
    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, width, y)).parent(tree).contents(content);
    let mut resources = sheet.resources();
    let mut objects = resources.x_objects();
    for (index, name) in names.iter().enumerate() {
        objects.pair(Name(name.as_bytes()), Ref::new(10 + index as i32));
    }
    objects.finish();
    resources.finish();
    sheet.finish();
    for (index, picture) in pictures.iter().enumerate() {
        y -= heights[index];
        drawing.save_state();
        drawing.transform([points(picture.width, picture.dpi), 0.0, 0.0, heights[index], 0.0, y]);
        drawing.x_object(Name(names[index].as_bytes()));
        drawing.restore_state();
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&picture.pixels).unwrap();
        let packed = packed.finish().unwrap();
        let mut image = pdf.image_xobject(Ref::new(10 + index as i32), &packed);
        image.filter(Filter::FlateDecode);
        image.width(picture.width as i32).height(picture.height as i32);
        image.color_space().device_gray();
        image.bits_per_component(8);
    }
    pdf.stream(content, &drawing.finish());
    pdf.finish()
}

/// A picture that covers a page of text, as scanners with text recognition write it, or a small one beside it: a code of
/// one pixel a module.
pub fn text_and_picture(text: &str, picture: &Picture, covers: bool) -> Vec<u8> {
    let (catalog, tree, page, content, font, image) =
        (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5), Ref::new(6));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids([page]).count(1);
    pdf.type1_font(font).base_font(Name(b"Helvetica"));
    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, 612.0, 792.0)).parent(tree).contents(content);
    let mut resources = sheet.resources();
    resources.fonts().pair(Name(b"F"), font);
    resources.x_objects().pair(Name(b"P"), image);
    resources.finish();
    sheet.finish();
    let mut drawing = Content::new();
    drawing.begin_text().set_font(Name(b"F"), 12.0).next_line(72.0, 700.0).show(Str(text.as_bytes())).end_text();
    drawing.save_state();
    drawing.transform(if covers { [612.0, 0.0, 0.0, 792.0, 0.0, 0.0] } else { [110.0, 0.0, 0.0, 110.0, 300.0, 300.0] });
    drawing.x_object(Name(b"P"));
    drawing.restore_state();
    let mut object = pdf.image_xobject(image, &picture.pixels);
    object.width(picture.width as i32).height(picture.height as i32).bits_per_component(8);
    object.color_space().device_gray();
    object.finish();
    pdf.stream(content, &drawing.finish());
    pdf.finish()
}

/// A QR code of one pixel a module, with its quiet zone.
pub fn code(text: &str) -> Picture {
    let code = qrcode::QrCode::new(text).unwrap();
    let (side, colors) = (code.width(), code.to_colors());
    let at = |x: usize, y: usize| {
        let inside = (4..side + 4).contains(&x) && (4..side + 4).contains(&y);
        if inside && colors[(y - 4) * side + x - 4] == qrcode::Color::Dark { 0 } else { 255 }
    };
    let pixels = (0..side + 8).flat_map(|y| (0..side + 8).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect();
    Picture { width: side + 8, height: side + 8, pixels, dpi: 72 }
}

/// Pages with one line of text each.
pub fn pages_of_text(pages: &[&str]) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let (catalog, tree, font) = (Ref::new(1), Ref::new(2), Ref::new(3));
    pdf.catalog(catalog).pages(tree);
    let page = |index: usize| Ref::new(10 + 2 * index as i32);
    pdf.pages(tree).kids((0..pages.len()).map(page)).count(pages.len() as i32);
    pdf.type1_font(font).base_font(Name(b"Helvetica"));
    for (index, text) in pages.iter().enumerate() {
        let content = Ref::new(11 + 2 * index as i32);
        let mut sheet = pdf.page(page(index));
        sheet.media_box(Rect::new(0.0, 0.0, 612.0, 792.0)).parent(tree).contents(content);
        sheet.resources().fonts().pair(Name(b"F"), font);
        sheet.finish();
        let mut drawing = Content::new();
        drawing.begin_text().set_font(Name(b"F"), 12.0).next_line(72.0, 700.0);
        drawing.show(Str(text.as_bytes())).end_text();
        pdf.stream(content, &drawing.finish());
    }
    pdf.finish()
}

/// A PDF with this text, different from every other one.
pub fn paper(text: &str) -> Vec<u8> {
    pages_of_text(&[text])
}
