//! The dashboard of the office: loads of the last weeks, and what needs attention.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::Action;
use crate::bols::settings::{self, ReminderThresholds};
use crate::db::replica::PAGE;
use crate::db::schema::{bols, customers, documents};
use crate::db::{Database, DbResult};
use crate::mail::outbox::{self, Failed};
use crate::notices::reminder::{self, LOOK_BACK, Uncollected};

/// Weeks of the chart, including the current one.
pub const WEEKS: u64 = 8;
/// Rows in a list of BOLs or emails. Further BOLs are counted.
pub const LISTED: usize = 10;
/// Customers with unfetched BOLs.
const CUSTOMERS: usize = 50;
/// The most BOLs that are counted. Above it the page says "more than".
pub const COUNTED: i64 = 1000;
/// How long an undelivered email is listed.
const MAIL: TimeDelta = TimeDelta::days(7);
/// How long a login is listed after it was limited.
const LIMITED: TimeDelta = TimeDelta::days(7);

/// Loads by BOL date, without voided ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub loads: i64,
    pub net_lb: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    pub monday: NaiveDate,
    pub loaded: Loaded,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct Unsigned {
    #[diesel(sql_type = Text)]
    pub number: String,
    #[diesel(sql_type = Date)]
    pub bol_date: NaiveDate,
    #[diesel(sql_type = Text)]
    pub product: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub customer: Option<String>,
}

/// A customer with the BOLs it has not fetched.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub code: String,
    pub name: String,
    pub remind: bool,
    pub reminded_at: Option<DateTime<Utc>>,
    pub bols: Vec<Uncollected>,
}

pub struct Dashboard {
    pub today: Loaded,
    /// The oldest first.
    pub weeks: Vec<Week>,
    pub inbox: i64,
    pub unassigned: i64,
    pub reminder_thresholds: ReminderThresholds,
    pub unsigned: Vec<Unsigned>,
    pub unsigned_count: i64,
    /// Those with the oldest BOL first, at most [`CUSTOMERS`].
    pub uncollected: Vec<Waiting>,
    pub uncollected_count: usize,
    pub uncollected_customers: usize,
    pub undelivered: Vec<Failed>,
    /// Logins that were refused because they asked for many BOLs that aren't theirs.
    pub limited: Vec<LimitedLogin>,
}

