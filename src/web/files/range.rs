//! Which `Range` headers count.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::RANGE;
use actix_web::middleware::Next;

/// Ignores a `Range` that is malformed or asks for several parts, as S3 does and RFC 9110 (section 14.2) allows. The
/// response is the whole file then.
pub async fn ignore_odd(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut ranges = request.headers().get_all(RANGE);
    let is_plain = match (ranges.next(), ranges.next()) {
        (Some(range), None) => range.to_str().is_ok_and(is_single),
        (first, _) => first.is_none(),
    };
    if !is_plain {
        request.headers_mut().remove(RANGE);
    }
    next.call(request).await
}

/// Returns whether this is `bytes=A-B`, `bytes=A-` or `bytes=-N`.
fn is_single(range: &str) -> bool {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return false;
    };
    let number = |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok());
    match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) => first <= last,
        (Some(Some(_)), None) => last.is_empty(),
        (None, Some(Some(0u64..))) => first.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_range_of_bytes_counts() {
        for good in ["bytes=0-7", "bytes=8-", "bytes=-5", "bytes= 0-0", "bytes=-0"] {
            assert!(is_single(good), "{good}");
        }
        for odd in [
            "bytes=0-1,4-5",
            "bytes=7-0",
            "bytes=-",
            "bytes=",
            "bytes=a-b",
            "bytes=0-7-9",
            "bytes=--5",
            "bytes=0-99999999999999999999",
            "items=0-7",
            "bytes 0-7",
            "0-7",
            "",
        ] {
            assert!(!is_single(odd), "{odd}");
        }
    }
}
