//! Telling customers: mail about documents that have become visible to them, and reminders of BOLs that nobody fetched.
//!
//! The database notes what becomes visible to whom (its trigger `documents_notice`); here it is told, a minute later at
//! the earliest, so that a stack of documents is one mail and a mistake that is mended at once is none. What happens in
//! the morning is of seven o'clock in the display time zone, and is done a few minutes later. Of any number of processes
//! one tells at a time.

mod announce;
mod digest;
pub mod reminder;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

pub use announce::announce;
pub use digest::digest;

use crate::clock::Clock;
use crate::db::schema::{notices, told};
use crate::db::{Database, DbResult};
use crate::documents::Kind;
use crate::mail::{Item, News, outbox};

/// How soon something new is noticed.
const LOOK: Duration = Duration::from_secs(5);
/// What became visible is told after so long, with whatever else has by then.
pub const HOLD: TimeDelta = TimeDelta::seconds(60);
/// Nobody is told of the same kind of document of the same BOL twice in so long.
pub const ONCE_IN: TimeDelta = TimeDelta::minutes(10);
/// Longer than any digest looks back.
const KEPT: TimeDelta = TimeDelta::days(8);
const MORNING: u32 = 7;
/// A transaction that began before the morning has ended by then, so that what became visible in it isn't missed.
const SETTLED: TimeDelta = TimeDelta::minutes(5);
/// It is looked at the clock every so many looks.
const MORNING_LOOKS: u64 = 12;
/// Reminders that could not be sent in the morning wait for the next one.
const REMINDING: TimeDelta = TimeDelta::hours(4);
/// Held by whoever tells, so that of two instances each person hears once.
const TELLING: i64 = 0x7072_696d_6501;

/// Again and again, for as long as it is polled. Any number of processes may do so.
pub async fn run(db: Database, clock: Clock, zone: Tz) {
    for look in 0_u64.. {
        sleep(LOOK).await;
        let now = clock.now();
        let mut went_well = noted("customers could not be told what is new", announce(&db, now).await);
        if look.is_multiple_of(MORNING_LOOKS) {
            went_well &= in_the_morning(&db, now, zone).await;
            went_well &= noted("old notices could not be cleared away", clear(&db, now).await);
        }
        if !went_well {
            sleep(LOOK * 6).await;
        }
    }
}

/// Whether that went well; if not, the log says why.
fn noted<T>(trouble: &'static str, done: DbResult<T>) -> bool {
    if let Err(error) = &done {
        tracing::warn!(%error, "{trouble}");
    }
    done.is_ok()
}

/// The daily mails, if it is time for them. One that goes wrong doesn't keep the other.
pub async fn in_the_morning(db: &Database, now: DateTime<Utc>, zone: Tz) -> bool {
    let Some(morning) = Morning::last(now - SETTLED, zone) else { return true };
    let mut went_well = noted("daily mails could not be written", digest(db, now, morning.at).await);
    // Whoever wants reminders from the afternoon on is not reminded at once.
    if now - morning.at < REMINDING {
        went_well &= noted("reminders could not be written", reminder::remind_by_itself(db, now, morning).await);
    }
    went_well
}

/// Seven o'clock of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Morning {
    day: NaiveDate,
    zone: Tz,
    at: DateTime<Utc>,
}

impl Morning {
    /// `None` where a time zone leaves that hour out.
    fn of(day: NaiveDate, zone: Tz) -> Option<Self> {
        let seven = day.and_time(NaiveTime::from_hms_opt(MORNING, 0, 0)?);
        Some(Self { day, zone, at: seven.and_local_timezone(zone).earliest()?.to_utc() })
    }

    fn last(now: DateTime<Utc>, zone: Tz) -> Option<Self> {
        let today = now.with_timezone(&zone).date_naive();
        Self::of(today, zone).filter(|morning| morning.at <= now).or_else(|| Self::of(today.pred_opt()?, zone))
    }

    /// Seven o'clock so many days before, be they of 23 hours or of 25.
    fn days_before(self, days: i32) -> DateTime<Utc> {
        let before = self.day - TimeDelta::days(days.into());
        Self::of(before, self.zone).map_or(self.at - TimeDelta::days(days.into()), |morning| morning.at)
    }
}

/// Forgets what no digest and no correction asks for any more.
async fn clear(db: &Database, now: DateTime<Utc>) -> DbResult<()> {
    let connection = &mut *db.get().await?;
    let old = notices::table.filter(notices::visible_at.lt(now - KEPT)).filter(notices::told_at.is_not_null());
    diesel::delete(old).execute(connection).await?;
    diesel::delete(told::table.filter(told::told_at.lt(now - TimeDelta::days(1)))).execute(connection).await?;
    outbox::clear(connection, now).await?;
    Ok(())
}

/// Somebody to be told about a company, with or without a login.
#[derive(Clone, Debug, QueryableByName)]
struct Recipient {
    #[diesel(sql_type = Nullable<BigInt>)]
    user_id: Option<i64>,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    customer_id: i64,
}