#[derive(Clone, Debug, QueryableByName)]
pub struct LimitedLogin {
    #[diesel(sql_type = Text)]
    pub email: String,
    #[diesel(sql_type = BigInt)]
    pub times: i64,
    #[diesel(sql_type = Timestamptz)]
    pub last: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Day {
    #[diesel(sql_type = Date)]
    bol_date: NaiveDate,
    #[diesel(sql_type = BigInt)]
    loads: i64,
    #[diesel(sql_type = BigInt)]
    net_lb: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

pub async fn load(db: &Database, now: DateTime<Utc>, today: NaiveDate) -> DbResult<Dashboard> {
    let mut connection = db.reader(PAGE).await.get().await?;
    let reminder_thresholds = settings::reminder_thresholds(&mut connection).await?;
    let (today_loaded, weeks) = loaded(&mut connection, today).await?;
    let (unsigned, unsigned_count) = unsigned(&mut connection, today, reminder_thresholds.unsigned_days).await?;
    let found = reminder::uncollected(&mut connection, now, reminder_thresholds.collect_days, COUNTED).await?;
    let uncollected_count = found.len();
    let (uncollected, uncollected_customers) = by_customer(&mut connection, found).await?;
    let inbox = documents::table
        .filter(documents::bol_id.is_null())
        .filter(documents::discarded_at.is_null())
        .filter(documents::cleaned_at.is_null())
        .filter(documents::state.eq("stored"))
        .count()
        .get_result(&mut connection)
        .await?;
    let unassigned = bols::table.filter(bols::customer_id.is_null()).count().get_result(&mut connection).await?;
    Ok(Dashboard {
        today: today_loaded,
        weeks,
        inbox,
        unassigned,
        reminder_thresholds,
        unsigned,
        unsigned_count,
        uncollected,
        uncollected_count,
        uncollected_customers,
        undelivered: outbox::failed(&mut connection, now - MAIL, LISTED as i64).await?,
        limited: limited(&mut connection, now - LIMITED).await?,
    })
}

async fn limited(connection: &mut AsyncPgConnection, since: DateTime<Utc>) -> QueryResult<Vec<LimitedLogin>> {
    diesel::sql_query(
        "SELECT coalesce(user_email, '') AS email, count(*) AS times, max(occurred_at) AS last FROM audit_events \
         WHERE action = $1 AND occurred_at >= $2 GROUP BY 1 ORDER BY last DESC LIMIT $3",
    )
    .bind::<Text, _>(Action::LookupsLimited.as_str())
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(LISTED as i64)
    .load(connection)
    .await
}

async fn loaded(connection: &mut AsyncPgConnection, today: NaiveDate) -> QueryResult<(Loaded, Vec<Week>)> {
    let this_monday = monday(today);
    let first = this_monday - Days::new(7 * (WEEKS - 1));
    let days: Vec<Day> = diesel::sql_query(
        "SELECT bol_date, count(*) AS loads, sum(net_lb)::bigint AS net_lb FROM bols \
         WHERE bol_date >= $1 AND bol_date <= $2 AND voided_at IS NULL GROUP BY bol_date",
    )
    .bind::<Date, _>(first)
    // A BOL may be dated ahead, until the end of this week.
    .bind::<Date, _>(this_monday + Days::new(6))
    .load(connection)
    .await?;
    let sum = |within: &dyn Fn(NaiveDate) -> bool| {
        days.iter().filter(|day| within(day.bol_date)).fold(Loaded::default(), |sum, day| Loaded {
            loads: sum.loads + day.loads,
            net_lb: sum.net_lb + day.net_lb,
        })
    };
    let weeks = (0..WEEKS).map(|week| {
        let start = first + Days::new(7 * week);
        Week { monday: start, loaded: sum(&|day| monday(day) == start) }
    });
    let weeks = weeks.collect();
    Ok((sum(&|day| day == today), weeks))
}

fn monday(day: NaiveDate) -> NaiveDate {
    day - Days::new(day.weekday().num_days_from_monday().into())
}

/// Returns BOLs that have no signed copy after this many days, oldest first.
async fn unsigned(
    connection: &mut AsyncPgConnection,
    today: NaiveDate,
    days: i32,
) -> QueryResult<(Vec<Unsigned>, i64)> {
    let from = today - TimeDelta::days(LOOK_BACK.num_days());
    let to = today - TimeDelta::days(days.into());
    const WHERE: &str = "FROM bols b LEFT JOIN customers c ON c.id = b.customer_id WHERE b.bol_date > $1 AND b.bol_date <= $2 \
         AND b.voided_at IS NULL AND NOT b.document_kinds @> '{signed-bol}'";
    let rows = diesel::sql_query(format!(
        "SELECT b.number, b.bol_date, b.product, c.name AS customer {WHERE} ORDER BY b.bol_date, b.id LIMIT $3"
    ))
    .bind::<Date, _>(from)
    .bind::<Date, _>(to)
    .bind::<Integer, _>(LISTED as i32)
    .load(connection)
    .await?;
    let count: Count = diesel::sql_query(format!("SELECT count(*) FROM (SELECT {WHERE} LIMIT $3) AS counted"))
        .bind::<Date, _>(from)
        .bind::<Date, _>(to)
        .bind::<BigInt, _>(COUNTED)
        .get_result(connection)
        .await?;
    Ok((rows, count.count))
}

type Named = (i64, String, String, bool, Option<DateTime<Utc>>);

/// Returns customers by their oldest unfetched BOL, and the number of all such customers.
async fn by_customer(
    connection: &mut AsyncPgConnection,
    found: Vec<Uncollected>,
) -> QueryResult<(Vec<Waiting>, usize)> {
    let mut order: Vec<i64> = Vec::new();
    let mut theirs: HashMap<i64, Vec<Uncollected>> = HashMap::new();
    for bol in found {
        let bols = theirs.entry(bol.customer_id).or_default();
        if bols.is_empty() {
            order.push(bol.customer_id);
        }
        bols.push(bol);
    }
    let customers_in_all = order.len();
    order.truncate(CUSTOMERS);
    let named: Vec<Named> = customers::table
        .filter(customers::id.eq_any(&order))
        .select((customers::id, customers::code, customers::name, customers::remind, customers::reminded_at))
        .load(connection)
        .await?;
    let mut named: HashMap<i64, Named> = named.into_iter().map(|customer| (customer.0, customer)).collect();
    let waiting = order.iter().filter_map(|id| {
        let (_, code, name, remind, reminded_at) = named.remove(id)?;
        Some(Waiting { code, name, remind, reminded_at, bols: theirs.remove(id)? })
    });
    Ok((waiting.collect(), customers_in_all))
}

#[cfg(test)]
mod tests {
    use super::monday;

    #[test]
    fn weeks_begin_on_monday() {
        for (day, expected) in
            [("2026-11-23", "2026-11-23"), ("2026-11-29", "2026-11-23"), ("2026-11-30", "2026-11-30")]
        {
            assert_eq!(monday(day.parse().expect("a day")), expected.parse().expect("a day"), "{day}");
        }
    }
}
