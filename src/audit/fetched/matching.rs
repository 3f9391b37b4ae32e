//! Matches fetches with the links that were followed.
//!
//! A link names the request that issued it, and so does its event. The signature, which the bucket checks, protects
//! that name. Older links have only a date. They match if exactly one user got a link to that object at about that
//! time.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Fetch;

/// S3 refuses links whose clock differs by more than this.
const SKEW: TimeDelta = TimeDelta::minutes(15);
/// The event of a link is recorded before the link is signed; a request to the storage happens in between.
const BEFORE_SIGNED: TimeDelta = TimeDelta::seconds(60);
const AFTER_SIGNED: TimeDelta = TimeDelta::seconds(5);

pub(super) enum Match {
    Link {
        link: Box<Link>,
        by: MatchedBy,
    },
    /// No link matches. The document is known if its key is.
    Unmatched {
        reason: &'static str,
        document: Option<Box<Subject>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchedBy {
    Request,
    Time,
}

impl MatchedBy {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Time => "time",
        }
    }
}

impl Match {
    pub(super) fn is_match(&self) -> bool {
        self.link().is_some()
    }

    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Link { link, .. } => Some(link),
            Self::Unmatched { .. } => None,
        }
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Link { link, .. } => Some(&link.subject),
            Self::Unmatched { document, .. } => document.as_deref(),
        }
    }
}

/// The fetched document, as of the time when the link was issued.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct Subject {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) customer_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) customer_code: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) bol_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) bol_number: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) document_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) document_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) file_name: Option<String>,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub(super) sha256: Option<Vec<u8>>,
}

/// The event of a link.
#[derive(Clone, Debug, QueryableByName)]
pub(super) struct Link {
    #[diesel(sql_type = BigInt)]
    pub(super) event: i64,
    #[diesel(sql_type = Timestamptz)]
    occurred_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) request_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) user_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) user_email: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) user_role: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) seen_as: Option<String>,
    /// The API token with which the link was asked for.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub(super) token: Option<serde_json::Value>,
    #[diesel(embed)]
    pub(super) subject: Subject,
}

/// The search for the event of a link: by request id if there is one, within a range of time.
struct LinkSearch<'a> {
    request: Option<&'a str>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl<'a> LinkSearch<'a> {
    fn new(fetch: &'a Fetch) -> Result<Self, &'static str> {
        let (request, since, until) = match (&fetch.request, fetch.signed_at) {
            (Some(request), _) => {
                let begun = request_time(request).ok_or("no such link was recorded")?;
                (Some(request.as_str()), begun - SKEW, begun + SKEW)
            }
            // Anyone can write any date into a forged link, and is refused.
            (None, _) if matches!(fetch.status, 400 | 403) => {
                return Err("refused, and the link doesn't identify itself");
            }
            (None, Some(signed)) => (None, signed - BEFORE_SIGNED, signed + AFTER_SIGNED),
            (None, None) => return Err("the link doesn't state when it was signed"),
        };
        // A link can't be followed before it is issued.
        Ok(Self { request, since, until: until.min(fetch.fetched_at + SKEW) })
    }
}

/// The time of a request. Its id is a UUIDv7, which begins with the time.
fn request_time(request: &str) -> Option<DateTime<Utc>> {
    let id = Uuid::try_parse(request).ok().filter(|id| id.get_version_num() == 7)?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(seconds.try_into().ok()?, nanos)
}

/// Finds the link of each fetch, in the order of the fetches.
pub(super) async fn find(connection: &mut AsyncPgConnection, fetches: &[Fetch]) -> QueryResult<Vec<Match>> {
    let searches: Vec<_> = fetches.iter().map(LinkSearch::new).collect();
    let mut links: Vec<Vec<Link>> = (0..fetches.len()).map(|_| Vec::new()).collect();
    for link in candidates(connection, fetches, &searches).await? {
        if let Some(found) = usize::try_from(link.subject.position).ok().and_then(|at| links.get_mut(at)) {
            found.push(link);
        }
    }
    let chosen: Vec<_> = fetches
        .iter()
        .zip(&searches)
        .zip(links)
        .map(|((fetch, search), links)| match search {
            Ok(search) => choose(fetch, search, links),
            Err(reason) => Err(*reason),
        })
        .collect();
    let unknown: Vec<&str> = fetches
        .iter()
        .zip(&chosen)
        .filter(|(_, chosen)| chosen.is_err())
        .map(|(fetch, _)| fetch.key.as_str())
        .collect();
    // In the order of `unknown`.
    let mut documents: Vec<Option<Box<Subject>>> = (0..unknown.len()).map(|_| None).collect();
    for document in documents_by_key(connection, &unknown).await? {
        if let Some(found) = usize::try_from(document.position).ok().and_then(|at| documents.get_mut(at)) {
            *found = Some(Box::new(document));
        }
    }
    let mut documents = documents.into_iter();
    Ok(chosen
        .into_iter()
        .map(|chosen| match chosen {
            Ok((link, by)) => Match::Link { link: Box::new(link), by },
            Err(reason) => Match::Unmatched { reason, document: documents.next().flatten() },
        })
        .collect())
}

