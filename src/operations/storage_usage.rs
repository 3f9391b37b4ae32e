//! Storage usage by month, and an estimate of its cost from the prices that the office entered.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::replica::PAGE;
use crate::db::schema::{storage_days, storage_prices};
use crate::db::{Database, DbResult};

/// Months that the page shows, including the current one.
pub const SHOWN: usize = 12;
/// Bytes of a billed gigabyte. Amazon bills 2^30.
const GIGABYTE: i128 = 1 << 30;
/// Requests for each link: one HEAD and one GET.
const GETS_A_LINK: i128 = 2;

/// Amounts in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize)]
#[diesel(table_name = storage_prices, check_for_backend(diesel::pg::Pg))]
pub struct Prices {
    pub storage_gb_month: i64,
    pub put_thousand: i64,
    pub get_thousand: i64,
    pub egress_gb: i64,
}

/// Counts of a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, QueryableByName)]
pub struct Counted {
    #[diesel(sql_type = BigInt)]
    pub uploads: i64,
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
    /// Issued links. Only the bucket knows which were followed.
    #[diesel(sql_type = BigInt)]
    pub links: i64,
    /// Total size of their documents, in bytes.
    #[diesel(sql_type = BigInt)]
    pub link_bytes: i64,
}

/// Amounts in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub storage: i64,
    pub put: i64,
    pub get: i64,
    pub egress: i64,
}

impl Cost {
    pub fn total(self) -> i64 {
        self.storage + self.put + self.get + self.egress
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    pub first: NaiveDate,
    pub counted: Counted,
    /// Stored at the end of the month, in bytes.
    pub stored: i64,
    pub cost: Cost,
}

pub struct Usage {
    pub documents: i64,
    /// In bytes.
    pub stored: i64,
    /// The oldest first.
    pub months: Vec<Month>,
    pub prices: Prices,
}

pub async fn prices(connection: &mut AsyncPgConnection) -> QueryResult<Prices> {
    storage_prices::table.select(Prices::as_select()).first(connection).await
}

pub async fn change(db: &Database, prices: Prices, actor: Actor<'_>, origin: &Origin) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let row = storage_prices::table.for_no_key_update();
        let before: Prices = row.select(Prices::as_select()).first(connection).await?;
        if before == prices {
            return Ok(());
        }
        diesel::update(storage_prices::table).set(prices).execute(connection).await?;
        let event = Event::new(Action::SettingsChanged, Outcome::Success, actor, origin);
        Ok(audit::record(connection, &event.detail(json!({"before": before, "after": prices}))).await?)
    })
    .await
}

pub async fn usage(db: &Database, now: DateTime<Utc>) -> DbResult<Usage> {
    let (prices, counts) = {
        let mut connection = db.reader(PAGE).await.get().await?;
        (prices(&mut connection).await?, Counts::read(&mut connection, now).await?)
    };
    if !counts.final_days.is_empty() {
        keep(&mut *db.get().await?, &counts.final_days).await?;
    }
    let (mut documents, mut stored, mut months) = (0, 0, Vec::new());
    for (first, counted) in counts.months {
        documents += counted.uploads;
        stored += counted.bytes;
        months.push(Month { first, counted, stored, cost: prices.of(counted, stored) });
    }
    let shown = months.len().saturating_sub(SHOWN);
    Ok(Usage { documents, stored, months: months.split_off(shown), prices })
}

impl Prices {
    fn of(&self, counted: Counted, stored: i64) -> Cost {
        let part = |price: i64, amount: i128, unit: i128| {
            i64::try_from(i128::from(price) * amount / unit).unwrap_or(i64::MAX / 8)
        };
        Cost {
            storage: part(self.storage_gb_month, stored.into(), GIGABYTE),
            put: part(self.put_thousand, counted.uploads.into(), 1000),
            get: part(self.get_thousand, GETS_A_LINK * i128::from(counted.links), 1000),
            egress: part(self.egress_gb, counted.link_bytes.into(), GIGABYTE),
        }
    }
}

/// The counts of a day (UTC), or of all kept days of a month.
#[derive(QueryableByName)]
struct CountedDay {
    /// The day, or the last one.
    #[diesel(sql_type = Date)]
    day: NaiveDate,
    #[diesel(embed)]
    counted: Counted,
}

/// Counts by month and by day.
struct Counts {
    /// From the first month with a document to the current month.
    months: Vec<(NaiveDate, Counted)>,
    /// Days whose counts are final, and not kept yet.
    final_days: Vec<(NaiveDate, Counted)>,
}

