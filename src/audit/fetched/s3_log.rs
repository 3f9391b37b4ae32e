//! One line of an S3 server access log: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>.
//!
//! Spaces separate the fields; quotation marks enclose the request, the referrer and the user agent. S3 doesn't escape
//! what the client sent, quotation marks included. So the parser reads the fields before the request from the left. It
//! takes the last quotation mark of the line as the end of the user agent. It finds the end of the request by the
//! numbers that follow it. AWS adds new fields at the end, and old lines have fewer.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use url::form_urlencoded;

use super::{Fetch, Source};
use crate::storage::{CHECKS, LINK_REQUEST};

/// The operation that sends an object's bytes over HTTP.
const GET: &str = "REST.GET.OBJECT";
/// S3's limit for keys.
const MAX_KEY_BYTES: usize = 1024;
/// Longer than any id or error code of S3.
const MAX_CODE_BYTES: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    /// A GET of an object with a presigned link.
    Link(Box<Fetch>),
    /// A GET of an object with credentials, or with no authentication.
    NoLink { requester: String, bytes: i64 },
    /// A GET of `storage check`, whose links aren't recorded.
    Check,
    /// Another bucket or another operation.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct LineError(pub(super) &'static str);

/// Parses a line. Lines of other buckets are [`LogLine::Other`].
pub(super) fn parse(line: &[u8], bucket: &str) -> Result<LogLine, LineError> {
    let line = String::from_utf8_lossy(line);
    let mut rest = line.trim_end_matches(['\r', '\n']);
    let _owner = next_field(&mut rest)?;
    let found_bucket = next_field(&mut rest)?;
    let fetched_at = time(&mut rest)?;
    let ip = next_field(&mut rest)?;
    let requester = next_field(&mut rest)?;
    let request = next_field(&mut rest)?;
    let operation = next_field(&mut rest)?;
    if found_bucket != bucket || operation != GET {
        return Ok(LogLine::Other);
    }
    let key = decode_key(next_field(&mut rest)?);
    let (uri, numbers, rest) = request_uri(rest)?;
    let (user_agent, rest) = user_agent(rest)?;
    // Version id, host id, signature version, cipher suite, authentication type.
    let authentication = rest.split(' ').filter(|field| !field.is_empty()).nth(4);
    let query = LinkQuery::parse(uri);
    // Older lines and some refused requests have no authentication type.
    let is_link = authentication == Some("QueryString") || authentication != Some("AuthHeader") && query.is_signed;
    if !is_link {
        return Ok(LogLine::NoLink { requester: requester.into(), bytes: numbers.bytes.unwrap_or_default() });
    }
    if key.starts_with(CHECKS) {
        return Ok(LogLine::Check);
    }
    if !is_code(request) {
        return Err(LineError("no request id"));
    }
    Ok(LogLine::Link(Box::new(Fetch {
        key,
        request: query.request,
        signed_at: query.signed_at,
        fetched_at,
        status: numbers.status.ok_or(LineError("no status"))?,
        bytes: numbers.bytes.unwrap_or_default(),
        size: numbers.size,
        ip: ip.parse().ok(),
        user_agent: if user_agent == "-" { String::new() } else { user_agent.into() },
        source: Source::Bucket { request: request.into(), error: numbers.error.map(Into::into) },
    })))
}

/// Takes the next field.
fn next_field<'a>(rest: &mut &'a str) -> Result<&'a str, LineError> {
    let (word, behind) = rest.split_once(' ').ok_or(LineError("truncated"))?;
    *rest = behind;
    if word.is_empty() { Err(LineError("a field is empty")) } else { Ok(word) }
}

/// `[06/Feb/2019:00:00:38 +0000]`
fn time(rest: &mut &str) -> Result<DateTime<Utc>, LineError> {
    const WRONG: LineError = LineError("malformed time");
    let (text, behind) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")).ok_or(WRONG)?;
    *rest = behind;
    let at = DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").map_err(|_| WRONG)?.to_utc();
    // Four digits, as the database has them.
    if (2000..10_000).contains(&at.year()) { Ok(at) } else { Err(WRONG) }
}

/// The fields between the request and the referrer.
struct Numbers<'a> {
    status: Option<u16>,
    error: Option<&'a str>,
    bytes: Option<i64>,
    size: Option<i64>,
}

