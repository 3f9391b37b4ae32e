//! The trace of a request, from the header `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/)).
//!
//! A proxy or a calling system numbers its traces. The server's log and the access log have that number beside their own
//! request id, so that a trace leads to its events. The caller chooses it: it proves nothing.

use actix_web::http::header::{HeaderMap, HeaderName};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The version that is no version.
const INVALID_VERSION: &str = "ff";

/// Returns the trace id, 32 lower-case hexadecimal digits. A malformed header is ignored, and so are two of them.
pub fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(&TRACEPARENT);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    parse(value.to_str().ok()?).map(Into::into)
}

fn parse(value: &str) -> Option<&str> {
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex =
        |part: &str, digits| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_some = |part: &str, digits| is_hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    // A later version may have more parts, and version 00 has none.
    let ends = version != "00" || parts.next().is_none();
    let fits = is_hex(version, 2) && version != INVALID_VERSION && is_some(trace, 32) && is_some(parent, 16);
    (fits && is_hex(flags, 2) && ends).then_some(trace)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_header_has_a_trace() {
        for tail in ["00f067aa0ba902b7-01", "00f067aa0ba902b7-00"] {
            assert_eq!(parse(&format!("00-{TRACE}-{tail}")), Some(TRACE));
        }
        assert_eq!(parse(&format!("01-{TRACE}-00f067aa0ba902b7-01-more")), Some(TRACE), "a later version");
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        for value in [
            String::new(),
            TRACE.into(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("0-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", &TRACE[1..]),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!(" 00-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}'; DROP-00f067aa0ba902b7-01", &TRACE[9..]),
        ] {
            assert_eq!(parse(&value), None, "{value}");
        }
    }

    #[test]
    fn two_headers_are_no_trace() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        headers.append(TRACEPARENT.clone(), value.clone());
        assert_eq!(trace_id(&headers).as_deref(), Some(TRACE));
        headers.append(TRACEPARENT.clone(), value);
        assert_eq!(trace_id(&headers), None);
    }
}
