//! Slows the guessing of passwords without letting a stranger lock somebody out.
//!
//! Failures are counted in Postgres (every instance counts together) by three keys:
//!
//! * account and address together: after 5 failures this address waits for this account, 2 s, 4 s, … 15 min;
//! * address: after 30 failures over all accounts this address waits, likewise;
//! * account, from wherever: after 10 failures answers come up to 3 s late. Nobody is refused for what strangers
//!   elsewhere have typed, so nobody can be locked out.
//!
//! Fifteen quiet minutes forget everything. An unknown account is counted like a known one.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{case_when, sql};
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};

use crate::db::schema::login_throttles;

const MEMORY: TimeDelta = TimeDelta::minutes(15);
const FREE_FOR_ACCOUNT_AT_ADDRESS: i32 = 5;
const FREE_FOR_ADDRESS: i32 = 30;
const FREE_FOR_ACCOUNT: i32 = 10;
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
const LONGEST_DELAY: Duration = Duration::from_secs(3);

/// One attempt, as the keys it is counted under.
pub struct Attempt {
    account: Vec<u8>,
    address: Vec<u8>,
    account_at_address: Vec<u8>,
}

/// What an attempt has to put up with.
#[derive(Debug, PartialEq, Eq)]
pub enum Pace {
    /// Go on, but answer this much later.
    Go(Duration),
    /// Refused; try again after this.
    Wait(Duration),
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = login_throttles, check_for_backend(diesel::pg::Pg))]
struct Count {
    key: Vec<u8>,
    failures: i32,
    last_failed_at: DateTime<Utc>,
}

impl Attempt {
    pub fn new(email: &str, address: Option<IpAddr>) -> Self {
        let email = email.trim().to_lowercase();
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let key = |parts: &[&str]| Sha256::digest(parts.join("\0").as_bytes()).to_vec();
        Self {
            account: key(&["account", &email]),
            address: key(&["address", &address]),
            account_at_address: key(&["both", &email, &address]),
        }
    }

    /// Counts the attempt as failed before its password is looked at, so that a hundred at once are counted as a
    /// hundred; [`Attempt::succeeded`] takes it back. A refused attempt isn't counted.
    pub async fn begin(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Pace> {
        let before = self.counts(connection, now).await?;
        let wait = wait(before[0], FREE_FOR_ACCOUNT_AT_ADDRESS, now).max(wait(before[1], FREE_FOR_ADDRESS, now));
        if let Some(wait) = wait {
            return Ok(Pace::Wait(wait));
        }
        self.count(connection, now).await?;
        let after = self.counts(connection, now).await?;
        let crowded = |index: usize, free: i32| {
            let failures =
                |counts: &[Option<(i32, DateTime<Utc>)>; 3]| counts[index].map_or(0, |(failures, _)| failures);
            failures(&after) > free && failures(&after) > failures(&before) + 1
        };
        if crowded(0, FREE_FOR_ACCOUNT_AT_ADDRESS) || crowded(1, FREE_FOR_ADDRESS) {
            return Ok(Pace::Wait(Duration::from_secs(1)));
        }
        let over = after[2].map_or(0, |(failures, _)| failures - FREE_FOR_ACCOUNT).max(0);
        Ok(Pace::Go((Duration::from_millis(250) * over.unsigned_abs()).min(LONGEST_DELAY)))
    }

    pub async fn succeeded(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        use login_throttles::{failures, key, table};
        diesel::delete(table.filter(key.eq(&self.account_at_address))).execute(connection).await?;
        diesel::update(table.filter(key.eq_any([&self.account, &self.address])).filter(failures.gt(0)))
            .set(failures.eq(failures - 1))
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Failures and the time of the last, by (account at address, address, account); `None` once forgotten.
    async fn counts(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
    ) -> QueryResult<[Option<(i32, DateTime<Utc>)>; 3]> {
        let keys = [&self.account_at_address, &self.address, &self.account];
        let counts: Vec<Count> = login_throttles::table
            .select(Count::as_select())
            .filter(login_throttles::key.eq_any(keys))
            .filter(login_throttles::last_failed_at.gt(now - MEMORY))
            .load(connection)
            .await?;
        Ok(keys.map(|key| {
            counts.iter().find(|count| count.key == **key).map(|count| (count.failures, count.last_failed_at))
        }))
    }

    async fn count(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<()> {
        use login_throttles::{failures, key, last_failed_at, scope, table};
        let row = |name: &'static str, hash: &Vec<u8>| {
            (scope.eq(name), key.eq(hash.clone()), failures.eq(1), last_failed_at.eq(now))
        };
        diesel::insert_into(table)
            .values(vec![
                row("account", &self.account),
                row("account+address", &self.account_at_address),
                row("address", &self.address),
            ])
            .on_conflict((scope, key))
            .do_update()
            .set((
                failures.eq(case_when(last_failed_at.lt(now - MEMORY), sql::<Integer>("1")).otherwise(failures + 1)),
                last_failed_at.eq(excluded(last_failed_at)),
            ))
            .execute(connection)
            .await?;
        diesel::delete(table.filter(last_failed_at.lt(now - TimeDelta::days(1)))).execute(connection).await?;
        Ok(())
    }
}

/// One household or office has a /64 of IPv6 to itself, and 2^64 addresses to hide behind.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

fn wait(count: Option<(i32, DateTime<Utc>)>, free: i32, now: DateTime<Utc>) -> Option<Duration> {
    let (failures, last) = count?;
    let over = u32::try_from(failures - free).ok()?;
    let wait = TimeDelta::seconds(1 << over.min(10)).min(LONGEST_WAIT);
    (last + wait - now).to_std().ok().filter(|left| !left.is_zero()).filter(|_| over > 0 || failures >= free)
}
