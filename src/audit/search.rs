//! Reading the log: by what an auditor asks for, newest first, in pages that an index serves.

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

pub const PAGE_EVENTS: usize = 50;
/// Words are looked for in so many days, if nobody says in which: there is no index for them.
pub const TEXT_SEARCH_WINDOW: TimeDelta = TimeDelta::days(31);

/// Everything that is said has to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Included.
    pub from: Option<DateTime<Utc>>,
    /// Not included.
    pub until: Option<DateTime<Utc>>,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    /// A code.
    pub customer: Option<String>,
    /// An address, in lower case.
    pub user: Option<String>,
    /// Of a BOL.
    pub number: Option<String>,
    /// A part of a file name, an object's key, an address (IP or mail), an agent, a request's id, or the details.
    pub text: String,
}

/// The last event of a page: the next one begins behind it.
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

/// The same conditions for pages and for counts, whose types differ.
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
            // As the index has it.
            Some(outcome @ (Outcome::Denied | Outcome::Failed)) => {
                query = query
                    .filter(audit_events::outcome.eq(outcome.as_str()))
                    .filter(sql::<Bool>("outcome <> 'success'"));
            }
            Some(Outcome::Success) => query = query.filter(audit_events::outcome.eq("success")),
            None => {}
        }
        if let Some(customer) = &filter.customer {
            query = query.filter(audit_events::customer_code.eq(customer.clone()));
        }
        if let Some(user) = &filter.user {
            query = query.filter(lower(audit_events::user_email.assume_not_null()).eq(user.clone()));
        }
        if let Some(number) = &filter.number {
            query = query.filter(audit_events::bol_number.eq(number.clone()));
        }
        if !filter.text.trim().is_empty() {
            query = query.filter(
                sql::<Bool>(
                    "concat_ws(' ', file_name, object_key, host(ip), user_email, user_agent, request_id, bol_number, detail::text) ILIKE ",
                )
                .bind::<Text, _>(fragment(&filter.text)),
            );
        }
        query
    }};
}

/// A page, and one more if there is a next one.
pub async fn page(
    connection: &mut AsyncPgConnection,
    filter: &Filter,
    after: Option<Position>,
) -> QueryResult<Vec<EventRow>> {
    let mut query = narrowed!(audit_events::table.into_boxed(), filter);
    if let Some(Position { occurred_at, id }) = after {
        let same_moment = audit_events::occurred_at.eq(occurred_at).and(audit_events::id.lt(id));
        // The first says where an index begins, the second which of that moment.
        query = query
            .filter(audit_events::occurred_at.le(occurred_at))
            .filter(audit_events::occurred_at.lt(occurred_at).or(same_moment));
    }
    query
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .limit(PAGE_EVENTS as i64 + 1)
        .select(EventRow::as_select())
        .load(connection)
        .await
}

/// All of them, of one moment, newest first, as fast as they are taken. Within a transaction of its own.
pub async fn stream_all<'a>(
    connection: &'a mut AsyncPgConnection,
    filter: &Filter,
) -> QueryResult<impl Stream<Item = QueryResult<EventRow>> + use<'a>> {
    // A reader may take an hour; and no sorting first: an index has the order.
    connection.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_sort = off").await?;
    narrowed!(audit_events::table.into_boxed(), filter)
        .order((audit_events::occurred_at.desc(), audit_events::id.desc()))
        .select(EventRow::as_select())
        .load_stream(connection)
        .await
}

/// Those that are sealed, in the order of the tree, with their leaves: position and hash. Within a transaction of its own.
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

/// Their positions alone.
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

/// The first and the last of their positions; `None`: there are none. Of ten million it takes a second.
pub async fn position_range(connection: &mut AsyncPgConnection, filter: &Filter) -> QueryResult<Option<(i64, i64)>> {
    // Of everything the index knows.
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

/// The BOLs that they name, by their ids.
pub async fn bol_ids(connection: &mut AsyncPgConnection, filter: &Filter) -> QueryResult<Vec<i64>> {
    let ids = audit_events::table
        .filter(audit_events::bol_id.is_not_null())
        .select(audit_events::bol_id.assume_not_null())
        .distinct()
        .into_boxed();
    narrowed!(ids, filter).load(connection).await
}

pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<EventRow>> {
    audit_events::table.filter(audit_events::id.eq(id)).select(EventRow::as_select()).first(connection).await.optional()
}

/// Events a day, of the days that have any.
pub async fn count_by_day(
    connection: &mut AsyncPgConnection,
    filter: &Filter,
    zone: Tz,
) -> QueryResult<Vec<(NaiveDate, i64)>> {
    // A name of the time zone database, none of anybody's typing.
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
