//! Pages of a list: entries in their order, found by a fragment of what they show.
//!
//! A page begins after an entry, or ends before one, so that it stays in place while others add entries.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::fragment;

/// Entries on a page.
pub const PAGE: usize = 50;

/// How a list is read, as SQL.
pub struct ListSql {
    pub(super) from: &'static str,
    /// What a row is read from, besides its position.
    pub(super) columns: &'static str,
    pub(super) id: &'static str,
    pub(super) active: &'static str,
    /// Two texts that order the active entries, and after them the retired ones.
    pub(super) order: [&'static str; 2],
    /// What the search looks at.
    pub(super) searched: &'static [&'static str],
}

/// A row of a list that is shown in pages.
pub(crate) trait Paged: QueryableByName<Pg> + Send + 'static {
    const SQL: ListSql;
}

/// The place of an entry in the order of its list.
#[derive(Clone, Debug, Default, PartialEq, Eq, QueryableByName, serde::Serialize, serde::Deserialize)]
pub struct Position {
    #[diesel(sql_type = Bool)]
    is_retired: bool,
    #[diesel(sql_type = Text)]
    order_first: String,
    #[diesel(sql_type = Text)]
    order_second: String,
    #[diesel(sql_type = BigInt)]
    pub id: i64,
}

impl Position {
    /// Whether Postgres can store the texts.
    pub fn is_storable(&self) -> bool {
        !self.order_first.contains('\0') && !self.order_second.contains('\0')
    }
}

/// Which page of a list to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    First,
    After(Position),
    Before(Position),
    /// The page that has the entry of this id, or the first one if the list has no such entry.
    At(i64),
}

#[derive(QueryableByName)]
pub struct Placed<R> {
    #[diesel(embed)]
    pub position: Position,
    #[diesel(embed)]
    pub row: R,
}

pub struct ListPage<R> {
    pub rows: Vec<Placed<R>>,
    /// Entries on all pages.
    pub count: i64,
    /// Entries on the pages before this one.
    pub before: i64,
}

impl<R> ListPage<R> {
    /// The first entry, if others come before it.
    pub fn previous(&self) -> Option<&Position> {
        self.rows.as_slice().first().filter(|_| self.before > 0).map(|placed| &placed.position)
    }

    /// The last entry, if others come after it.
    pub fn next(&self) -> Option<&Position> {
        let shown = self.before + self.rows.len() as i64;
        self.rows.last().filter(|_| shown < self.count).map(|placed| &placed.position)
    }
}

/// Returns a page of the entries that contain what was typed. A page behind the last entry is the first one.
pub(crate) async fn load<R: Paged>(
    connection: &mut AsyncPgConnection,
    typed: &str,
    place: &Place,
) -> QueryResult<ListPage<R>> {
    let list = Filtered { sql: R::SQL, pattern: fragment(typed) };
    let place = list.resolve(connection, place).await?;
    let mut rows: Vec<Placed<R>> = list.rows(connection, &place).await?;
    if rows.is_empty() && place != Place::First {
        rows = list.rows(connection, &Place::First).await?;
    }
    let Some(first) = rows.as_slice().first() else { return Ok(ListPage { rows, count: 0, before: 0 }) };
    let Count { count, before } = list.count(connection, &first.position).await?;
    Ok(ListPage { rows, count, before })
}

/// Whether the entry of this id contains what was typed.
pub(crate) async fn contains<R: Paged>(connection: &mut AsyncPgConnection, typed: &str, id: i64) -> QueryResult<bool> {
    let list = Filtered { sql: R::SQL, pattern: fragment(typed) };
    Ok(list.position(connection, id).await?.is_some())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    before: i64,
}

/// The entries of a list that match a pattern.
struct Filtered {
    sql: ListSql,
    pattern: String,
}