impl Counts {
    /// Adds up the days that are kept, and counts those after them.
    async fn read(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Self> {
        let kept = kept(connection).await?;
        let next = kept.last().map(|month| month.day + Days::new(1));
        let next = match next {
            Some(next) => next,
            None => first_month(connection).await?.unwrap_or(now.date_naive()).min(now.date_naive()),
        };
        let recent = count_from(connection, next).await?;
        // Final a day after the day's end: an upload that spans midnight may be settled that late.
        let final_before = (now - TimeDelta::days(1)).date_naive();
        let of_day =
            |day| recent.iter().find(|counted| counted.day == day).map(|found| found.counted).unwrap_or_default();
        let final_days = next.iter_days().take_while(|day| *day < final_before).map(|day| (day, of_day(day))).collect();
        let all: Vec<&CountedDay> = kept.iter().chain(&recent).collect();
        let first = all.as_slice().first().map_or(next, |first| first.day).min(next);
        Ok(Self { months: by_month(&all, first_of_month(first), first_of_month(now.date_naive())), final_days })
    }
}

/// Adds up the days of each month, from the first to the last one.
fn by_month(days: &[&CountedDay], first: NaiveDate, last: NaiveDate) -> Vec<(NaiveDate, Counted)> {
    let months = std::iter::successors(Some(first), |month| Some(*month + Months::new(1)));
    let sum = |month: NaiveDate| {
        let theirs = days.iter().filter(|counted| first_of_month(counted.day) == month);
        theirs.fold(Counted::default(), |sum, day| sum.plus(day.counted))
    };
    months.take_while(|month| *month <= last).map(|month| (month, sum(month))).collect()
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

impl Counted {
    fn plus(self, other: Self) -> Self {
        Self {
            uploads: self.uploads + other.uploads,
            bytes: self.bytes + other.bytes,
            links: self.links + other.links,
            link_bytes: self.link_bytes + other.link_bytes,
        }
    }
}

/// The kept days, added up by month.
async fn kept(connection: &mut AsyncPgConnection) -> QueryResult<Vec<CountedDay>> {
    diesel::sql_query(
        "SELECT max(day) AS day, sum(uploads)::bigint AS uploads, sum(bytes)::bigint AS bytes, sum(links)::bigint AS links, \
         sum(link_bytes)::bigint AS link_bytes FROM storage_days GROUP BY date_trunc('month', day) ORDER BY 1",
    )
    .load(connection)
    .await
}

/// The first day of the month of the first document.
async fn first_month(connection: &mut AsyncPgConnection) -> QueryResult<Option<NaiveDate>> {
    #[derive(QueryableByName)]
    struct First {
        #[diesel(sql_type = Nullable<Date>)]
        month: Option<NaiveDate>,
    }
    let first: First = diesel::sql_query(
        "SELECT date_trunc('month', greatest(min(created_at), '2020-01-01Z') AT TIME ZONE 'UTC')::date AS month FROM documents",
    )
    .get_result(connection)
    .await?;
    Ok(first.month)
}

/// Counts the days from this one on. Days on which nothing happened are missing.
async fn count_from(connection: &mut AsyncPgConnection, first: NaiveDate) -> QueryResult<Vec<CountedDay>> {
    // A filed document leaves its object in the inbox: two objects, each counted on its own day.
    diesel::sql_query(
        "SELECT day, sum(uploads)::bigint AS uploads, sum(bytes)::bigint AS bytes, sum(links)::bigint AS links, \
         sum(link_bytes)::bigint AS link_bytes FROM \
         (SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS uploads, coalesce(sum(size_bytes), 0) AS bytes, \
          0 AS links, 0 AS link_bytes FROM documents WHERE created_at >= $1 AND state = 'stored' GROUP BY 1 \
          UNION ALL \
          SELECT (stored_at AT TIME ZONE 'UTC')::date, count(*), coalesce(sum(size_bytes), 0), 0, 0 FROM documents \
          WHERE stored_at >= $1 AND arrived_key IS NOT NULL AND arrived_key <> object_key GROUP BY 1 \
          UNION ALL \
          SELECT (e.occurred_at AT TIME ZONE 'UTC')::date, 0, 0, count(*), coalesce(sum(d.size_bytes), 0) \
          FROM audit_events e LEFT JOIN documents d ON d.id = e.document_id \
          WHERE e.occurred_at >= $1 AND e.outcome = 'success' \
            AND e.action IN ('BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED') GROUP BY 1) AS counted \
         GROUP BY day ORDER BY day",
    )
    .bind::<Timestamptz, _>(first.and_time(NaiveTime::MIN).and_utc())
    .load(connection)
    .await
}

/// Keeps the counts of days that are over.
async fn keep(connection: &mut AsyncPgConnection, days: &[(NaiveDate, Counted)]) -> QueryResult<usize> {
    let row = |(day, Counted { uploads, bytes, links, link_bytes }): &(NaiveDate, Counted)| {
        (
            storage_days::day.eq(*day),
            storage_days::uploads.eq(*uploads),
            storage_days::bytes.eq(*bytes),
            storage_days::links.eq(*links),
            storage_days::link_bytes.eq(*link_bytes),
        )
    };
    let rows: Vec<_> = days.iter().map(row).collect();
    diesel::insert_into(storage_days::table).values(rows).on_conflict_do_nothing().execute(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_price_list() {
        let prices = Prices { storage_gb_month: 23_000, put_thousand: 5000, get_thousand: 400, egress_gb: 90_000 };
        let counted = Counted { uploads: 1400, bytes: 0, links: 1000, link_bytes: 1 << 30 };
        let cost = prices.of(counted, 10 << 30);
        assert_eq!(cost, Cost { storage: 230_000, put: 7000, get: 800, egress: 90_000 });
        assert_eq!(cost.total(), 327_800);
        assert_eq!(prices.of(Counted::default(), 0).total(), 0);
    }
}
