//! Fetches: records which of the issued links were followed.
//!
//! Only the server that sends the bytes knows: the bucket, whose access log is imported ([`import`]), or the portal
//! where files are local. Each fetch is a `LINK_FETCHED` event. Subject and user are those of the link's event; IP
//! address and user agent are those of the fetch. Like every event it is dated when it is recorded; the time of the
//! fetch is in its detail. Of the link's query, the event has only the request id.

pub mod import;
mod line_reader;
mod matching;
mod refusals;
mod s3_log;

use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use serde_json::json;

pub use self::refusals::{REFUSAL_INTERVAL, Refusal, record_refusals};

use self::matching::{Match, find};
use super::event::record_all;
use super::{Action, Actor, Event, Origin, Outcome};

/// A request with a link, served or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub key: String,
    /// The id of the request that issued the link, as the link states it.
    pub request: Option<String>,
    /// When the link was signed, if it states that.
    pub signed_at: Option<DateTime<Utc>>,
    pub fetched_at: DateTime<Utc>,
    /// The HTTP status of the response.
    pub status: u16,
    /// The bytes that were sent.
    pub bytes: i64,
    /// The size of the document in bytes.
    pub size: Option<i64>,
    pub ip: Option<IpAddr>,
    pub user_agent: String,
    pub source: Source,
}

/// The server that sent the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The bucket, with its id of the request and its error code.
    Bucket { request: String, error: Option<String> },
    /// The portal.
    Local,
}

impl Fetch {
    /// The bucket's id of the request.
    fn s3_request(&self) -> Option<&str> {
        match &self.source {
            Source::Bucket { request, .. } => Some(request),
            Source::Local => None,
        }
    }

    /// 304 is a success: the client has the bytes already.
    fn outcome(&self) -> Outcome {
        if matches!(self.status, 200 | 206 | 304) { Outcome::Success } else { Outcome::Failed }
    }

    fn detail(&self, matched: &Match) -> serde_json::Value {
        let mut detail = json!({
            "fetched_at": self.fetched_at.trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "bytes": self.bytes,
            "status": self.status,
            "matched": matched.is_match(),
        });
        if let Some(size) = self.size {
            detail["size"] = size.into();
        }
        match &self.source {
            Source::Bucket { request, error } => {
                detail["source"] = "s3-access-log".into();
                detail["s3_request"] = request.as_str().into();
                if let Some(error) = error {
                    detail["error"] = error.as_str().into();
                }
            }
            Source::Local => detail["source"] = "local".into(),
        }
        match matched {
            Match::Link { link, by } => {
                detail["link"] = link.event.into();
                detail["by"] = by.as_str().into();
                if let Some(code) = &link.seen_as {
                    detail["seen_as"] = code.as_str().into();
                }
                if let Some(token) = &link.token {
                    detail["token"] = token.clone();
                }
            }
            Match::Unmatched { reason, .. } => detail["reason"] = (*reason).into(),
        }
        detail
    }
}

/// The number of recorded fetches, by how they were matched with a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    pub by_request: u64,
    pub by_time: u64,
    pub unmatched: u64,
}

impl Tally {
    pub fn all(self) -> u64 {
        self.by_request + self.by_time + self.unmatched
    }

    fn count(matches: &[Match]) -> Self {
        let mut tally = Self::default();
        for matched in matches {
            match matched {
                Match::Link { by: matching::MatchedBy::Request, .. } => tally.by_request += 1,
                Match::Link { by: matching::MatchedBy::Time, .. } => tally.by_time += 1,
                Match::Unmatched { .. } => tally.unmatched += 1,
            }
        }
        tally
    }

    fn add(&mut self, more: Self) {
        self.by_request += more.by_request;
        self.by_time += more.by_time;
        self.unmatched += more.unmatched;
    }
}

/// Records fetches, each with the link that was followed: at most a few hundred at once.
pub async fn record(connection: &mut AsyncPgConnection, fetches: &[Fetch]) -> QueryResult<Tally> {
    let matches = find(connection, fetches).await?;
    let origins: Vec<Origin> = fetches
        .iter()
        .zip(&matches)
        .map(|(fetch, matched)| {
            let request = matched.link().and_then(|link| link.request_id.clone());
            Origin::new(fetch.ip, &fetch.user_agent, request.unwrap_or_default())
        })
        .collect();
    let events: Vec<Event> = fetches
        .iter()
        .zip(&matches)
        .zip(&origins)
        .map(|((fetch, matched), origin)| event(fetch, matched, origin))
        .collect();
    record_all(connection, &events).await?;
    Ok(Tally::count(&matches))
}

fn event<'a>(fetch: &'a Fetch, matched: &'a Match, origin: &'a Origin) -> Event<'a> {
    let link = matched.link();
    let person = Actor {
        user_id: link.and_then(|link| link.user_id),
        email: link.and_then(|link| link.user_email.as_deref()).unwrap_or_default(),
        role: link.and_then(|link| link.user_role.as_deref()),
        // In the detail already.
        seen_as: None,
        token: None,
    };
    let event = Event::new(Action::LinkFetched, fetch.outcome(), person, origin).detail(fetch.detail(matched));
    match matched.subject() {
        Some(subject) => Event {
            customer_id: subject.customer_id,
            customer_code: subject.customer_code.as_deref(),
            bol_id: subject.bol_id,
            bol_number: subject.bol_number.as_deref(),
            document_id: subject.document_id,
            document_kind: subject.document_kind.as_deref(),
            file_name: subject.file_name.as_deref(),
            object_key: Some(&fetch.key),
            sha256: subject.sha256.as_deref(),
            ..event
        },
        None => Event { object_key: Some(&fetch.key), ..event },
    }
}
