//! Decodes object streams: the filters that viewers accept there (ISO 32000-1, 7.4).
//!
//! A decoder skips what viewers skip, and reports it: data that one viewer decodes and another doesn't is not known.

use std::io::Read;

use flate2::bufread::ZlibDecoder;

/// Decoded data, as far as it can be decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    pub bytes: Vec<u8>,
    /// The data follows its specification up to its end.
    pub is_sound: bool,
}

/// The parameters of a predictor (ISO 32000-1, table 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predictor {
    pub kind: u32,
    pub colors: u32,
    pub bits: u32,
    pub columns: u32,
    /// Of LZW: codes grow one code early.
    pub is_early: bool,
}

impl Default for Predictor {
    fn default() -> Self {
        Self { kind: 1, colors: 1, bits: 8, columns: 1, is_early: true }
    }
}

/// Applies one filter. `None`: the filter is not of those for text, so nothing is known about the data.
pub fn decode(filter: &[u8], data: &[u8], predictor: Predictor, max_bytes: usize) -> Option<Decoded> {
    let decoded = match filter {
        b"FlateDecode" | b"Fl" => predicted(flate(data, max_bytes), predictor),
        b"LZWDecode" | b"LZW" => predicted(lzw(data, predictor.is_early, max_bytes), predictor),
        b"ASCIIHexDecode" | b"AHx" => ascii_hex(data),
        b"ASCII85Decode" | b"A85" => ascii_85(data),
        b"RunLengthDecode" | b"RL" => run_length(data, max_bytes),
        _ => return None,
    };
    Some(decoded)
}

fn flate(data: &[u8], max_bytes: usize) -> Decoded {
    let (mut bytes, mut decoder) = (Vec::new(), ZlibDecoder::new(data));
    let end = decoder.by_ref().take(max_bytes as u64).read_to_end(&mut bytes);
    let is_sound = end.is_ok() && bytes.len() < max_bytes;
    Decoded { bytes, is_sound }
}

fn ascii_hex(data: &[u8]) -> Decoded {
    let mut digits = Vec::with_capacity(data.len());
    let mut is_sound = true;
    let mut rest = data.iter();
    let has_end = rest.any(|byte| {
        match char::from(*byte).to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None => is_sound &= super::lexer::is_space(*byte) || *byte == b'>',
        }
        *byte == b'>'
    });
    let bytes = digits.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).unwrap_or(&0)).collect();
    Decoded { bytes, is_sound: is_sound && has_end }
}

fn ascii_85(data: &[u8]) -> Decoded {
    let (mut bytes, mut group) = (Vec::new(), Vec::with_capacity(5));
    let (mut is_sound, mut has_end) = (true, false);
    let start = if data.starts_with(b"<~") { 2 } else { 0 };
    is_sound &= start == 0;
    for byte in &data[start..] {
        match byte {
            b'!'..=b'u' => group.push(byte - b'!'),
            b'z' if group.is_empty() => bytes.extend([0; 4]),
            b'~' => {
                has_end = true;
                break;
            }
            byte => is_sound &= super::lexer::is_space(*byte),
        }
        if group.len() == 5 {
            is_sound &= push_group(&mut bytes, &group, 4);
            group.clear();
        }
    }
    if !group.is_empty() {
        let length = group.len() - 1;
        group.resize(5, 84);
        is_sound &= push_group(&mut bytes, &group, length);
    }
    Decoded { bytes, is_sound: is_sound && has_end }
}

/// Appends the bytes of five digits. Returns `false` if they exceed four bytes.
fn push_group(bytes: &mut Vec<u8>, group: &[u8], length: usize) -> bool {
    let number = group.iter().fold(0_u64, |number, digit| number * 85 + u64::from(*digit));
    bytes.extend_from_slice(&(number as u32).to_be_bytes()[..length]);
    u32::try_from(number).is_ok()
}

fn run_length(data: &[u8], max_bytes: usize) -> Decoded {
    let mut bytes = Vec::new();
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        if length == 128 {
            return Decoded { bytes, is_sound: true };
        }
        let count = usize::from(length);
        if length < 128 {
            let literal = &after[..after.len().min(count + 1)];
            bytes.extend_from_slice(literal);
            rest = &after[literal.len()..];
        } else if let Some((&byte, after)) = after.split_first() {
            bytes.resize(bytes.len() + 257 - count, byte);
            rest = after;
        } else {
            break;
        }
        if bytes.len() > max_bytes {
            break;
        }
    }
    Decoded { bytes, is_sound: false }
}

