//! Slows down password guessing without letting a stranger lock out a user.
//!
//! Postgres counts failures, so that all instances count together. There are three keys:
//!
//! - account and address: after 5 failures, attempts are refused for 2 s, 4 s, … 30 s;
//! - address: after 30 failures on any accounts, the same;
//! - account: after 10 failures from any address, responses are delayed by up to 3 s, and no attempt is refused.
//!
//! A browser in which the account has logged in before ([`super::device`]) has a count of its own. A stranger at the
//! same address therefore can't delay the owner.
//!
//! Wrong codes of a second factor are counted by login and network, and by login alone: after 5 and 10 failures, attempts
//! are refused for up to 5 minutes, and counts last a day. An attacker who reaches that count knows the password, so a new password ends the attack.
//! Browsers that are known for the login have a count of their own here too.
//!
//! Refused passkeys are counted by login and network, and by network, like passwords. Refused API tokens are counted by
//! network, each token for itself.
//!
//! At one guess per 30 s, a 15-character password that is on no common-password list is safe. Every count resets after
//! 15 minutes without a failure. Unknown accounts are counted like known ones.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use diesel::dsl::{case_when, sql};
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use super::device::Device;
use crate::db::schema::login_throttles;

const MEMORY: TimeDelta = TimeDelta::minutes(15);
/// A pause must not make guessing a short code cheaper. The same as the age at which rows are deleted.
const MEMORY_OF_CODES: TimeDelta = TimeDelta::days(1);
const FREE_FOR_ACCOUNT_AT_ADDRESS: i32 = 5;
const FREE_FOR_DEVICE: i32 = 5;
const FREE_FOR_ADDRESS: i32 = 30;
const FREE_FOR_ACCOUNT: i32 = 10;
const FREE_RESETS_FOR_ADDRESS: i32 = 10;
const FREE_CODES_AT_ADDRESS: i32 = 5;
const FREE_CODES: i32 = 10;
const FREE_CODES_OF_DEVICES: i32 = 20;
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(30);
/// At one guess per 5 minutes, a year of guessing finds a code of six digits with a chance of one in three.
const LONGEST_WAIT_FOR_CODE: TimeDelta = TimeDelta::minutes(5);
const MAX_DELAY: Duration = Duration::from_secs(3);
/// Responses that must not leak timing are delayed to a multiple of this. Hides hashes up to 40 times slower than
/// today's.
const TIMING_STEP: Duration = Duration::from_secs(1);

/// One attempt: the keys it is counted under, and its time.
pub struct Attempt {
    counted: Vec<Counted>,
    begun: Option<DateTime<Utc>>,
    memory: TimeDelta,
    /// The highest count, with this attempt.
    failures: i32,
}

struct Counted {
    scope: &'static str,
    key: Vec<u8>,
    rule: Rule,
    /// Whether a success resets the count. Otherwise it undoes only its own increment, because others share the key.
    cleared: bool,
    /// The time of the previous failure.
    last_failed_at: Option<DateTime<Utc>>,
}

/// The limit and the delays of a key.
#[derive(Clone, Copy)]
enum Rule {
    Wait(i32),
    /// The same with a longer wait, for codes that are short.
    WaitLonger(i32),
    Delay(i32),
}

impl Rule {
    /// The number of free failures and the longest wait of a rule that refuses.
    fn refusal(self) -> Option<(i32, TimeDelta)> {
        match self {
            Self::Wait(free) => Some((free, LONGEST_WAIT)),
            Self::WaitLonger(free) => Some((free, LONGEST_WAIT_FOR_CODE)),
            Self::Delay(_) => None,
        }
    }
}

/// Whether an attempt may proceed.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Proceed, and delay the response by this.
    Allow(Duration),
    /// Refuse. The user may try again after this.
    Refuse(Duration),
}

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = login_throttles, check_for_backend(diesel::pg::Pg))]
struct Count {
    key: Vec<u8>,
    failures: i32,
    last_failed_at: DateTime<Utc>,
}

impl Counted {
    fn new(scope: &'static str, parts: &[&str], rule: Rule, cleared: bool) -> Self {
        let key = Sha256::digest([&[scope], parts].concat().join("\0").as_bytes()).to_vec();
        Self { scope, key, rule, cleared, last_failed_at: None }
    }
}

impl Attempt {
    /// Sorts the keys, because every statement locks its rows in this order, so that two attempts never deadlock.
    fn counting(mut counted: Vec<Counted>) -> Self {
        counted.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        Self { counted, begun: None, memory: MEMORY, failures: 0 }
    }

    /// How often attempts like this one have failed in a row, if this one fails too.
    pub fn failures(&self) -> i32 {
        self.failures
    }

    /// A login by single sign-on that fails. Anyone can make one up, so this spares the log.
    pub fn sso(address: Option<IpAddr>) -> Self {
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        Self::counting(vec![Counted::new("sso", &[&address], Rule::Wait(FREE_FOR_ADDRESS), false)])
    }

