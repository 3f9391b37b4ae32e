//! A link that was issued is not yet a document that was fetched.
//!
//! Whoever hands out the bytes knows: the bucket, whose access log is imported ([`import`]), and the portal itself where files
//! are local. Each time is an event of its own, `LINK_FETCHED`, with what the event of the link says of its subject and its
//! person, as they were when it was issued, and address and agent of whoever followed it. It is dated when it was written down,
//! as every event is; when it happened is in its details. Nothing of a link's query goes into an event but the request's id.

pub mod import;
mod line;
mod lines;
mod matching;

use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use serde_json::json;

use self::matching::{Match, find};
use super::event::record_all;
use super::{Action, Actor, Event, Origin, Outcome};

/// Bytes that went out by a link, or a link that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub key: String,
    /// In which the link was issued, as it says itself.
    pub request: Option<String>,
    /// When the link was signed, if it says so.
    pub signed_at: Option<DateTime<Utc>>,
    pub fetched_at: DateTime<Utc>,
    /// Of the answer, in HTTP's numbers.
    pub status: u16,
    /// That were sent.
    pub bytes: i64,
    /// Of the whole document, in bytes.
    pub size: Option<i64>,
    pub ip: Option<IpAddr>,
    pub user_agent: String,
    pub source: Source,
}

/// Who handed out the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The bucket: its own id of the request, and its code of what was wrong.
    Bucket { request: String, error: Option<String> },
    /// The portal.
    Local,
}

impl Fetch {
    /// The bucket's id of it.
    fn s3_request(&self) -> Option<&str> {
        match &self.source {
            Source::Bucket { request, .. } => Some(request),
            Source::Local => None,
        }
    }

    /// 304: whoever asks has the bytes already.
    fn outcome(&self) -> Outcome {
        if matches!(self.status, 200 | 206 | 304) { Outcome::Success } else { Outcome::Failed }
    }

    fn detail(&self, found: &Match) -> serde_json::Value {
        let mut detail = json!({
            "fetched_at": self.fetched_at.trunc_subsecs(6).to_rfc3339_opts(SecondsFormat::AutoSi, true),
            "bytes": self.bytes,
            "status": self.status,
            "matched": found.is_match(),
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
        match found {
            Match::Link { link, by } => {
                detail["link"] = link.event.into();
                detail["by"] = by.as_str().into();
                if let Some(code) = &link.seen_as {
                    detail["seen_as"] = code.as_str().into();
                }
            }
            Match::Unmatched { reason, .. } => detail["reason"] = (*reason).into(),
        }
        detail
    }
}

/// How many became events, and how sure it is whose they are.
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

    fn of(found: &[Match]) -> Self {
        let mut tally = Self::default();
        for found in found {
            match found {
                Match::Link { by: matching::By::Request, .. } => tally.by_request += 1,
                Match::Link { by: matching::By::Time, .. } => tally.by_time += 1,
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

/// Puts fetches on record, each with the link that was followed. A few hundred at once at the most.
pub async fn record(connection: &mut AsyncPgConnection, fetches: &[Fetch]) -> QueryResult<Tally> {
    let found = find(connection, fetches).await?;
    let origins: Vec<Origin> = fetches
        .iter()
        .zip(&found)
        .map(|(fetch, found)| {
            let request = found.link().and_then(|link| link.request_id.clone());
            Origin::new(fetch.ip, &fetch.user_agent, request.unwrap_or_default())
        })
        .collect();
    let events: Vec<Event> =
        fetches.iter().zip(&found).zip(&origins).map(|((fetch, found), origin)| event(fetch, found, origin)).collect();
    record_all(connection, &events).await?;
    Ok(Tally::of(&found))
}

fn event<'a>(fetch: &'a Fetch, found: &'a Match, origin: &'a Origin) -> Event<'a> {
    let link = found.link();
    let person = Actor {
        user_id: link.and_then(|link| link.user_id),
        email: link.and_then(|link| link.user_email.as_deref()).unwrap_or_default(),
        role: link.and_then(|link| link.user_role.as_deref()),
        // Said in the details.
        seen_as: None,
    };
    let event = Event::new(Action::LinkFetched, fetch.outcome(), person, origin).detail(fetch.detail(found));
    match found.subject() {
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
