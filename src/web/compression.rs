//! Compresses pages and JSON in place, with one compressor for each worker.
//!
//! actix's `Compress` allocates a compressor of 270 kB for each response, and hands the body to another thread. That is
//! for large bodies and streams, which are left to it. Most pages are compressed in less time than the hand-over takes.

use std::cell::RefCell;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use actix_web::middleware::Next;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The largest body that is compressed in place: about half a millisecond of the worker's time.
const MAX_IN_PLACE_BYTES: usize = 256 * 1024;
/// Deflate, without a name or a time, at the fastest level, on an unknown system
/// ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#section-2.3)).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// What a page is expected to shrink to: a list of 50 BOLs has an eighth of its size.
const EXPECTED_RATIO: usize = 4;

thread_local! {
    /// Without the header of zlib: gzip has its own.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Whether the client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|part| {
        let (coding, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        coding.trim() == "gzip" && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Compresses a text that is complete and not too large. Other bodies pass unchanged.
pub async fn compress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let takes_gzip = takes_gzip(request.headers());
    let response = next.call(request).await?;
    Ok(response.map_body(|head, body| match body.size() {
        BodySize::Sized(length) if takes_gzip && length as usize <= MAX_IN_PLACE_BYTES && is_text(head) => {
            compress_body(head, body)
        }
        _ => body.boxed(),
    }))
}

/// Whether a response has a text that isn't compressed yet, and isn't a part of one.
fn is_text(head: &ResponseHead) -> bool {
    let headers = head.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    (content_type.starts_with("text/") || content_type.starts_with("application/") && content_type.contains("json"))
        && head.status != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(CONTENT_ENCODING)
}

fn compress_body(head: &mut ResponseHead, body: impl MessageBody + 'static) -> BoxBody {
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(stream) => return stream.boxed(),
    };
    match gzip(&bytes) {
        Some(compressed) if !bytes.is_empty() => {
            head.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            head.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
            compressed.boxed()
        }
        _ => bytes.boxed(),
    }
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut compressed = Vec::with_capacity(bytes.len() / EXPECTED_RATIO + 64);
    compressed.extend_from_slice(&GZIP_HEADER);
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        loop {
            let rest = bytes.get(deflate.total_in() as usize..)?;
            match deflate.compress_vec(rest, &mut compressed, FlushCompress::Finish).ok()? {
                Status::StreamEnd => return Some(()),
                Status::Ok | Status::BufError => compressed.reserve(compressed.capacity()),
            }
        }
    })?;
    let mut crc = Crc::new();
    crc.update(bytes);
    compressed.extend_from_slice(&crc.sum().to_le_bytes());
    compressed.extend_from_slice(&crc.amount().to_le_bytes());
    Some(compressed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use actix_web::http::header::HeaderName;
    use flate2::read::GzDecoder;

    use super::*;

    /// One after the other, as a worker compresses them.
    #[test]
    fn each_body_is_a_complete_gzip_file() {
        let page = "<td>PRT-2026-0128</td>".repeat(3_000).into_bytes();
        let incompressible: Vec<u8> =
            (0..200_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        for body in [&page[..], b"x", &incompressible, b"", &page[..100], &page] {
            let compressed = gzip(body).expect("compressed");
            let mut whole = Vec::new();
            let mut decoder = GzDecoder::new(&compressed[..]);
            decoder.read_to_end(&mut whole).expect("a gzip file with the right length and checksum");
            assert_eq!(whole, body);
            assert!(decoder.into_inner().is_empty(), "nothing behind it");
        }
        assert!(gzip(&page).expect("compressed").len() * 8 < page.len());
    }

    #[test]
    fn clients_say_whether_they_take_gzip() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("deflate , gzip ; q=1", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip; q=0, identity", false),
            ("gzip;q=0.000", false),
            ("gzip;q=", false),
            ("x-gzip", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            assert_eq!(takes_gzip(&headers), takes, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn only_whole_texts_are_compressed_in_place() {
        for (name, value, is_compressed) in [
            ("content-type", "text/html; charset=utf-8", true),
            ("content-type", "application/json", true),
            ("content-type", "application/problem+json", true),
            ("content-type", "application/pdf", false),
            ("content-type", "image/png", false),
            ("content-encoding", "identity", false),
        ] {
            let mut head = ResponseHead::new(StatusCode::OK);
            head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            head.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            assert_eq!(is_text(&head), is_compressed, "{value}");
            head.status = StatusCode::PARTIAL_CONTENT;
            assert!(!is_text(&head), "a part of {value}");
        }
    }
}