fn choose(fetch: &Fetch, search: &LinkSearch<'_>, mut links: Vec<Link>) -> Result<(Link, MatchedBy), &'static str> {
    let by = if search.request.is_some() { MatchedBy::Request } else { MatchedBy::Time };
    // A user may have several links to the same document; the one signed at that time is the best match.
    if let (MatchedBy::Time, Some(signed)) = (by, fetch.signed_at) {
        links.sort_by_key(|link| (link.occurred_at - signed).abs());
    }
    let mut links = links.into_iter();
    let first = links.next().ok_or(match by {
        MatchedBy::Request => "no such link was recorded",
        MatchedBy::Time => "no link to it was issued at that time",
    })?;
    let is_theirs = |other: Link| (other.user_id, &other.user_email) == (first.user_id, &first.user_email);
    if by == MatchedBy::Time && !links.all(is_theirs) { Err("several links match") } else { Ok((first, by)) }
}

/// Selects the events of links that may match, with one index lookup for each fetch.
async fn candidates(
    connection: &mut AsyncPgConnection,
    fetches: &[Fetch],
    searches: &[Result<LinkSearch<'_>, &'static str>],
) -> QueryResult<Vec<Link>> {
    let asked = || {
        fetches.iter().zip(searches).enumerate().filter_map(|(at, (f, search))| Some((at, f, search.as_ref().ok()?)))
    };
    let positions: Vec<i64> = asked().map(|(at, ..)| at as i64).collect();
    let keys: Vec<&str> = asked().map(|(_, fetch, _)| fetch.key.as_str()).collect();
    let requests: Vec<Option<&str>> = asked().map(|(.., search)| search.request).collect();
    let since: Vec<DateTime<Utc>> = asked().map(|(.., search)| search.since).collect();
    let until: Vec<DateTime<Utc>> = asked().map(|(.., search)| search.until).collect();
    diesel::sql_query(
        "SELECT w.position, e.* FROM unnest($1, $2, $3, $4, $5) AS w (position, key, request, since, until) \
         CROSS JOIN LATERAL (SELECT id AS event, occurred_at, request_id, user_id, user_email, user_role, \
            detail->>'seen_as' AS seen_as, detail->'token' AS token, customer_id, customer_code, bol_id, bol_number, document_id, document_kind, file_name, sha256 \
            FROM audit_events \
            WHERE object_key = w.key AND occurred_at BETWEEN w.since AND w.until \
              AND action IN ('BOL_DOWNLOADED', 'BOL_PREVIEWED') AND outcome = 'success' \
              AND (w.request IS NULL OR request_id = w.request) \
            ORDER BY occurred_at DESC LIMIT 100) AS e",
    )
    .bind::<Array<BigInt>, _>(positions)
    .bind::<Array<Text>, _>(keys)
    .bind::<Array<Nullable<Text>>, _>(requests)
    .bind::<Array<Timestamptz>, _>(since)
    .bind::<Array<Timestamptz>, _>(until)
    .load(connection)
    .await
}

/// Selects the documents with these keys, as they are now.
async fn documents_by_key(connection: &mut AsyncPgConnection, keys: &[&str]) -> QueryResult<Vec<Subject>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    diesel::sql_query(
        "SELECT w.position - 1 AS position, d.customer_id, c.code AS customer_code, d.bol_id, b.number AS bol_number, \
            d.id AS document_id, d.kind AS document_kind, d.file_name, d.sha256 \
         FROM unnest($1) WITH ORDINALITY AS w (key, position) \
         JOIN documents d ON d.object_key = w.key AND d.state = 'stored' \
         LEFT JOIN bols b ON b.id = d.bol_id LEFT JOIN customers c ON c.id = d.customer_id",
    )
    .bind::<Array<Text>, _>(keys)
    .load(connection)
    .await
}
