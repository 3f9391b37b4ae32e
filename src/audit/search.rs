//! Searches the log, newest first, in pages that an index serves.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::dsl::{count_star, max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Date, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::Stream;

use super::columns::EventRow;
use super::event::{Action, Outcome};
use crate::db::schema::{audit_events, audit_leaves};
use crate::db::{fragment, lower};

/// Events of a page.
pub const PAGE_EVENTS: usize = 50;
/// A text search without dates covers this time, because no index serves it.
pub const TEXT_SEARCH_WINDOW: TimeDelta = TimeDelta::days(31);
/// A page of a text search looks at this many events, for the same reason: in about 0.1 s. The next page goes on.
pub const TEXT_SEARCH_EVENTS: i64 = 50_000;

/// Conditions for events; an event must meet all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The first instant.
    pub from: Option<DateTime<Utc>>,
    /// The end, not included.
    pub until: Option<DateTime<Utc>>,
    pub action: Option<Action>,
    /// Only [`Action::DOWNLOADS`].
    pub downloads_only: bool,
    pub outcome: Option<Outcome>,
    /// The codes of customers; an event needs one of them. Empty: of any customer or none.
    pub customers: Vec<String>,
    /// Email addresses in lower case, in the same way.
    pub users: Vec<String>,
    /// The numbers of BOLs, in the same way.
    pub numbers: Vec<String>,
    /// A part of the file name, object key, IP or email address, user agent, request id, BOL number, or detail.
    pub text: String,
}

/// The last event of a page. The next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub occurred_at: DateTime<Utc>,
    pub id: i64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.occurred_at.timestamp_micros(), self.id)
    }
}

impl std::str::FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('-').ok_or(())?;
        let occurred_at = DateTime::from_timestamp_micros(micros.parse().map_err(|_| ())?).ok_or(())?;
        Ok(Self { occurred_at, id: id.parse().map_err(|_| ())? })
    }
}

/// Adds the conditions of a filter to a query. A macro, because the queries have different types.
macro_rules! narrowed {
    ($query:expr, $filter:expr) => {{
        let (mut query, filter): (_, &Filter) = ($query, $filter);
        if let Some(from) = filter.from {
            query = query.filter(audit_events::occurred_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(audit_events::occurred_at.lt(until));
        }
        if let Some(action) = filter.action {
            query = query.filter(audit_events::action.eq(action.as_str()));
        }
        match filter.outcome {
            // Worded like the condition of the index.
            Some(outcome @ (Outcome::Denied | Outcome::Failed)) => {
                query = query
                    .filter(audit_events::outcome.eq(outcome.as_str()))
                    .filter(sql::<Bool>("outcome <> 'success'"));
            }
            Some(Outcome::Success) => query = query.filter(audit_events::outcome.eq("success")),
            None => {}
        }
        if filter.downloads_only {
            query = query.filter(audit_events::action.eq_any(Action::DOWNLOADS.map(Action::as_str)));
        }
        // One name is compared with `=`, because an index then has the order of the page too. Postgres doesn't see that
        // a list excludes NULL, which two of the indexes lack.
        match filter.customers.as_slice() {
            [] => {}
            [code] => query = query.filter(audit_events::customer_code.eq(code.clone())),
            codes => {
                query = query
                    .filter(audit_events::customer_code.is_not_null())
                    .filter(audit_events::customer_code.eq_any(codes.to_vec()));
            }
        }
        match filter.users.as_slice() {
            [] => {}
            [user] => query = query.filter(lower(audit_events::user_email.assume_not_null()).eq(user.clone())),
            users => {
                query = query.filter(lower(audit_events::user_email.assume_not_null()).eq_any(users.to_vec()));
            }
        }
        match filter.numbers.as_slice() {
            [] => {}
            [number] => query = query.filter(audit_events::bol_number.eq(number.clone())),
            numbers => {
                query = query
                    .filter(audit_events::bol_number.is_not_null())
                    .filter(audit_events::bol_number.eq_any(numbers.to_vec()));
            }
        }
        if !filter.text.trim().is_empty() {
            // Lowering ASCII takes a third of the time.
            let comparison = if filter.text.is_ascii() { " COLLATE \"C\" ILIKE " } else { " ILIKE " };
            query = query.filter(
                sql::<Bool>(
                    "concat_ws(' ', file_name, object_key, host(ip), user_email, user_agent, request_id, bol_number, detail::text)",
                )
                .sql(comparison)
                .bind::<Text, _>(fragment(&filter.text)),
            );
        }
        query
    }};
}

/// Begins a query after the last event of the page before.
macro_rules! begun_after {
    ($query:expr, $after:expr) => {{
        let query = $query;
        match $after {
            None => query,
            Some(Position { occurred_at, id }) => {
                let same_instant = audit_events::occurred_at.eq(occurred_at).and(audit_events::id.lt(id));
                // The first condition is where the index scan begins; the second decides between events of the same
                // instant.
                query
                    .filter(audit_events::occurred_at.le(occurred_at))
                    .filter(audit_events::occurred_at.lt(occurred_at).or(same_instant))
            }
        }
    }};
}

/// A page of a search.
pub struct Page {
    pub events: Vec<EventRow>,
    /// Where the next page begins.
    pub next: Option<Position>,
    /// A text search has looked at as many events as a page does, up to this one, and there are more to look at.
    pub stopped_at: Option<Position>,
}

/// Returns a page of events.
pub async fn page(connection: &mut AsyncPgConnection, filter: &Filter, after: Option<Position>) -> QueryResult<Page> {
    let edge = edge(connection, filter, after).await?;
    let mut query = begun_after!(narrowed!(audit_events::table.into_boxed(), filter), after);
    if let Some(Position { occurred_at, id }) = edge {
        let same_instant = audit_events::occurred_at.eq(occurred_at).and(audit_events::id.ge(id));
        query = query
            .filter(audit_events::occurred_at.ge(occurred_at))
            .filter(audit_events::occurred_at.gt(occurred_at).or(same_instant));
    }
    let mut events: Vec<EventRow> = query
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .limit(PAGE_EVENTS as i64 + 1)
        .select(EventRow::as_select())
        .load(connection)
        .await?;
    if events.len() <= PAGE_EVENTS {
        return Ok(Page { events, next: edge, stopped_at: edge });
    }
    events.truncate(PAGE_EVENTS);
    let next = events.last().map(|last| Position { occurred_at: last.occurred_at, id: last.id });
    Ok(Page { events, next, stopped_at: None })
}

/// The last event at which a page of a text search looks. `None`: it looks at all that are left.
async fn edge(
    connection: &mut AsyncPgConnection,
    filter: &Filter,
    after: Option<Position>,
) -> QueryResult<Option<Position>> {
    if filter.text.trim().is_empty() {
        return Ok(None);
    }
    let others = Filter { text: String::new(), ..filter.clone() };
    let select = (audit_events::occurred_at, audit_events::id);
    let found: Vec<(DateTime<Utc>, i64)> =
        begun_after!(narrowed!(audit_events::table.select(select).into_boxed(), &others), after)
            .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
            .offset(TEXT_SEARCH_EVENTS - 1)
            .limit(2)
            .load(connection)
            .await?;
    // The second one shows that there are more.
    Ok(match found[..] {
        [(occurred_at, id), _] => Some(Position { occurred_at, id }),
        _ => None,
    })
}

/// Streams all events of one snapshot, newest first. Needs a transaction of its own.
pub async fn stream_all<'a>(
    connection: &'a mut AsyncPgConnection,
    filter: &Filter,
) -> QueryResult<impl Stream<Item = QueryResult<EventRow>> + use<'a>> {
    // A slow reader may take an hour. An index has the order, so Postgres must not sort first.
    connection.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_sort = off").await?;
    narrowed!(audit_events::table.into_boxed(), filter)
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .select(EventRow::as_select())
        .load_stream(connection)
        .await
}

