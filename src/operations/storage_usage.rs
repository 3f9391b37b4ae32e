//! Storage usage by month, and an estimate of its cost from the prices that the office entered.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::replica::PAGE;
use crate::db::schema::{storage_months, storage_prices};
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

/// Counts of one month.
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
    let (prices, all, over) = {
        let mut connection = db.reader(PAGE).await.get().await?;
        let prices = prices(&mut connection).await?;
        let (all, over) = counted(&mut connection, now).await?;
        (prices, all, over)
    };
    if !over.is_empty() {
        keep(&mut *db.get().await?, &over).await?;
    }
    let (mut documents, mut stored, mut months) = (0, 0, Vec::new());
    for (first, counted) in all {
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

/// The counts of a month.
type Counts = Vec<(NaiveDate, Counted)>;

/// Returns the counts from the first month with a document to the current month, and those of them that are final and not
/// kept yet.
async fn counted(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<(Counts, Counts)> {
    #[derive(QueryableByName)]
    struct First {
        #[diesel(sql_type = Nullable<Date>)]
        month: Option<NaiveDate>,
    }
    let present = now.date_naive().with_day(1).unwrap_or_default();
    let first: First = diesel::sql_query(
        "SELECT date_trunc('month', greatest(min(created_at), '2020-01-01Z') AT TIME ZONE 'UTC')::date AS month FROM documents",
    )
    .get_result(connection)
    .await?;
    let known: Vec<(NaiveDate, i64, i64, i64, i64)> = storage_months::table.load(connection).await?;
    let mut month = first.month.unwrap_or(present).min(present);
    let (mut months, mut over) = (Vec::new(), Vec::new());
    while month <= present {
        let found = known.iter().find(|(known, ..)| *known == month);
        let counted = match found {
            Some((_, uploads, bytes, links, link_bytes)) => {
                Counted { uploads: *uploads, bytes: *bytes, links: *links, link_bytes: *link_bytes }
            }
            // Final a day after the month's end: an upload that spans midnight may be settled that late.
            None => {
                let counted = count(connection, month).await?;
                if month + Months::new(1) < (now - TimeDelta::days(1)).date_naive() {
                    over.push((month, counted));
                }
                counted
            }
        };
        months.push((month, counted));
        month = month + Months::new(1);
    }
    Ok((months, over))
}

async fn count(connection: &mut AsyncPgConnection, month: NaiveDate) -> QueryResult<Counted> {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    // A filed document leaves its object in the inbox: two objects, each counted in its own month.
    diesel::sql_query(
        "SELECT d.uploads + f.uploads AS uploads, (d.bytes + f.bytes)::bigint AS bytes, e.links, e.link_bytes FROM \
         (SELECT count(*) AS uploads, coalesce(sum(size_bytes), 0) AS bytes FROM documents \
          WHERE created_at >= $1 AND created_at < $2 AND state = 'stored') AS d, \
         (SELECT count(*) AS uploads, coalesce(sum(size_bytes), 0) AS bytes FROM documents \
          WHERE stored_at >= $1 AND stored_at < $2 AND arrived_key IS NOT NULL AND arrived_key <> object_key) AS f, \
         (SELECT count(*) AS links, coalesce(sum(d.size_bytes), 0)::bigint AS link_bytes \
          FROM audit_events e LEFT JOIN documents d ON d.id = e.document_id \
          WHERE e.occurred_at >= $1 AND e.occurred_at < $2 AND e.outcome = 'success' \
            AND e.action IN ('BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED')) AS e",
    )
    .bind::<Timestamptz, _>(midnight(month))
    .bind::<Timestamptz, _>(midnight(month + Months::new(1)))
    .get_result(connection)
    .await
}

/// Keeps the counts of months that are over.
async fn keep(connection: &mut AsyncPgConnection, over: &[(NaiveDate, Counted)]) -> QueryResult<usize> {
    let row = |(month, Counted { uploads, bytes, links, link_bytes }): &(NaiveDate, Counted)| {
        (
            storage_months::month.eq(*month),
            storage_months::uploads.eq(*uploads),
            storage_months::bytes.eq(*bytes),
            storage_months::links.eq(*links),
            storage_months::link_bytes.eq(*link_bytes),
        )
    };
    let rows: Vec<_> = over.iter().map(row).collect();
    diesel::insert_into(storage_months::table).values(rows).on_conflict_do_nothing().execute(connection).await
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
