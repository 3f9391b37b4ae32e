//! Emails about a login from a device that the user has not used before, with a link that ends every session.
//!
//! A device is known by its browser and its network: one from which the user has logged in within the last 90 days.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sha2::{Digest, Sha256};

use super::factors::remembered;
use super::{Token, User, api_tokens, device_name, sessions, users};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::{audit_events, session_links};
use crate::db::{Database, DbResult, lower};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, LinkKey, SecurityNotice};

/// How long a device stays known.
const MEMORY: TimeDelta = TimeDelta::days(90);
/// How long the link works.
const LINK_LIFE: TimeDelta = TimeDelta::days(7);

/// A login that is about to be recorded.
pub(super) struct Login<'a> {
    pub user_id: i64,
    pub email: &'a str,
    pub name: &'a str,
    pub origin: &'a Origin,
}

impl Login<'_> {
    /// Whether the user has logged in with this browser from this network.
    async fn is_known(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<bool> {
        use audit_events::{action, ip, occurred_at, table, user_agent, user_email, user_id};
        let Some(network) = self.origin.ip.and_then(network) else { return Ok(true) };
        let before = table
            .filter(lower(user_email.assume_not_null()).eq(self.email.to_lowercase()))
            .filter(user_id.eq(self.user_id))
            .filter(action.eq(Action::LoginSucceeded.as_str()))
            .filter(occurred_at.gt(now - MEMORY))
            .filter(user_agent.eq(&self.origin.user_agent))
            .filter(ip.assume_not_null().is_contained_by_or_eq(network));
        diesel::select(exists(before)).get_result(connection).await
    }

    /// Queues the email, unless the device is known. The caller leaves out the first login of a user.
    pub async fn announce(&self, connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<()> {
        if self.is_known(connection, now).await? {
            return Ok(());
        }
        let seed = Token::generate()?;
        diesel::delete(session_links::table.filter(session_links::expires_at.le(now))).execute(connection).await?;
        let row = (
            session_links::seed_hash.eq(hash(seed.as_str())),
            session_links::user_id.eq(self.user_id),
            session_links::expires_at.eq(now + LINK_LIFE),
        );
        diesel::insert_into(session_links::table).values(row).execute(connection).await?;
        let notice = SecurityNotice::NewDevice {
            device: device_name(&self.origin.user_agent),
            ip: self.origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            at: now,
            seed: seed.as_str().to_owned(),
        };
        let to = To::new(self.email, Some(self.user_id));
        outbox::post(connection, now, to, &EmailTemplate::security(notice, self.name)).await
    }
}

/// The network of an address: a household, an office, or a cell of a phone's provider.
fn network(ip: IpAddr) -> Option<IpNet> {
    match ip {
        IpAddr::V4(ip) => Ipv4Net::new(ip, 24).ok().map(|net| net.trunc().into()),
        IpAddr::V6(ip) => Ipv6Net::new(ip, 64).ok().map(|net| net.trunc().into()),
    }
}

fn hash(seed: &str) -> Vec<u8> {
    Sha256::digest(seed.as_bytes()).to_vec()
}

/// Returns the seed of a link that the portal has sent, which is half of it.
fn seed<'a>(links: &LinkKey, token: &'a str) -> Option<&'a str> {
    let (seed, secret) = token.split_once('.')?;
    // Both are hashes, so their comparison tells nothing about them.
    (hash(secret) == hash(&links.secret(seed))).then_some(seed)
}

/// Returns the user of a link that still works.
pub async fn find(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    links: &LinkKey,
    token: &str,
) -> QueryResult<Option<User>> {
    let Some(seed) = seed(links, token) else { return Ok(None) };
    let link = session_links::table.find(hash(seed)).filter(session_links::expires_at.gt(now));
    let user_id: Option<i64> = link.select(session_links::user_id).first(connection).await.optional()?;
    match user_id {
        Some(id) => users::by_id(connection, id).await,
        None => Ok(None),
    }
}

/// Ends every session of the link's user and forgets the remembered devices. Uses up the user's links. Returns `false` if
/// the link no longer works.
pub async fn end_all_sessions(
    db: &Database,
    clock: &Clock,
    (links, origin): (&LinkKey, &Origin),
    token: &str,
) -> DbResult<bool> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let Some(user) = find(connection, clock.now(), links, token).await? else { return Ok(false) };
        users::lock(connection, user.id).await?;
        let theirs = session_links::table.filter(session_links::user_id.eq(user.id));
        if diesel::delete(theirs).execute(connection).await? == 0 {
            return Ok(false);
        }
        remembered::forget_all(connection, user.id).await?;
        let ended = sessions::end_all(connection, user.id).await?;
        // Someone else who logged in may have made one.
        let tokens = api_tokens::revoke_all(connection, clock.now(), user.id).await?;
        let actor = Actor::user(user.id, &user.email, &user.role);
        let event = Event::new(Action::SessionRevoked, Outcome::Success, actor, origin);
        audit::record(
            connection,
            &event.detail(serde_json::json!({"sessions": ended, "tokens": tokens, "by": "email link"})),
        )
        .await?;
        Ok(true)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_seed_with_its_signature() {
        let links = LinkKey::new(&crate::config::SecretKey::from_bytes(vec![7; 64]));
        let token = format!("seed.{}", links.secret("seed"));
        assert_eq!(seed(&links, &token), Some("seed"));
        for wrong in ["", ".", "seed", "seed.", &token[1..], &token[..token.len() - 1], &format!("{token}0")] {
            assert_eq!(seed(&links, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_network_is_that_of_an_office() {
        let network = |ip: &str| network(ip.parse().expect("an address")).expect("a network").to_string();
        assert_eq!(network("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