/// Streams the sealed events in the order of the tree: position and hash of the leaf, and the event. Needs a
/// transaction of its own.
pub async fn stream_sealed<'a>(
    connection: &'a mut AsyncPgConnection,
    filter: &Filter,
) -> QueryResult<impl Stream<Item = QueryResult<(i64, Vec<u8>, EventRow)>> + use<'a>> {
    narrowed!(audit_events::table.inner_join(leaf()).into_boxed(), filter)
        .order(audit_leaves::position)
        .select((audit_leaves::position, audit_leaves::hash, EventRow::as_select()))
        .load_stream(connection)
        .await
}

/// Streams the positions of the sealed events, in order.
pub async fn stream_positions<'a>(
    connection: &'a mut AsyncPgConnection,
    filter: &Filter,
) -> QueryResult<impl Stream<Item = QueryResult<i64>> + use<'a>> {
    narrowed!(audit_events::table.inner_join(leaf()).into_boxed(), filter)
        .order(audit_leaves::position)
        .select(audit_leaves::position)
        .load_stream(connection)
        .await
}

/// Returns the first and the last position of the sealed events, or `None` if no event matches. Takes a second for ten
/// million events.
pub async fn position_range(connection: &mut AsyncPgConnection, filter: &Filter) -> QueryResult<Option<(i64, i64)>> {
    // The index answers this without reading events.
    if *filter == Filter::default() {
        let last: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
        return Ok(last.map(|last| (0, last)));
    }
    let extent = (min(audit_leaves::position), max(audit_leaves::position));
    let ends: (Option<i64>, Option<i64>) =
        narrowed!(audit_events::table.inner_join(leaf()).select(extent).into_boxed(), filter).first(connection).await?;
    Ok(ends.0.zip(ends.1))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn leaf() -> _ {
    audit_leaves::table.on(audit_leaves::event_id.eq(audit_events::id))
}

/// Returns the ids of the BOLs that the events name.
pub async fn bol_ids(connection: &mut AsyncPgConnection, filter: &Filter) -> QueryResult<Vec<i64>> {
    let ids = audit_events::table
        .filter(audit_events::bol_id.is_not_null())
        .select(audit_events::bol_id.assume_not_null())
        .distinct()
        .into_boxed();
    narrowed!(ids, filter).load(connection).await
}

/// Returns one event.
pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<EventRow>> {
    audit_events::table.filter(audit_events::id.eq(id)).select(EventRow::as_select()).first(connection).await.optional()
}

/// Counts events by day. Days without events are missing.
pub async fn count_by_day(
    connection: &mut AsyncPgConnection,
    filter: &Filter,
    zone: Tz,
) -> QueryResult<Vec<(NaiveDate, i64)>> {
    // Names of time zones come from the database of time zones, so they are safe in SQL.
    let day = || sql::<Date>(&format!("(occurred_at AT TIME ZONE '{}')::date", zone.name()));
    let days = audit_events::table.group_by(day()).select((day(), count_star())).into_boxed();
    narrowed!(days, filter).load(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let position = Position { occurred_at: "2026-11-25T12:00:00.123456Z".parse().expect("a time"), id: 42 };
        assert_eq!(position.to_string().parse(), Ok(position));
        for bad in ["", "1", "x-1", "1-x", "99999999999999999999-1", "9223372036854775807-1"] {
            assert_eq!(bad.parse::<Position>(), Err(()), "{bad}");
        }
    }
}