    /// Takes `email` in its normalized spelling.
    pub fn new(email: &str, address: Option<IpAddr>, device: Option<&Device>) -> Self {
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let counted = match device {
            Some(device) => {
                vec![Counted::new("device", &[email, device.as_str()], Rule::Wait(FREE_FOR_DEVICE), true)]
            }
            None => vec![
                Counted::new("account", &[email], Rule::Delay(FREE_FOR_ACCOUNT), false),
                Counted::new("account+address", &[email, &address], Rule::Wait(FREE_FOR_ACCOUNT_AT_ADDRESS), true),
                Counted::new("address", &[&address], Rule::Wait(FREE_FOR_ADDRESS), false),
            ],
        };
        Self::counting(counted)
    }

    /// An attempt of a logged-in user who is asked for the password again.
    pub fn of_user(user_id: i64) -> Self {
        let parts = ["user", &user_id.to_string()];
        let counted = vec![Counted::new("device", &parts, Rule::Wait(FREE_FOR_DEVICE), true)];
        Self::counting(counted)
    }

    /// A typed code of a second factor.
    pub fn code(user_id: i64, address: Option<IpAddr>, device: Option<&Device>) -> Self {
        let user = user_id.to_string();
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let counted = match device {
            Some(device) => {
                let parts = [user.as_str(), device.as_str()];
                vec![
                    Counted::new("factor+device", &parts, Rule::WaitLonger(FREE_CODES_AT_ADDRESS), true),
                    // An attacker with the password can have collected many devices.
                    Counted::new("factor+device", &[&user], Rule::WaitLonger(FREE_CODES_OF_DEVICES), true),
                ]
            }
            None => vec![
                Counted::new("factor", &[&user, &address], Rule::WaitLonger(FREE_CODES_AT_ADDRESS), true),
                Counted::new("factor", &[&user], Rule::WaitLonger(FREE_CODES), true),
            ],
        };
        Self { memory: MEMORY_OF_CODES, ..Self::counting(counted) }
    }

    /// An answer of a passkey. `None`: it names no user. Nobody guesses a signature, so this spares the log, not the user.
    pub fn passkey(user_id: Option<i64>, address: Option<IpAddr>) -> Self {
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let user = user_id.map(|user_id| {
            let parts = [address.as_str(), &user_id.to_string()];
            Counted::new("passkey", &parts, Rule::Wait(FREE_FOR_ACCOUNT_AT_ADDRESS), true)
        });
        let network = Counted::new("passkey", &[&address], Rule::Wait(FREE_FOR_ADDRESS), false);
        Self::counting(user.into_iter().chain([network]).collect())
    }

    /// A refused API token. 256 bits can't be guessed, so this spares the log. A token that exists has a count of its own, which
    /// the unknown tokens of others at its address don't touch.
    pub fn token(token_id: Option<i64>, address: Option<IpAddr>) -> Self {
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let token = token_id.map(|id| id.to_string()).unwrap_or_default();
        Self::counting(vec![Counted::new("token", &[&address, &token], Rule::Wait(FREE_FOR_ADDRESS), false)])
    }

    /// A request for a password reset link. Every request counts.
    pub fn reset(address: Option<IpAddr>) -> Self {
        let address = address.map(network).map(|address| address.to_string()).unwrap_or_default();
        let counted = vec![Counted::new("reset", &[&address], Rule::Wait(FREE_RESETS_FOR_ADDRESS), false)];
        Self::counting(counted)
    }