/// Who of these companies has a login that works and wants mail as one of `wishes`, and the addresses besides; an address
/// that a login of the company has is the login's.
async fn recipients(
    connection: &mut AsyncPgConnection,
    companies: &[i64],
    wishes: &[&str],
) -> QueryResult<Vec<Recipient>> {
    use diesel::sql_types::Array;
    diesel::sql_query(
        "SELECT u.id AS user_id, u.email, u.name, m.customer_id FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.customer_id = ANY ($1) AND u.active AND u.role = 'customer' AND u.password_hash IS NOT NULL AND u.notify = ANY ($2) \
         UNION ALL \
         SELECT NULL, a.email, c.name, a.customer_id FROM notice_addresses a JOIN customers c ON c.id = a.customer_id \
         WHERE a.customer_id = ANY ($1) AND NOT EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id \
               WHERE m.customer_id = a.customer_id AND lower(u.email) = lower(a.email)) \
         ORDER BY 2",
    )
    .bind::<Array<BigInt>, _>(companies)
    .bind::<Array<Text>, _>(wishes)
    .load(connection)
    .await
}

/// A document that a company sees.
#[derive(Clone, Debug, QueryableByName)]
struct Fresh {
    #[diesel(sql_type = BigInt)]
    customer_id: i64,
    #[diesel(sql_type = Text)]
    company: String,
    #[diesel(sql_type = BigInt)]
    bol_id: i64,
    #[diesel(sql_type = Text)]
    number: String,
    #[diesel(sql_type = Bool)]
    is_void: bool,
    #[diesel(sql_type = Text)]
    kind: String,
}

#[derive(Default)]
struct Bol<'a> {
    id: i64,
    is_void: bool,
    kinds: Vec<&'a str>,
}

/// By company and BOL, each kind of document once.
fn news<'a>(fresh: impl IntoIterator<Item = &'a Fresh>) -> Vec<News> {
    let mut companies: BTreeMap<(&str, i64), BTreeMap<&str, Bol<'_>>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for one in fresh {
        if seen.insert((one.customer_id, one.bol_id, one.kind.as_str())) {
            let bol = companies.entry((&one.company, one.customer_id)).or_default().entry(&one.number).or_default();
            (bol.id, bol.is_void) = (one.bol_id, one.is_void);
            bol.kinds.push(one.kind.parse().map_or("Document", Kind::label));
        }
    }
    let item = |(number, bol): (&str, Bol<'_>)| {
        let what = bol.kinds.join(", ");
        let what = if bol.is_void { format!("{what} (void)") } else { what };
        Item { bol_id: bol.id, number: number.into(), what }
    };
    companies
        .into_iter()
        .map(|((company, customer_id), bols)| News {
            customer_id,
            company: company.into(),
            items: bols.into_iter().map(item).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mornings() {
        let zone = chrono_tz::America::New_York;
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let last = |text: &str| Morning::last(at(text), zone).map(|morning| morning.at);
        // Seven in New York is noon in winter and eleven in summer.
        assert_eq!(last("2026-11-25T11:59:59Z"), Some(at("2026-11-24T12:00:00Z")));
        assert_eq!(last("2026-11-25T12:00:00Z"), Some(at("2026-11-25T12:00:00Z")));
        assert_eq!(last("2026-07-01T11:30:00Z"), Some(at("2026-07-01T11:00:00Z")));
        assert_eq!(last("2026-11-25T03:00:00Z"), Some(at("2026-11-24T12:00:00Z")));
        // The clocks go back on November 1 and forward on March 8.
        for (now, days, before) in [
            ("2026-11-02T12:10:00Z", 3, "2026-10-30T11:00:00Z"),
            ("2026-03-09T11:10:00Z", 2, "2026-03-07T12:00:00Z"),
            ("2026-11-25T12:00:00Z", 0, "2026-11-25T12:00:00Z"),
        ] {
            let morning = Morning::last(at(now), zone).expect("a morning");
            assert_eq!(morning.days_before(days), at(before), "{now}");
        }
    }

    #[test]
    fn news_name_each_kind_once() {
        let fresh = |company: &str, number: &str, kind: &str| Fresh {
            customer_id: company.len() as i64,
            company: company.into(),
            bol_id: number.len() as i64,
            number: number.into(),
            is_void: number == "B-22",
            kind: kind.into(),
        };
        let all = [
            fresh("Rival", "B-1", "bol"),
            fresh("Acme", "B-22", "bol"),
            fresh("Acme", "B-22", "bol"),
            fresh("Acme", "B-22", "invoice"),
        ];
        let item =
            |number: &str, what: &str| Item { bol_id: number.len() as i64, number: number.into(), what: what.into() };
        assert_eq!(
            news(&all),
            [
                News {
                    customer_id: 4,
                    company: "Acme".into(),
                    items: vec![item("B-22", "Bill of lading, Invoice (void)")]
                },
                News { customer_id: 5, company: "Rival".into(), items: vec![item("B-1", "Bill of lading")] },
            ]
        );
    }
}
