//! Reads pages of the list.
//!
//! A search for something rare in a very long list never reads all of it. It looks in three places, and stops as soon as
//! the page is full:
//!
//! 1. among the first BOLs of the list ([`NEAR`]), which most pages end with;
//! 2. in the index on text ([`super::narrow`]), which has the answer if few BOLs fit;
//! 3. among more of the first BOLs ([`FAR`]). If that fills no page either, the page says where it stopped, and the next
//!    one goes on from there.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;

use super::condition::Needles;
use super::list::List;
use super::narrow::narrow;
use super::{BolSummary, COUNTED, News, Owner, PAGE, Position, Search, Total};
use crate::bols::counts;
use crate::db::schema::customers;
use crate::db::scope::{self, PLANNED_ONCE, Scope};
use crate::db::{Database, DbResult};

/// BOLs that a page looks at first. All customers but the largest have fewer, and get exact counts.
const NEAR: i64 = 5_000;
/// BOLs that a page looks at if the index can't help: about a tenth of a second.
const FAR: i64 = 10_000;

/// One page of the list.
pub struct SearchPage {
    /// Each with what is new about it, if anything is.
    pub rows: Vec<(BolSummary, Option<News>)>,
    /// The number of matches on all pages.
    pub total: Total,
    /// The net pounds of all matches that aren't void, if the list is filtered and all matches were counted.
    pub net_lb: Option<i64>,
    /// Where the page before this one ends, if there is one.
    pub previous: Option<Position>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Position>,
    /// The number of BOLs that were looked at, if the search stopped there before the page was full.
    pub stopped_after: Option<i64>,
    /// The page's customers, by id. Only staff get them. A customer's viewer has its own companies.
    pub owners: HashMap<i64, Owner>,
}

/// Some of the matches, in the order of the list.
pub struct Batch {
    pub rows: Vec<BolSummary>,
    /// The last BOL, if others may come after it.
    pub next: Option<Position>,
    /// As in [`SearchPage::owners`].
    pub owners: HashMap<i64, Owner>,
}

type Row = (BolSummary, bool);
/// The number of matches, and their weight.
type Count = (Total, Option<i64>);

/// What one transaction reads for a page.
struct Found {
    rows: Vec<Row>,
    count: Count,
    /// The last BOL that was looked at, if the search stopped there.
    edge: Option<Position>,
    owners: HashMap<i64, Owner>,
    news: HashMap<i64, News>,
}

/// Where a query looks.
#[derive(Clone, Copy)]
enum Reach {
    Everywhere,
    Near,
    Far,
}

impl Reach {
    /// How many of the first BOLs are looked at; `None`: all.
    fn rows(self) -> Option<i64> {
        match self {
            Self::Everywhere => None,
            Self::Near => Some(NEAR),
            Self::Far => Some(FAR),
        }
    }
}

/// Returns one page of the BOLs within the scope that match.
pub async fn search(db: &Database, scope: &Scope, search: &Search) -> DbResult<SearchPage> {
    search_list(db, List { is_counted: true, ..List::new(scope, search) }).await
}

/// Does the same as [`search`], but doesn't say how many BOLs a list without a filter has.
pub async fn search_uncounted(db: &Database, scope: &Scope, search: &Search) -> DbResult<SearchPage> {
    search_list(db, List::new(scope, search)).await
}

async fn search_list(db: &Database, list: List<'_>) -> DbResult<SearchPage> {
    let search = list.search;
    if !Needles::of(search).may_be_rare() {
        return Ok(page(search, find(db, list, Reach::Everywhere).await?));
    }
    let found = find(db, list, Reach::Near).await?;
    if found.rows.len() > PAGE || found.count.0.is_exact() {
        return Ok(page(search, found));
    }
    if let Some(ids) = narrow(db, list).await? {
        let list = List { among: Some(&ids), ..list };
        return Ok(page(search, find(db, list, Reach::Everywhere).await?));
    }
    let near = found.count.0;
    let mut found = find(db, list, Reach::Far).await?;
    let is_whole = found.edge.is_none() && found.rows.len() <= PAGE && search.is_first();
    found.count.0 = if is_whole { Total::Exactly(found.rows.len() as i64) } else { near };
    Ok(page(search, found))
}