/// LZW with codes of 9 to 12 bits, highest bit first. 256 clears the table, 257 ends the data.
fn lzw(data: &[u8], is_early: bool, max_bytes: usize) -> Decoded {
    let (mut bytes, mut starts) = (Vec::new(), Vec::<(usize, usize)>::new());
    let (mut position, mut width) = (0_usize, 9_usize);
    // The place of the last code's text in the output.
    let mut last: Option<(usize, usize)> = None;
    loop {
        let Some(code) = bits(data, position, width) else { return Decoded { bytes, is_sound: false } };
        position += width;
        match code {
            256 => {
                starts.clear();
                last = None;
            }
            257 => return Decoded { bytes, is_sound: true },
            _ => {
                let at = bytes.len();
                let text = match (code.checked_sub(258), last) {
                    (None, _) => vec![code as u8],
                    (Some(index), _) if index < starts.len() => bytes[starts[index].0..starts[index].1].to_vec(),
                    (Some(index), Some((from, to))) if index == starts.len() => {
                        [&bytes[from..to], &bytes[from..=from]].concat()
                    }
                    _ => return Decoded { bytes, is_sound: false },
                };
                bytes.extend_from_slice(&text);
                if let Some((from, to)) = last.filter(|_| starts.len() < 4096 - 258) {
                    starts.push((from, to + 1));
                }
                last = Some((at, bytes.len()));
            }
        }
        width = match 258 + starts.len() + usize::from(is_early) {
            ..512 => 9,
            512..1024 => 10,
            1024..2048 => 11,
            _ => 12,
        };
        if bytes.len() > max_bytes {
            return Decoded { bytes, is_sound: false };
        }
    }
}

fn bits(data: &[u8], position: usize, width: usize) -> Option<usize> {
    (position..position + width).try_fold(0, |code, bit| {
        let byte = data.get(bit / 8)?;
        Some((code << 1) | usize::from((byte >> (7 - bit % 8)) & 1))
    })
}

/// Undoes a predictor (ISO 32000-1, 7.4.4.4).
fn predicted(decoded: Decoded, predictor: Predictor) -> Decoded {
    let Predictor { kind, colors, bits, columns, .. } = predictor;
    if kind == 1 {
        return decoded;
    }
    let pixel = (u64::from(colors) * u64::from(bits)).div_ceil(8) as usize;
    let row = (u64::from(colors) * u64::from(bits) * u64::from(columns)).div_ceil(8) as usize;
    if kind < 10 || row == 0 || row > decoded.bytes.len() || pixel > row {
        return Decoded { is_sound: false, ..decoded };
    }
    let mut bytes = Vec::with_capacity(decoded.bytes.len());
    let mut above = vec![0; row];
    let mut is_sound = decoded.is_sound;
    for line in decoded.bytes.chunks(row + 1) {
        let (tag, mut current) = (line[0], line[1..].to_vec());
        is_sound &= current.len() == row;
        current.resize(row, 0);
        for at in 0..row {
            let left = at.checked_sub(pixel).map_or(0, |at| current[at]);
            let corner = at.checked_sub(pixel).map_or(0, |at| above[at]);
            let guess = match tag {
                0 => 0,
                1 => left,
                2 => above[at],
                3 => u8::midpoint(left, above[at]),
                4 => paeth(left, above[at], corner),
                _ => {
                    is_sound = false;
                    0
                }
            };
            current[at] = current[at].wrapping_add(guess);
        }
        bytes.extend_from_slice(&current);
        above = current;
    }
    Decoded { bytes, is_sound }
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |byte: u8| (estimate - i16::from(byte)).abs();
    if distance(left) <= distance(above) && distance(left) <= distance(corner) {
        left
    } else if distance(above) <= distance(corner) {
        above
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(filter: &[u8], data: &[u8]) -> (Vec<u8>, bool) {
        let decoded = decode(filter, data, Predictor::default(), 1 << 20).expect("a known filter");
        (decoded.bytes, decoded.is_sound)
    }

    #[test]
    fn sound_data_is_decoded() {
        assert_eq!(decoded(b"AHx", b"4a 61\n76>"), (b"Jav".to_vec(), true));
        assert_eq!(decoded(b"ASCII85Decode", b"87cURDZ~>"), (b"Hello".to_vec(), true));
        assert_eq!(decoded(b"RL", b"\x02abc\xfed\x80"), (b"abcddd".to_vec(), true));
        // The example of ISO 32000-1, 7.4.4.2.
        let example = [0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c, 0x85, 0x01];
        assert_eq!(decoded(b"LZWDecode", &example), (vec![45, 45, 45, 45, 45, 65, 45, 45, 45, 66], true));
        let mut packed = Vec::new();
        flate2::bufread::ZlibEncoder::new(&b"packed"[..], flate2::Compression::fast())
            .read_to_end(&mut packed)
            .expect("memory");
        assert_eq!(decoded(b"FlateDecode", &packed), (b"packed".to_vec(), true));
        let up = Predictor { kind: 12, columns: 3, ..Predictor::default() };
        let rows = Decoded { bytes: b"\x02abc\x02\x01\x01\x01".to_vec(), is_sound: true };
        assert_eq!(predicted(rows, up), Decoded { bytes: b"abcbcd".to_vec(), is_sound: true });
    }

    #[test]
    fn data_that_viewers_repair_is_decoded_and_reported() {
        assert_eq!(decoded(b"AHx", b"!!4a61>"), (b"Ja".to_vec(), false));
        assert_eq!(decoded(b"AHx", b"4a61"), (b"Ja".to_vec(), false));
        assert_eq!(decoded(b"A85", b"87cU\x80RDZ~>"), (b"Hello".to_vec(), false));
        assert_eq!(decoded(b"RL", b"\x02abc"), (b"abc".to_vec(), false));
        assert!(!decoded(b"Fl", b"x\x9cnonsense").1 && !decoded(b"LZW", b"\x80").1);
        assert_eq!(decode(b"DCTDecode", b"", Predictor::default(), 1), None);
    }
}
