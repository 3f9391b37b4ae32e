//! PDFs written object by object, with whatever an honest writer would not write.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A page with a line of text in five objects: the catalog, the pages, the page, its font and its contents.
pub struct RawPdf {
    objects: Vec<(u32, Vec<u8>)>,
}

impl RawPdf {
    /// `catalog` and `page` are further entries of the catalog and the page.
    pub fn new(catalog: &str, page: &str) -> Self {
        let text = "BT /F1 18 Tf 72 700 Td (a page) Tj ET";
        Self::written(catalog, (page, ""), "/BaseFont /Helvetica", text)
    }

    /// A page with these contents, and with further entries of the page and its resources.
    pub fn drawn(page: &str, resources: &str, contents: &str) -> Self {
        Self::written("", (page, resources), "/BaseFont /Helvetica", contents)
    }

    /// A page with these contents. `font` has the entries of its font F1, of type 1.
    pub fn in_font(font: &str, contents: &str) -> Self {
        Self::written("", ("", ""), font, contents)
    }

    fn written(catalog: &str, (page, resources): (&str, &str), font: &str, contents: &str) -> Self {
        let mut pdf = Self { objects: Vec::new() };
        pdf.object(1, &format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"));
        pdf.object(2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
        let resources = format!("/Resources << /Font << /F1 4 0 R >> {resources} >>");
        let size = if page.contains("/MediaBox") { "" } else { "/MediaBox [0 0 612 792]" };
        pdf.object(3, &format!("<< /Type /Page /Parent 2 0 R {size} {resources} /Contents 5 0 R {page} >>"));
        pdf.object(4, &format!("<< /Type /Font /Subtype /Type1 {font} >>"));
        pdf.stream(5, "", contents.as_bytes());
        pdf
    }

    pub fn object(&mut self, number: u32, text: &str) -> &mut Self {
        self.objects.push((number, text.as_bytes().to_vec()));
        self
    }

    pub fn stream(&mut self, number: u32, entries: &str, data: &[u8]) -> &mut Self {
        let head = format!("<< {entries} /Length {} >>\nstream\n", data.len());
        self.objects.push((number, [head.as_bytes(), data, b"\nendstream"].concat()));
        self
    }

    /// An object stream of one object. `data` is the encoded form of [`packed`].
    pub fn pack(&mut self, number: u32, entries: &str, data: &[u8]) -> &mut Self {
        self.stream(number, &format!("/Type /ObjStm /N 1 /First {PACK_HEADER} {entries}"), data)
    }

    /// The file with a table of the objects.
    pub fn finish(&self) -> Vec<u8> {
        self.finish_with("/Root 1 0 R")
    }

    pub fn finish_with(&self, trailer: &str) -> Vec<u8> {
        let mut bytes = b"%PDF-1.7\n".to_vec();
        let mut table = Vec::new();
        for (number, object) in &self.objects {
            table.extend_from_slice(format!("{number} 1\n{:010} 00000 n \n", bytes.len()).as_bytes());
            bytes.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
            bytes.extend_from_slice(object);
            bytes.extend_from_slice(b"\nendobj\n");
        }
        let start = bytes.len();
        bytes.extend_from_slice(b"xref\n0 1\n0000000000 65535 f \n");
        bytes.extend_from_slice(&table);
        let size = self.objects.iter().map(|(number, _)| number + 1).max().unwrap();
        bytes.extend_from_slice(
            format!("trailer\n<< /Size {size} {trailer} >>\nstartxref\n{start}\n%%EOF\n").as_bytes(),
        );
        bytes
    }
}

/// Bytes of the header of [`packed`].
const PACK_HEADER: usize = 4;

/// The data of an object stream with the object 8.
pub fn packed(object: &str) -> Vec<u8> {
    format!("8 0 {object}").into_bytes()
}

pub fn flate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub fn ascii_hex(data: &[u8]) -> Vec<u8> {
    format!("{}>", hex::encode(data)).into_bytes()
}

pub fn ascii_85(data: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for group in data.chunks(4) {
        let mut four = [0; 4];
        four[..group.len()].copy_from_slice(group);
        let mut number = u32::from_be_bytes(four);
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = b'!' + (number % 85) as u8;
            number /= 85;
        }
        text.extend_from_slice(&digits[..=group.len()]);
    }
    text.extend_from_slice(b"~>");
    text
}

/// Literal runs only.
pub fn run_length(data: &[u8]) -> Vec<u8> {
    let runs = data.chunks(128).flat_map(|run| [&[run.len() as u8 - 1], run].concat());
    runs.chain([128]).collect()
}

/// Codes of nine bits only, with a clear code before the table grows.
pub fn lzw(data: &[u8]) -> Vec<u8> {
    let codes = data.chunks(200).flat_map(|run| [256].into_iter().chain(run.iter().map(|byte| u16::from(*byte))));
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for code in codes.chain([257]) {
        buffer = (buffer << 9) | u32::from(code);
        bits += 9;
        while bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    bytes.push((buffer << (8 - bits)) as u8);
    bytes
}