/// Reads the rows, the count, and what the rows need besides, in one transaction.
async fn find(db: &Database, list: List<'_>, reach: Reach) -> DbResult<Found> {
    let work = async |connection: &AsyncPgConnection| {
        let (rows, (count, edge)) = if list.search.is_filtered() {
            let rows_and_count = try_join(rows(connection, list, reach, PAGE + 1), count(connection, list, reach));
            let ((rows, _), count) = rows_and_count.await?;
            (rows, count)
        } else {
            let (rows, total) = whole_list(connection, list).await?;
            (rows, ((total, None), None))
        };
        // A full page needs no edge.
        let edge = edge.filter(|_| rows.len() <= PAGE);
        let owners = if *list.scope == Scope::All { owners(connection, &rows).await? } else { HashMap::new() };
        let news = match list.search.reader {
            Some(reader) => reader.news(connection, list.scope, &rows).await?,
            None => HashMap::new(),
        };
        Ok(Found { rows, count, edge, owners, news })
    };
    if list.search.is_filtered() {
        scope::read(db, list.scope, work).await
    } else {
        scope::read_if(db, list.scope, PLANNED_ONCE, work).await
    }
}

/// Returns a page of the list without a filter, and the number of BOLs on all pages if it is asked for. That is kept, not
/// counted, so it is exact for a list of any length.
async fn whole_list(connection: &AsyncPgConnection, list: List<'_>) -> QueryResult<(Vec<Row>, Total)> {
    let (rows, total) = rows(connection, list, Reach::Everywhere, PAGE + 1).await?;
    let total = match total {
        Some(total) => Total::Exactly(total),
        // A page without a row can't say it.
        None if list.is_counted => Total::Exactly(counts::of(connection, list.companies()).await?),
        None => Total::MoreThan(0),
    };
    Ok((rows, total))
}

/// Returns the rows, and what they say about the number of BOLs in the whole list.
async fn rows(
    mut connection: &AsyncPgConnection,
    list: List<'_>,
    reach: Reach,
    limit: usize,
) -> QueryResult<(Vec<Row>, Option<i64>)> {
    let rows: Vec<(BolSummary, bool, Option<i64>)> = match reach.rows() {
        None => list.page(limit).load(&mut connection).await?,
        Some(first) => list.page_within(first, limit).load(&mut connection).await?,
    };
    let total = rows.as_slice().first().and_then(|(.., total)| *total);
    Ok((rows.into_iter().map(|(bol, is_new, _)| (bol, is_new)).collect(), total))
}

/// Counts the matches of a filter, and returns the last BOL that the rows come from, if they come from a part of the list.
async fn count(
    mut connection: &AsyncPgConnection,
    list: List<'_>,
    reach: Reach,
) -> QueryResult<(Count, Option<Position>)> {
    match reach {
        Reach::Everywhere => {
            let (matches, net_lb): (i64, Option<i64>) = list.count().get_result(&mut connection).await?;
            let total = if matches > COUNTED { Total::MoreThan(COUNTED) } else { Total::Exactly(matches) };
            Ok(((total, net_lb), None))
        }
        Reach::Near => {
            let counted = list.count_within(NEAR).get_result(&mut connection).await?;
            let (matches, net_lb, looked_at): (i64, Option<i64>, i64) = counted;
            let total = if looked_at < NEAR { Total::Exactly(matches) } else { Total::MoreThan((matches - 1).max(0)) };
            Ok(((total, net_lb), None))
        }
        Reach::Far => Ok(((Total::MoreThan(0), None), edge(connection, list, FAR).await?)),
    }
}

/// Returns where the first `rows` of the list end, unless it has fewer.
async fn edge(mut connection: &AsyncPgConnection, list: List<'_>, rows: i64) -> QueryResult<Option<Position>> {
    let edge: Option<serde_json::Value> = list.edge(rows).get_result(&mut connection).await.optional()?;
    Ok(edge.as_ref().and_then(Position::from_json))
}