    /// Counts the attempt as failed before the password is verified, so that concurrent attempts can't slip under the
    /// limit. [`Attempt::succeeded`] undoes it. A refused attempt is not counted.
    pub async fn begin(&mut self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Decision> {
        // Truncated to Postgres's precision, so that `succeeded` can match it.
        let now = now.trunc_subsecs(6);
        let before = self.counts(connection, now).await?;
        let waits = self.counted.iter().zip(&before).filter_map(|(counted, before)| {
            let (free, longest) = counted.rule.refusal()?;
            wait(before.as_ref()?, (free, longest), now)
        });
        if let Some(longest) = waits.max() {
            return Ok(Decision::Refuse(longest));
        }
        self.begun = Some(now);
        for (counted, before) in self.counted.iter_mut().zip(&before) {
            counted.last_failed_at = before.as_ref().map(|count| count.last_failed_at);
        }
        self.count(connection, now).await?;
        let after = self.counts(connection, now).await?;
        let failures = |count: &Option<Count>| count.as_ref().map_or(0, |count| count.failures);
        let mut delay = Duration::ZERO;
        for (counted, (before, after)) in self.counted.iter().zip(before.iter().zip(&after)) {
            let (before, after) = (failures(before), failures(after));
            self.failures = self.failures.max(after);
            match counted.rule {
                // Other attempts came in between, and together they exceed the limit.
                Rule::Wait(free) | Rule::WaitLonger(free) if after > free && after > before + 1 => {
                    return Ok(Decision::Refuse(Duration::from_secs(1)));
                }
                Rule::Wait(_) | Rule::WaitLonger(_) => {}
                Rule::Delay(free) => delay = Duration::from_millis(250) * (after - free).max(0).unsigned_abs(),
            }
        }
        Ok(Decision::Allow(delay.min(MAX_DELAY)))
    }

    /// Returns whether this is the first refusal since the last attempt that was let through. Only that one is
    /// recorded, because anyone can cause any number of refusals.
    pub async fn is_first_refusal(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
        use login_throttles::{key, last_failed_at, refused_at, scope, table};
        let waiting = || self.counted.iter().filter(|counted| counted.rule.refusal().is_some());
        let row = diesel::alias!(login_throttles as row);
        let (refused, failed) = (row.field(refused_at), row.field(last_failed_at));
        let unmarked = row
            .select(row.field(key))
            .filter(row.field(scope).eq_any(waiting().map(|counted| counted.scope)))
            .filter(row.field(key).eq_any(waiting().map(|counted| counted.key.as_slice())))
            .filter(refused.is_null().or(refused.assume_not_null().lt(failed)))
            .order(row.field(key))
            .for_update();
        let marked = table.filter(scope.eq_any(waiting().map(|counted| counted.scope))).filter(key.eq_any(unmarked));
        let marked = diesel::update(marked).set(refused_at.eq(now)).execute(connection).await?;
        Ok(marked > 0)
    }

    /// After a success, resets the counts of this user alone. In counts that others share, undoes this attempt's
    /// increment and restores the previous failure time.
    pub async fn succeeded(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        use login_throttles::{key, scope, table};
        for counted in &self.counted {
            if counted.cleared {
                let row = table.filter(scope.eq(counted.scope)).filter(key.eq(&counted.key));
                diesel::delete(row).execute(connection).await?;
            } else {
                self.undo(connection, counted).await?;
            }
        }
        Ok(())
    }

    /// Undoes this attempt's increment: its password was not verified.
    pub async fn withdraw(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        for counted in &self.counted {
            self.undo(connection, counted).await?;
        }
        Ok(())
    }

    async fn undo(&self, connection: &mut AsyncPgConnection, counted: &Counted) -> QueryResult<()> {
        use login_throttles::{failures, key, last_failed_at, scope, table};
        let row = table.filter(scope.eq(counted.scope)).filter(key.eq(&counted.key));
        diesel::update(row.filter(failures.gt(0))).set(failures.eq(failures - 1)).execute(connection).await?;
        if let (Some(begun), Some(before)) = (self.begun, counted.last_failed_at) {
            // Unless another attempt has failed since.
            let ours = row.filter(last_failed_at.eq(begun));
            diesel::update(ours).set(last_failed_at.eq(before)).execute(connection).await?;
        }
        Ok(())
    }

    /// Returns the counts in the order of the keys. `None` if there was no failure within the memory.
    async fn counts(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Option<Count>>> {
        let keys: Vec<&[u8]> = self.counted.iter().map(|counted| counted.key.as_slice()).collect();
        let counts: Vec<Count> = login_throttles::table
            .select(Count::as_select())
            .filter(login_throttles::scope.eq_any(self.counted.iter().map(|counted| counted.scope)))
            .filter(login_throttles::key.eq_any(keys))
            .filter(login_throttles::last_failed_at.gt(now - self.memory))
            .load(connection)
            .await?;
        Ok(self.counted.iter().map(|counted| counts.iter().find(|count| count.key == counted.key).cloned()).collect())
    }

    async fn count(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<()> {
        use login_throttles::{failures, key, last_failed_at, scope, table};
        let row = |counted: &Counted| {
            (scope.eq(counted.scope), key.eq(counted.key.clone()), failures.eq(1), last_failed_at.eq(now))
        };
        diesel::insert_into(table)
            .values(self.counted.iter().map(row).collect::<Vec<_>>())
            .on_conflict((scope, key))
            .do_update()
            .set((
                failures
                    .eq(case_when(last_failed_at.lt(now - self.memory), sql::<Integer>("1")).otherwise(failures + 1)),
                last_failed_at.eq(excluded(last_failed_at)),
            ))
            .execute(connection)
            .await?;
        // Another attempt may hold some of these rows, and wait for others of them.
        let (row, day_ago) = (diesel::alias!(login_throttles as row), now - TimeDelta::days(1));
        let old = row.select(row.field(key)).filter(row.field(last_failed_at).lt(day_ago)).for_update().skip_locked();
        diesel::delete(table.filter(last_failed_at.lt(day_ago)).filter(key.eq_any(old))).execute(connection).await?;
        Ok(())
    }
}

/// Sleeps until a whole number of seconds after `started`.
pub(super) async fn finish_on_whole_second(started: Instant) {
    let steps = (Instant::now() - started).as_millis() / TIMING_STEP.as_millis() + 1;
    sleep_until(started + TIMING_STEP * u32::try_from(steps).unwrap_or(u32::MAX)).await;
}

/// Uses the /64 of an IPv6 address: one household or office has 2^64 addresses.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

fn wait(count: &Count, (free, longest): (i32, TimeDelta), now: DateTime<Utc>) -> Option<Duration> {
    let over = u32::try_from(count.failures - free).ok()?;
    let wait = TimeDelta::seconds(2 << over.min(10)).min(longest);
    (count.last_failed_at + wait - now).to_std().ok().filter(|left| !left.is_zero())
}
