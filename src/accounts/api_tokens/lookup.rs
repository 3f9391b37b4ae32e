//! Finds the user of a token, and counts the request, in one round trip.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Inet, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use ipnet::IpNet;

use super::ApiToken;
use super::refusal::{Refused, TokenError, refuse};
use super::scope;
use crate::accounts::viewer::{Company, Door, TokenGrant};
use crate::accounts::{Policy, Role, Viewer};
use crate::audit::Origin;
use crate::clock::Clock;
use crate::db::{Database, DbError};

/// Requests of one token in a minute, on all instances together.
pub const MAX_REQUESTS_PER_MINUTE: i32 = 600;
/// The precision of `last_used_at`, so that not every request writes a row that has to reach the disk.
const USED_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// What checking tokens needs.
#[derive(Clone, Copy)]
pub struct TokenChecker<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub policy: &'a Policy,
    pub origin: &'a Origin,
}

/// The user of a token that may be used, and how often it still may.
pub struct TokenCheck {
    pub viewer: Viewer,
    pub rate: RateUse,
}

/// The requests of a token in the current minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateUse {
    pub limit: i32,
    pub remaining: i32,
    /// Seconds until the next minute.
    pub reset_seconds: u32,
    pub is_exceeded: bool,
}

impl TokenChecker<'_> {
    /// Returns the token's owner with the rights of this moment. Records what it refuses.
    pub async fn check(&self, token: &ApiToken) -> Result<TokenCheck, TokenError> {
        let now = self.clock.now();
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let lookup = Lookup {
            hash: token.hash(),
            now,
            used_before: now - USED_AGAIN,
            minute,
            ip: self.origin.ip.map(Into::into),
            agent: &self.origin.user_agent,
            factor_roles: self.policy.roles_with_factor(),
            member_role: Role::Customer.as_str(),
        };
        let mut connection = self.db.get().await?;
        let found: Option<Found> = lookup.get_result(&mut connection).await.optional()?;
        let Some((token, owner, refusal, requests, companies)) = found else {
            return Err(refuse(&mut connection, now, self.origin, None).await?);
        };
        let Ok(role) = owner.2.parse::<Role>() else {
            return Err(DbError::Query(diesel::result::Error::DeserializationError("an unknown role".into())).into());
        };
        if let Some(reason) = refusal {
            let refused =
                Refused { token: (token.0, &token.2), owner: (token.1, &owner.0, role.as_str()), reason: &reason };
            return Err(refuse(&mut connection, now, self.origin, Some(refused)).await?);
        }
        Ok(TokenCheck { viewer: viewer((token, owner, role, companies)), rate: RateUse::new(requests, now, minute) })
    }
}

impl RateUse {
    fn new(requests: Option<i32>, now: DateTime<Utc>, minute: DateTime<Utc>) -> Self {
        let requests = requests.unwrap_or(i32::MAX);
        let left = (minute + TimeDelta::minutes(1) - now).num_milliseconds().max(0);
        Self {
            limit: MAX_REQUESTS_PER_MINUTE,
            remaining: MAX_REQUESTS_PER_MINUTE.saturating_sub(requests).max(0),
            reset_seconds: u32::try_from((left + 999) / 1000).unwrap_or(60).max(1),
            is_exceeded: requests > MAX_REQUESTS_PER_MINUTE,
        }
    }
}

fn viewer((token, owner, role, companies): (TokenRow, OwnerRow, Role, CompanyRows)) -> Viewer {
    let (id, user_id, name, scopes, created_at) = token;
    let (email, user_name, _, read_until) = owner;
    let (ids, codes, names, admins, required) = companies;
    let companies = ids.into_iter().zip(codes).zip(names).zip(admins.into_iter().zip(required));
    Viewer {
        user_id,
        door: Door::Token(TokenGrant { id, name, scopes: scope::read(&scopes) }),
        email,
        name: user_name,
        role,
        companies: companies
            .map(|(((id, code), name), (is_admin, factor_required))| Company {
                id,
                code,
                name,
                is_admin,
                factor_required,
            })
            .collect(),
        seeing_from: None,
        read_until: read_until.unwrap_or(created_at),
        proven_at: None,
        factor_due_at: None,
    }
}

type TokenRow = (i64, i64, String, Vec<String>, DateTime<Utc>);
type OwnerRow = (String, String, String, Option<DateTime<Utc>>);
type CompanyRows = (Vec<i64>, Vec<String>, Vec<String>, Vec<bool>, Vec<bool>);
type Found = (TokenRow, OwnerRow, Option<String>, Option<i32>, CompanyRows);

/// Selects a token with its owner, and counts the request unless it is refused.
struct Lookup<'a> {
    hash: Vec<u8>,
    now: DateTime<Utc>,
    used_before: DateTime<Utc>,
    minute: DateTime<Utc>,
    ip: Option<IpNet>,
    agent: &'a str,
    /// Roles whose logins must have a second factor.
    factor_roles: Vec<&'static str>,
    /// The role that needs a company.
    member_role: &'static str,
}

impl QueryFragment<Pg> for Lookup<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Parameters can't be repeated, so they are selected once.
        out.push_sql("WITH asked (hash, now, used_before, minute, ip, agent, factor_roles, member_role) AS (SELECT ");
        out.push_bind_param::<Bytea, _>(&self.hash)?;
        out.push_sql("::bytea, ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql("::timestamptz, ");
        out.push_bind_param::<Timestamptz, _>(&self.used_before)?;
        out.push_sql("::timestamptz, ");
        out.push_bind_param::<Timestamptz, _>(&self.minute)?;
        out.push_sql("::timestamptz, ");
        out.push_bind_param::<Nullable<Inet>, _>(&self.ip)?;
        out.push_sql("::inet, ");
        out.push_bind_param::<Text, _>(self.agent)?;
        out.push_sql("::text, ");
        out.push_bind_param::<Array<Text>, _>(&self.factor_roles)?;
        out.push_sql("::text[], ");
        out.push_bind_param::<Text, _>(self.member_role)?;
        out.push_sql("::text), ");
        out.push_sql(include_str!("lookup.sql"));
        Ok(())
    }
}

impl Query for Lookup<'_> {
    type SqlType = (
        (BigInt, BigInt, Text, Array<Text>, Timestamptz),
        (Text, Text, Text, Nullable<Timestamptz>),
        Nullable<Text>,
        Nullable<Integer>,
        (Array<BigInt>, Array<Text>, Array<Text>, Array<Bool>, Array<Bool>),
    );
}

// diesel caches the statement by its text.
impl QueryId for Lookup<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_says_how_many_requests_are_left_and_for_how_long() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let minute = at("2026-11-30T12:00:00Z");
        let rate = |requests, now| RateUse::new(requests, at(now), minute);
        let first = rate(Some(1), "2026-11-30T12:00:00.5Z");
        assert_eq!((first.remaining, first.reset_seconds, first.is_exceeded), (599, 60, false));
        let last = rate(Some(600), "2026-11-30T12:00:59.999Z");
        assert_eq!((last.remaining, last.reset_seconds, last.is_exceeded), (0, 1, false));
        assert!(rate(Some(601), "2026-11-30T12:00:30Z").is_exceeded);
        // Without a count, nothing is allowed.
        assert!(rate(None, "2026-11-30T12:00:30Z").is_exceeded);
    }
}