/// Returns the customers of these rows. A separate query, and for staff only: joined to a customer's list,
/// it took as long as all the rest.
async fn owners(mut connection: &AsyncPgConnection, rows: &[Row]) -> QueryResult<HashMap<i64, Owner>> {
    let mut ids: Vec<i64> = rows.iter().filter_map(|(row, _)| row.customer_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let named = customers::table.filter(customers::id.eq_any(ids));
    let named = named.select((customers::id, customers::code, customers::name));
    let named: Vec<(i64, String, String)> = named.load(&mut connection).await?;
    Ok(named.into_iter().map(|(id, code, name)| (id, Owner { code, name })).collect())
}

fn page(search: &Search, found: Found) -> SearchPage {
    let Found { mut rows, count: (total, net_lb), edge, owners, mut news } = found;
    let (has_more, is_backward) = (rows.len() > PAGE, search.is_backward());
    rows.truncate(PAGE);
    if is_backward {
        rows.reverse();
    }
    let position = |row: Option<&Row>| row.map(|(row, _)| search.position(row));
    let mut next = if is_backward || has_more { position(rows.as_slice().last()) } else { None };
    let has_previous = if is_backward { has_more } else { search.after.is_some() };
    let mut previous = if has_previous { position(rows.as_slice().first()) } else { None };
    let stopped_after = edge.is_some().then_some(FAR);
    if let Some(edge) = edge {
        *(if is_backward { &mut previous } else { &mut next }) = Some(edge);
    }
    let rows = rows.into_iter().map(|(row, _)| (news.remove(&row.id), row)).map(|(news, row)| (row, news)).collect();
    SearchPage { rows, total, net_lb: net_lb.filter(|_| total.is_exact()), previous, next, stopped_after, owners }
}

/// Returns up to `limit` of the BOLs within the scope that match, without counting the others.
pub async fn batch(db: &Database, scope: &Scope, search: &Search, limit: usize) -> DbResult<Batch> {
    let list = List::new(scope, search);
    let may_be_rare = Needles::of(search).may_be_rare();
    let reach = if may_be_rare { Reach::Near } else { Reach::Everywhere };
    let (mut batch, edge) = read_batch(db, list, reach, limit).await?;
    let Some(mut edge) = edge else { return Ok(batch) };
    if let Some(ids) = narrow(db, list).await? {
        return Ok(read_batch(db, List { among: Some(&ids), ..list }, Reach::Everywhere, limit).await?.0);
    }
    // Each step reads a part of the list, so that none runs into the time limit of a statement.
    while batch.rows.len() < limit {
        let rest = Search { after: Some(edge), ..search.clone() };
        let wanted = limit - batch.rows.len();
        let (more, further) = read_batch(db, List::new(scope, &rest), Reach::Far, wanted).await?;
        batch.rows.extend(more.rows);
        batch.owners.extend(more.owners);
        batch.next = more.next;
        let Some(further) = further else { break };
        edge = further;
    }
    Ok(batch)
}

/// Returns a batch, and where it stopped looking if it isn't full.
async fn read_batch(db: &Database, list: List<'_>, reach: Reach, limit: usize) -> DbResult<(Batch, Option<Position>)> {
    let (rows, edge, owners) = scope::read(db, list.scope, async |connection: &AsyncPgConnection| {
        let (rows, _) = rows(connection, list, reach, limit).await?;
        let edge = match reach.rows().filter(|_| rows.len() < limit) {
            None => None,
            Some(looked_at) => edge(connection, list, looked_at).await?,
        };
        let owners = if *list.scope == Scope::All { owners(connection, &rows).await? } else { HashMap::new() };
        Ok((rows, edge, owners))
    })
    .await?;
    let last = rows.as_slice().last().filter(|_| rows.len() == limit);
    let next = last.map(|(row, _)| list.search.position(row));
    Ok((Batch { next, owners, rows: rows.into_iter().map(|(row, _)| row).collect() }, edge))
}

/// Returns how many BOLs match, up to `limit`.
pub async fn count_up_to(db: &Database, scope: &Scope, search: &Search, limit: usize) -> DbResult<Total> {
    let found = batch(db, scope, search, limit.saturating_add(1)).await?.rows.len();
    Ok(if found > limit { Total::MoreThan(limit as i64) } else { Total::Exactly(found as i64) })
}
