//! Fax compressions in TIFF: CCITT modified Huffman, Group 3 and Group 4 (TIFF 6.0, sections 10 and 11).

use hayro_ccitt::{DecodeSettings, Decoder, DecoderContext, EncodingMode, decode};

/// How the strips of a page are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// The tag Compression: 2, 3 or 4.
    pub compression: u16,
    /// The tag T4Options. Bit 0: Group 3 in two dimensions.
    pub options: u32,
    /// The lowest bit of a byte comes first.
    pub is_reversed: bool,
}

/// Rows of pixels, white at first.
struct Rows<'a> {
    pixels: &'a mut [u8],
    width: usize,
    /// The rows that were decoded.
    count: usize,
}

impl Decoder for Rows<'_> {
    fn push_row(&mut self, changes: &[u32]) {
        let start = self.count * self.width;
        if let Some(row) = self.pixels.get_mut(start..start + self.width) {
            for run in changes.chunks(2) {
                let place = |at: u32| (at as usize).min(row.len());
                let (from, to) = (place(run[0]), run.get(1).map_or(row.len(), |end| place(*end)));
                if from < to {
                    row[from..to].fill(0);
                }
            }
            self.count += 1;
        }
    }
}

/// Decodes a strip into rows of gray pixels, and returns whether all rows were there.
pub fn strip(data: &[u8], encoding: Encoding, width: usize, pixels: &mut [u8]) -> bool {
    let reversed: Vec<u8>;
    let data = if encoding.is_reversed {
        reversed = data.iter().map(|byte| byte.reverse_bits()).collect();
        &reversed
    } else {
        data
    };
    let height = pixels.len() / width.max(1);
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else { return false };
    let settings = DecodeSettings {
        columns,
        rows,
        end_of_block: encoding.compression != 2,
        end_of_line: encoding.compression == 3,
        rows_are_byte_aligned: encoding.compression == 2,
        encoding: match encoding.compression {
            4 => EncodingMode::Group4,
            3 if encoding.options & 1 != 0 => EncodingMode::Group3_2D,
            _ => EncodingMode::Group3_1D,
        },
        strict: false,
    };
    let mut decoded = Rows { pixels, width, count: 0 };
    let done = decode(data, &mut decoded, &mut DecoderContext::new(settings));
    done.is_ok() && decoded.count == height
}
