//! The download history of a BOL, a page at a time: from the access log, newest events first.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Jsonb, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::bols::BolNumber;
use crate::db::fixed_sql::{FixedSql, fixed_sql};
use crate::db::schema::{audit_events, bols};
use crate::db::scope::Scope;

/// Accesses that the page of a BOL shows first.
const NEWEST: usize = 10;
/// Accesses on each earlier page.
const EARLIER: usize = 50;

/// An event about access to a document: a link was issued, refused or followed.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(diesel::pg::Pg))]
pub struct Access {
    id: i64,
    occurred_at: DateTime<Utc>,
    pub action: String,
    pub outcome: String,
    pub user_email: Option<String>,
    pub file_name: Option<String>,
    #[diesel(
        select_expression = fixed_sql::<Nullable<Jsonb>>("CASE WHEN action = 'LINK_FETCHED' THEN link_fetch(id, occurred_at) END"),
        select_expression_type = FixedSql<Nullable<Jsonb>>
    )]
    fetched: Option<serde_json::Value>,
}

/// The response that a followed link received.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct LinkFetch {
    fetched_at: DateTime<Utc>,
    pub status: u16,
    pub bytes: i64,
    /// Size of the whole document, in bytes.
    pub size: Option<i64>,
}

impl Access {
    /// Returns the response, or `None` if no link was followed.
    pub fn fetched(&self) -> Option<LinkFetch> {
        self.fetched.clone().and_then(|fetched| serde_json::from_value(fetched).ok())
    }

    /// Returns the time of the access. For a followed link this is earlier than the event, which is imported later.
    pub fn at(&self) -> DateTime<Utc> {
        self.fetched().map_or(self.occurred_at, |fetched| fetched.fetched_at)
    }
}

/// The last event of a page of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryPosition {
    occurred_at: DateTime<Utc>,
    id: i64,
}

/// Such as `2026-11-30T12:00:00.123456Z_7`.
impl fmt::Display for HistoryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true), self.id)
    }
}

impl FromStr for HistoryPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('_').ok_or(())?;
        let occurred_at: DateTime<Utc> = at.parse().map_err(drop)?;
        // Postgres can't store some other years.
        if !(1..=9999).contains(&occurred_at.year()) {
            return Err(());
        }
        Ok(Self { occurred_at, id: id.parse().map_err(drop)? })
    }
}

/// Which part of the history to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    Newest,
    /// What comes before this event.
    Before(HistoryPosition),
}

/// A part of the history.
#[derive(Debug, Default)]
pub struct History {
    /// By the time of the access, newest first.
    pub accesses: Vec<Access>,
    /// Where the next page begins, if there are earlier accesses.
    pub earlier: Option<HistoryPosition>,
}

/// Returns links issued for documents of this BOL and the requests that followed them, newest first. A customer sees
/// those of its own company's users.
pub(super) async fn history(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
    page: HistoryPage,
) -> QueryResult<History> {
    let id = bols::table.filter(bols::number.eq(number.as_str())).select(bols::id.nullable()).single_value();
    let size = if page == HistoryPage::Newest { NEWEST } else { EARLIER };
    let mut query = audit_events::table
        .filter(audit_events::bol_id.eq(id))
        .filter(fixed_sql::<Bool>(IS_ACCESS))
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .limit(size as i64 + 1)
        .select(Access::as_select())
        .into_boxed();
    if let Some(companies) = scope.companies() {
        query =
            query.filter(audit_events::customer_id.eq_any(companies)).filter(audit_events::user_role.eq("customer"));
    }
    if let HistoryPage::Before(HistoryPosition { occurred_at, id }) = page {
        let before = fixed_sql::<Bool>("(audit_events.occurred_at, audit_events.id) < (");
        let before = before.bind::<Timestamptz, _>(occurred_at).sql(", ").bind::<BigInt, _>(id).sql(")");
        query = query.filter(before);
    }
    let mut accesses: Vec<Access> = query.load(&mut connection).await?;
    let has_more = accesses.len() > size;
    accesses.truncate(size);
    let last = accesses.last().filter(|_| has_more);
    let earlier = last.map(|last| HistoryPosition { occurred_at: last.occurred_at, id: last.id });
    // Fetches are imported later than they happened. The sort is stable: a bucket's log has whole seconds, and within one
    // the newest event stays first.
    accesses.sort_by_key(|access| std::cmp::Reverse(access.at().timestamp()));
    Ok(History { accesses, earlier })
}

/// The condition of the index that serves the history, in the words of the index: the downloads of the log.
const IS_ACCESS: &str = "audit_events.action IN ('BOL_DOWNLOADED', 'LINK_FETCHED', 'BOLS_ZIPPED', 'BOL_PREVIEWED')";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;

    #[test]
    fn the_history_has_the_downloads() {
        let names = Action::DOWNLOADS.map(|action| format!("'{}'", action.as_str()));
        let mut words: Vec<&str> = IS_ACCESS.split(['(', ')']).nth(1).expect("a list").split(", ").collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        words.sort_unstable();
        names.sort_unstable();
        assert_eq!(words, names);
    }
}
