//! Emails customers about documents that became visible to them, and reminds them of unfetched BOLs. Reminds users of API
//! tokens that end.
//!
//! The trigger `documents_notice` notes what becomes visible to whom. The email follows at least a minute later, so
//! that a stack of documents causes one email, and a corrected mistake causes none. Daily emails are sent a few minutes
//! after seven o'clock in the display time zone. Only one process sends at a time.

mod announce;
mod digest;
mod load;
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

use self::load::Load;
use crate::accounts::api_tokens;
use crate::clock::Clock;
use crate::db::schema::{notices, told};
use crate::db::{Database, DbResult};
use crate::documents::Kind;
use crate::mail::{Item, News, outbox};

/// The interval between checks of the notes.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The delay before a notice, during which further documents join it.
pub const HOLD: TimeDelta = TimeDelta::seconds(60);
/// The interval in which a kind of document of a BOL is announced only once.
pub const ONCE_IN: TimeDelta = TimeDelta::minutes(10);
/// Longer than any digest looks back.
const KEPT: TimeDelta = TimeDelta::days(8);
const MORNING: u32 = 7;
/// Transactions that began before the morning have ended by then, so their documents are not missed.
const SETTLED: TimeDelta = TimeDelta::minutes(5);
/// The number of checks after which the daily emails are checked.
const MORNING_CHECKS: u64 = 12;
/// The time after seven o'clock in which reminders are sent. After that, they wait for the next morning.
const REMINDING: TimeDelta = TimeDelta::hours(4);

/// Sends notices until it is dropped. Several processes may run it at once.
pub async fn run(db: Database, clock: Clock, zone: Tz) {
    for look in 0_u64.. {
        sleep(POLL_INTERVAL).await;
        let now = clock.now();
        let mut went_well = noted("can't announce new documents to customers", announce(&db, now).await);
        if look.is_multiple_of(MORNING_CHECKS) {
            went_well &= in_the_morning(&db, now, zone).await;
            let reminded = api_tokens::reminder::remind(&db, now).await;
            went_well &= noted("can't write emails about API tokens that end", reminded);
            went_well &= noted("can't delete old notices", clear(&db, now).await);
        }
        if !went_well {
            sleep(POLL_INTERVAL * 6).await;
        }
    }
}

/// Logs a failure. Returns whether there was none.
fn noted<T>(failure: &'static str, done: DbResult<T>) -> bool {
    if let Err(error) = &done {
        tracing::warn!(%error, "{failure}");
    }
    done.is_ok()
}

/// Sends the daily emails when it is time. A failure of one kind doesn't stop the other.
pub async fn in_the_morning(db: &Database, now: DateTime<Utc>, zone: Tz) -> bool {
    let Some(morning) = Morning::last(now - SETTLED, zone) else { return true };
    let mut went_well = noted("can't write daily emails", digest(db, now, morning.at).await);
    // Reminders switched on in the afternoon begin the next morning.
    if now - morning.at < REMINDING {
        went_well &= noted("can't write reminders", reminder::remind_when_due(db, now, morning).await);
    }
    went_well
}

/// Returns seven o'clock of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Morning {
    day: NaiveDate,
    zone: Tz,
    at: DateTime<Utc>,
}

impl Morning {
    /// Returns `None` where a time zone skips that hour.
    fn of(day: NaiveDate, zone: Tz) -> Option<Self> {
        let seven = day.and_time(NaiveTime::from_hms_opt(MORNING, 0, 0)?);
        Some(Self { day, zone, at: seven.and_local_timezone(zone).earliest()?.to_utc() })
    }

    fn last(now: DateTime<Utc>, zone: Tz) -> Option<Self> {
        let today = now.with_timezone(&zone).date_naive();
        Self::of(today, zone).filter(|morning| morning.at <= now).or_else(|| Self::of(today.pred_opt()?, zone))
    }

    /// Returns seven o'clock this many days earlier, even if a day has 23 or 25 hours.
    fn days_before(self, days: i32) -> DateTime<Utc> {
        let before = self.day - TimeDelta::days(days.into());
        Self::of(before, self.zone).map_or(self.at - TimeDelta::days(days.into()), |morning| morning.at)
    }
}

/// Deletes notes that no digest or correction needs anymore.
async fn clear(db: &Database, now: DateTime<Utc>) -> DbResult<()> {
    let connection = &mut *db.get().await?;
    let old = notices::table.filter(notices::visible_at.lt(now - KEPT)).filter(notices::told_at.is_not_null());
    diesel::delete(old).execute(connection).await?;
    diesel::delete(told::table.filter(told::told_at.lt(now - TimeDelta::days(1)))).execute(connection).await?;
    outbox::clear(connection, now).await?;
    Ok(())
}

/// A recipient for a company, with or without a login.
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

/// Returns the users of these companies with one of these settings, and the companies' other addresses. An address that
/// belongs to a login counts as the login.
async fn recipients(
    connection: &mut AsyncPgConnection,
    companies: &[i64],
    settings: &[&str],
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
    .bind::<Array<Text>, _>(settings)
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
    #[diesel(embed)]
    load: Load,
}

#[derive(Default)]
struct Bol<'a> {
    id: i64,
    is_void: bool,
    load: String,
    kinds: Vec<&'a str>,
}

/// Groups by company and BOL, with each kind of document once.
fn news<'a>(fresh: impl IntoIterator<Item = &'a Fresh>) -> Vec<News> {
    let mut companies: BTreeMap<(&str, i64), BTreeMap<&str, Bol<'_>>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for one in fresh {
        if seen.insert((one.customer_id, one.bol_id, one.kind.as_str())) {
            let bol = companies.entry((&one.company, one.customer_id)).or_default().entry(&one.number).or_default();
            (bol.id, bol.is_void, bol.load) = (one.bol_id, one.is_void, one.load.line());
            bol.kinds.push(one.kind.parse().map_or("Document", Kind::label));
        }
    }
    let item = |(number, bol): (&str, Bol<'_>)| {
        let what = bol.kinds.join(", ");
        let what = if bol.is_void { format!("{what} (void)") } else { what };
        Item { bol_id: bol.id, number: number.into(), what, load: bol.load }
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
            load: Load::default(),
        };
        let all = [
            fresh("Rival", "B-1", "bol"),
            fresh("Acme", "B-22", "bol"),
            fresh("Acme", "B-22", "bol"),
            fresh("Acme", "B-22", "invoice"),
        ];
        let item = |number: &str, what: &str| Item {
            bol_id: number.len() as i64,
            number: number.into(),
            what: what.into(),
            load: "0.00 net tons".into(),
        };
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