/// Splits off the request and the numbers after it. The first quotation mark that numbers follow ends the request.
fn request_uri(rest: &str) -> Result<(&str, Numbers<'_>, &str), LineError> {
    const WRONG: LineError = LineError("malformed request");
    if let Some(behind) = rest.strip_prefix("- ") {
        let (numbers, behind) = numbers(behind).ok_or(WRONG)?;
        return Ok(("", numbers, behind));
    }
    let quoted = rest.strip_prefix('"').ok_or(WRONG)?;
    let mut ends = quoted.match_indices("\" ").map(|(at, _)| at);
    let found =
        ends.find_map(|at| numbers(&quoted[at + 2..]).map(|(numbers, behind)| (&quoted[..at], numbers, behind)));
    found.ok_or(WRONG)
}

/// Parses status, error code, bytes sent, object size, and two times in milliseconds.
fn numbers(rest: &str) -> Option<(Numbers<'_>, &str)> {
    let mut fields = rest.splitn(7, ' ');
    let mut next = || fields.next();
    let status = next()?;
    let status = match status {
        "-" => None,
        _ => Some(status.parse().ok().filter(|status| (100..1000).contains(status))?),
    };
    let error = next()?;
    let is_error_code = error == "-" || is_code(error);
    let numbers = [amount(next()?)?, amount(next()?)?, amount(next()?)?, amount(next()?)?];
    let behind = next()?;
    let error = Some(error).filter(|error| *error != "-");
    is_error_code.then_some((Numbers { status, error, bytes: numbers[0], size: numbers[1] }, behind))
}

fn amount(field: &str) -> Option<Option<i64>> {
    if field == "-" { Some(None) } else { field.parse().ok().filter(|amount| *amount >= 0).map(Some) }
}

/// Whether a field can be an id or an error code of S3.
fn is_code(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    (1..=MAX_CODE_BYTES).contains(&word.len()) && word.bytes().all(plain)
}

/// Splits off the user agent, and drops the referrer before it, which may be any address.
fn user_agent(rest: &str) -> Result<(&str, &str), LineError> {
    const WRONG: LineError = LineError("malformed user agent");
    let end = rest.rfind('"').ok_or(WRONG)?;
    let (both, behind) = (&rest[..end], &rest[end + 1..]);
    let both = both.strip_prefix("- ").map_or(both, |agent| agent);
    let agent = match both.strip_prefix('"').ok_or(WRONG)?.split_once("\" \"") {
        Some((_, agent)) => agent,
        // There is no referrer, or the line is truncated.
        None if rest.starts_with("- ") => &both[1..],
        None => return Err(WRONG),
    };
    Ok((agent, behind))
}

/// Decodes a key. S3 URL-encodes keys twice in its log.
fn decode_key(key: &str) -> String {
    let mut key: Cow<'_, str> = key.into();
    for _ in 0..2 {
        if key.contains(['%', '+']) {
            let pair = format!("={}", key.replace('&', "%26"));
            let decoded = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, key)| key.into_owned());
            key = decoded.unwrap_or_default().into();
        }
    }
    let mut length = 0;
    key.chars()
        .filter(|c| !c.is_control())
        .take_while(|c| {
            length += c.len_utf8();
            length <= MAX_KEY_BYTES
        })
        .collect()
}

/// The parameters of a presigned link.
#[derive(Default)]
struct LinkQuery {
    request: Option<String>,
    signed_at: Option<DateTime<Utc>>,
    is_signed: bool,
}