impl Filtered {
    /// The tables and the condition of the search, which is `$1`.
    fn from(&self) -> String {
        let ListSql { from, searched, .. } = self.sql;
        format!("FROM {from} WHERE ({} ILIKE $1)", searched.join(" ILIKE $1 OR "))
    }

    /// What the list is ordered by.
    fn keys(&self) -> [String; 4] {
        let ListSql { id, active, order: [first, second], .. } = self.sql;
        [format!("NOT {active}"), first.into(), second.into(), id.into()]
    }

    fn position_columns(&self) -> String {
        let [retired, first, second, id] = self.keys();
        format!("{retired} AS is_retired, {first} AS order_first, {second} AS order_second, {id} AS id")
    }

    async fn rows<R: Paged>(&self, connection: &mut AsyncPgConnection, place: &Place) -> QueryResult<Vec<Placed<R>>> {
        let (position, is_backward) = match place {
            Place::First | Place::At(_) => (None, false),
            Place::After(position) => (Some(position.clone()), false),
            Place::Before(position) => (Some(position.clone()), true),
        };
        let (compared, direction) = if is_backward { ("<", " DESC") } else { (">", "") };
        let keys = self.keys();
        let query = format!(
            "SELECT {}, {} {} AND ($2 OR ({}) {compared} ($3, $4, $5, $6)) ORDER BY {}{direction} LIMIT {PAGE}",
            self.sql.columns,
            self.position_columns(),
            self.from(),
            keys.join(", "),
            keys.join(&format!("{direction}, ")),
        );
        let is_whole = position.is_none();
        let Position { is_retired, order_first, order_second, id } = position.unwrap_or_default();
        let query = diesel::sql_query(query).bind::<Text, _>(&self.pattern).bind::<Bool, _>(is_whole);
        let query = query.bind::<Bool, _>(is_retired).bind::<Text, _>(order_first).bind::<Text, _>(order_second);
        let mut rows: Vec<Placed<R>> = query.bind::<BigInt, _>(id).load(connection).await?;
        if is_backward {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn count(&self, connection: &mut AsyncPgConnection, position: &Position) -> QueryResult<Count> {
        let (keys, from) = (self.keys().join(", "), self.from());
        let before = format!("count(*) FILTER (WHERE ({keys}) < ($2, $3, $4, $5)) AS before");
        let Position { is_retired, order_first, order_second, id } = position;
        diesel::sql_query(format!("SELECT count(*) AS count, {before} {from}"))
            .bind::<Text, _>(&self.pattern)
            .bind::<Bool, _>(is_retired)
            .bind::<Text, _>(order_first)
            .bind::<Text, _>(order_second)
            .bind::<BigInt, _>(id)
            .get_result(connection)
            .await
    }

    async fn position(&self, connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Position>> {
        let query = format!("SELECT {} {} AND {} = $2", self.position_columns(), self.from(), self.sql.id);
        let query = diesel::sql_query(query).bind::<Text, _>(&self.pattern).bind::<BigInt, _>(id);
        query.get_result(connection).await.optional()
    }

    /// Returns where the page of an entry begins, and any other place as it is.
    async fn resolve(&self, connection: &mut AsyncPgConnection, place: &Place) -> QueryResult<Place> {
        let Place::At(id) = place else { return Ok(place.clone()) };
        let Some(position) = self.position(connection, *id).await? else { return Ok(Place::First) };
        let before = self.count(connection, &position).await?.before;
        let on_earlier_pages = before - before % PAGE as i64;
        if on_earlier_pages == 0 {
            return Ok(Place::First);
        }
        let query = format!(
            "SELECT {} {} ORDER BY {} OFFSET $2 LIMIT 1",
            self.position_columns(),
            self.from(),
            self.keys().join(", "),
        );
        let query = diesel::sql_query(query).bind::<Text, _>(&self.pattern);
        let last: Option<Position> =
            query.bind::<BigInt, _>(on_earlier_pages - 1).get_result(connection).await.optional()?;
        Ok(last.map_or(Place::First, Place::After))
    }
}