impl LinkQuery {
    fn parse(uri: &str) -> Self {
        let uri = uri.rsplit_once(" HTTP/").map_or(uri, |(uri, _)| uri);
        let mut query = Self::default();
        let Some((_, pairs)) = uri.split_once('?') else { return query };
        for (name, value) in form_urlencoded::parse(pairs.as_bytes()) {
            match name.as_ref() {
                LINK_REQUEST if query.request.is_none() && is_code(&value) => query.request = Some(value.into_owned()),
                "X-Amz-Date" if query.signed_at.is_none() && value.len() == "20260101T000000Z".len() => {
                    let at = NaiveDateTime::parse_from_str(&value, "%Y%m%dT%H%M%SZ");
                    query.signed_at = at.ok().map(|at| at.and_utc()).filter(|at| at.year() >= 2000);
                }
                "X-Amz-Signature" | "Signature" => query.is_signed = true,
                _ => {}
            }
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: &str = "awsexamplebucket1";
    const ID: &str = "0199f0c5a0f07e8c9a3b5d2c1e0f4a6b";

    /// From AWS's documentation.
    const SAMPLES: &str = r#"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /awsexamplebucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV2 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1
79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be 891CE47D2EXAMPLE REST.GET.LOGGING_STATUS - "GET /awsexamplebucket1?logging HTTP/1.1" 200 - 242 - 11 - "-" "S3Console/0.4" - 9vKBE6vMhrNiWHZmb2L0mXOcqPGzQOI5XLnCtZNPxev+Hf+7tpT6sxDwDty4LHBUOZJG96N1234= SigV2 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1
79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be A1206F460EXAMPLE REST.GET.BUCKETPOLICY - "GET /awsexamplebucket1?policy HTTP/1.1" 404 NoSuchBucketPolicy 297 - 38 - "-" "S3Console/0.4" - BNaBsXZQQDbssi6xMBdBU2sLt+Yf5kZDmeBUP35sFoKa3sLLeMC78iwEIWxs99CRUrbS4n11234= SigV2 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1
79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be awsexamplebucket1 [06/Feb/2019:00:01:57 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "PUT /awsexamplebucket1/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" - 10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0TgS37kYUBKQW3+bPdrg1234= SigV4 ECDHE-RSA-AES128-SHA AuthHeader awsexamplebucket1.s3.us-west-1.amazonaws.com TLSV1.1"#;

    fn line(request: &str, middle: &str, ends: &str) -> String {
        format!(
            "79a59df9 {BUCKET} [26/Nov/2026:10:20:30 +0000] 192.0.2.3 arn:aws:iam::1:user/portal 3E57427F3EXAMPLE \
             REST.GET.OBJECT bols/2026/PRT-2026-0001.pdf \"{request}\" {middle} {ends}"
        )
    }

    const ENDS: &str = r#""-" "curl/8.1" - hostid= SigV4 ECDHE-RSA QueryString awsexamplebucket1.s3.amazonaws.com TLSv1.3 - - us-east-2"#;

    fn link(line: &str) -> Fetch {
        match parse(line.as_bytes(), BUCKET) {
            Ok(LogLine::Link(fetch)) => *fetch,
            other => panic!("{other:?}: {line}"),
        }
    }

    fn signed() -> String {
        format!(
            "GET /bols/2026/PRT-2026-0001.pdf?x-id=GetObject&X-Amz-Date=20261126T101500Z&X-Amz-Expires=300&x-request={ID}\
             &X-Amz-Signature=0123abcd HTTP/1.1"
        )
    }

    #[test]
    fn the_samples_of_the_documentation_are_read() {
        for sample in SAMPLES.lines() {
            assert_eq!(parse(sample.as_bytes(), BUCKET), Ok(LogLine::Other));
            // The same as GETs of objects.
            let get = sample.replace("REST.GET.VERSIONING -", "REST.GET.OBJECT a/b.pdf");
            if get != sample {
                let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be".into();
                assert_eq!(parse(get.as_bytes(), BUCKET), Ok(LogLine::NoLink { requester: owner, bytes: 113 }));
                assert_eq!(parse(get.as_bytes(), "another"), Ok(LogLine::Other));
            }
        }
    }

    #[test]
    fn a_link_is_read_with_what_it_says_of_itself() {
        let fetch = link(&line(&signed(), "200 - 182000 182000 25 12", ENDS));
        assert_eq!(fetch.key, "bols/2026/PRT-2026-0001.pdf");
        assert_eq!(
            (fetch.request.as_deref(), fetch.status, fetch.bytes, fetch.size),
            (Some(ID), 200, 182_000, Some(182_000))
        );
        assert_eq!(fetch.signed_at.map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-26T10:15:00+00:00"));
        assert_eq!(fetch.fetched_at.to_rfc3339(), "2026-11-26T10:20:30+00:00");
        assert_eq!((fetch.ip, fetch.user_agent.as_str()), ("192.0.2.3".parse().ok(), "curl/8.1"));
        assert_eq!(fetch.source, Source::Bucket { request: "3E57427F3EXAMPLE".into(), error: None });
        let refused = link(&line(&signed(), "403 AccessDenied 243 - 5 -", ENDS));
        assert_eq!((refused.status, refused.size), (403, None));
        assert_eq!(
            refused.source,
            Source::Bucket { request: "3E57427F3EXAMPLE".into(), error: Some("AccessDenied".into()) }
        );
        // Lines from before 2019 end with the version id.
        let old = link(&line(&signed(), "206 - - 9 1 1", "\"-\" \"-\" -"));
        assert_eq!((old.bytes, old.user_agent.as_str(), old.request.as_deref()), (0, "", Some(ID)));
        let unsigned = line("GET /bols/2026/PRT-2026-0001.pdf HTTP/1.1", "200 - 7 7 1 1", "\"-\" \"-\" -");
        assert!(matches!(parse(unsigned.as_bytes(), BUCKET), Ok(LogLine::NoLink { bytes: 7, .. })));
        let check = line(&signed(), "200 - 7 7 1 1", ENDS).replace(" bols/2026/", " storage-check/");
        assert_eq!(parse(check.as_bytes(), BUCKET), Ok(LogLine::Check));
    }

    /// S3 logs what the client sent without escapes.
    #[test]
    fn hostile_agents_and_referrers_change_nothing_else() {
        let hostile = [
            (r#""-" "a" b" "c" 200 - 1 1 1 1""#, r#"a" b" "c" 200 - 1 1 1 1"#),
            (r#""-" "x" - h SigV4 c AuthHeader h t""#, r#"x" - h SigV4 c AuthHeader h t"#),
            (r#""http://x/?X-Amz-Signature=77" "agent""#, "agent"),
            (r#"- "agent""#, "agent"),
            (r#""-" "" "#, ""),
            (r#""-" "\" \\" "#, r#"\" \\"#),
        ];
        for (sent, agent) in hostile {
            let ends = format!("{} - host= SigV4 cipher QueryString host TLSv1.3", sent.trim_end());
            let fetch = link(&line(&signed(), "200 - 5 9 1 1", &ends));
            assert_eq!((fetch.user_agent.as_str(), fetch.status, fetch.bytes), (agent, 200, 5), "{sent}");
        }
        let uri = format!("GET /a\"b?x-request={ID}&X-Amz-Signature=1\"c HTTP/1.1");
        assert_eq!(link(&line(&uri, "200 - 5 9 1 1", ENDS)).request.as_deref(), Some(ID));
        let bytes = [line(&signed(), "200 - 5 9 1 1", ENDS).as_bytes(), b"\xff\0\xfe"].concat();
        assert!(matches!(parse(&bytes, BUCKET), Ok(LogLine::Link(_))));
    }

    #[test]
    fn keys_are_decoded_twice() {
        for (key, found) in [
            ("bols/a.pdf", "bols/a.pdf"),
            ("a%2520b", "a b"),
            ("a%20b", "a b"),
            ("a%0Ab%00", "ab"),
            ("a&b%2526", "a&b&"),
        ] {
            assert_eq!(decode_key(key), found);
        }
        assert_eq!(decode_key(&"ä".repeat(2000)).len(), MAX_KEY_BYTES);
    }

    /// Truncated anywhere, or with any byte changed, a line gives a result or an error, never a panic.
    #[test]
    fn damaged_lines_give_an_error() {
        let whole = line(&signed(), "200 - 5 9 1 1", ENDS);
        for at in 0..whole.len() {
            let _ = parse(&whole.as_bytes()[..at], BUCKET);
            for byte in [b'"', b' ', 0, 0xff, b'-', b'[', b'%', b'\\'] {
                let mut changed = whole.clone().into_bytes();
                changed[at] = byte;
                let _ = parse(&changed, BUCKET);
            }
        }
        let error = |text: &str| parse(text.as_bytes(), BUCKET).expect_err("unreadable").0;
        assert_eq!(error("nonsense"), "truncated");
        assert_eq!(error(&whole.replace("26/Nov/2026", "31/Feb/2026")), "malformed time");
        assert_eq!(error(&whole.replace("3E57427F3EXAMPLE", "-")), "no request id");
        assert_eq!(error(&whole[..whole.find("200 -").expect("there") + 8]), "malformed request");
        assert_eq!(error(&whole[..whole.find("curl").expect("there") + 2]), "malformed user agent");
    }
}
