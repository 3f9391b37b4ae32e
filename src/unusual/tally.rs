//! Counts the events of an hour by login, visitor and token.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::finding::{Reason, Token};
use super::hour::LogEntry;
use super::thresholds::Thresholds;
use crate::audit::{Action, Outcome};

/// A token that is used from two networks within this time may have been copied.
pub(super) const TOKEN_WINDOW: TimeDelta = TimeDelta::minutes(10);
/// The networks of one login or token that are compared. A phone changes them, but not so often.
const MAX_NETWORKS: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub thresholds: Thresholds,
    /// The display time zone, in which it is night.
    pub zone: Tz,
}

/// A user as the log names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Login {
    pub id: i64,
    /// In lower case.
    pub email: String,
}

pub(super) struct Tallies {
    /// The beginning of the hour. Of earlier events, only what programs did counts.
    hour: DateTime<Utc>,
    rules: Rules,
    pub logins: BTreeMap<Login, Activity>,
    /// What visitors without a login were denied, by address.
    pub visitors: BTreeMap<IpAddr, Activity>,
    pub tokens: BTreeMap<Token, TokenUse>,
}

/// What one login or visitor did in the hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    documents: HashSet<i64>,
    documents_at_night: HashSet<i64>,
    pub networks: BTreeSet<IpNet>,
    /// Denied events since the last success.
    denied: i64,
    most_denied: i64,
}

/// Where one token was used.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenUse {
    /// The email address of its owner.
    pub owner: String,
    /// When each network was seen last.
    last_use: BTreeMap<IpNet, DateTime<Utc>>,
    pub reason: Option<Reason>,
}

/// A household, an office, or the network of a provider: /24 of IPv4, /48 of IPv6.
pub(super) fn network(ip: IpAddr) -> Option<IpNet> {
    match ip {
        IpAddr::V4(ip) => Ipv4Net::new(ip, 24).ok().map(|net| net.trunc().into()),
        IpAddr::V6(ip) => Ipv6Net::new(ip, 48).ok().map(|net| net.trunc().into()),
    }
}

impl Tallies {
    pub fn new(hour: DateTime<Utc>, rules: Rules) -> Self {
        Self { hour, rules, logins: BTreeMap::new(), visitors: BTreeMap::new(), tokens: BTreeMap::new() }
    }

    /// Counts an event. Events come in the order of their time.
    pub fn add(&mut self, entry: LogEntry) {
        self.follow_token(&entry);
        if entry.occurred_at < self.hour {
            return;
        }
        let rules = self.rules;
        if let (Some(id), Some(email)) = (entry.user_id, &entry.user_email) {
            let login = Login { id, email: email.clone() };
            self.logins.entry(login).or_default().add(&entry, &rules);
        } else if let Some(ip) = entry.ip.filter(|_| entry.user_id.is_none()) {
            self.visitors.entry(ip.addr()).or_default().follow_refusals(&entry);
        }
    }

    fn follow_token(&mut self, entry: &LogEntry) {
        let (Some(id), Some(name)) = (entry.token_id.as_ref().and_then(|id| id.parse().ok()), &entry.token_name) else {
            return;
        };
        let (Some(network), Some(owner)) = (entry.ip.and_then(|ip| network(ip.addr())), &entry.user_email) else {
            return;
        };
        if entry.uses_token() {
            let token = self.tokens.entry(Token { id, name: name.clone() }).or_default();
            token.owner.clone_from(owner);
            token.used(network, entry.occurred_at, entry.occurred_at >= self.hour);
        }
    }
}

impl LogEntry {
    fn is(&self, action: Action) -> bool {
        self.action == action.as_str()
    }

    fn is_success(&self) -> bool {
        self.outcome == Outcome::Success.as_str()
    }

    /// Whether a document reached the user. The fetch of a link belongs to the event that issued the link.
    fn is_fetch(&self) -> bool {
        self.is_success()
            && !self.is(Action::LinkFetched)
            && Action::DOWNLOADS.into_iter().any(|download| self.is(download))
    }

    /// Whether the program sent the request. Users make and revoke tokens, and browsers follow links of programs.
    fn uses_token(&self) -> bool {
        ![Action::TokenCreated, Action::TokenRevoked, Action::LinkFetched].into_iter().any(|action| self.is(action))
    }
}

impl Activity {
    fn add(&mut self, entry: &LogEntry, rules: &Rules) {
        if entry.is_fetch() {
            self.documents.insert(entry.document);
            if entry.token_id.is_none() && rules.thresholds.is_night(entry.occurred_at, rules.zone) {
                self.documents_at_night.insert(entry.document);
            }
        }
        // A program may hand its link to a browser anywhere.
        let is_own = entry.token_id.is_none() || !entry.is(Action::LinkFetched);
        if let Some(ip) = entry.ip.filter(|_| entry.is_success() && is_own && self.networks.len() < MAX_NETWORKS) {
            self.networks.extend(network(ip.addr()));
        }
        // Anyone who has a link can follow it.
        if !entry.is(Action::LinkFetched) {
            self.follow_refusals(entry);
        }
    }

    fn follow_refusals(&mut self, entry: &LogEntry) {
        if entry.is_success() {
            self.denied = 0;
        } else if entry.outcome == Outcome::Denied.as_str() {
            self.denied += 1;
            self.most_denied = self.most_denied.max(self.denied);
        }
    }

    pub fn documents(&self) -> i64 {
        count(&self.documents)
    }

    pub fn many_documents(&self, rules: &Rules) -> Option<Reason> {
        let (documents, threshold) = (self.documents(), rules.thresholds.unusual_documents.into());
        (documents > threshold).then_some(Reason::ManyDocuments { documents, threshold })
    }

    pub fn at_night(&self, rules: &Rules) -> Option<Reason> {
        let Thresholds { night_from: from, night_until: until, .. } = rules.thresholds;
        let (documents, zone) = (count(&self.documents_at_night), rules.zone.name().to_owned());
        (documents > 0).then_some(Reason::AtNight { documents, from, until, zone })
    }

    pub fn denied_in_a_row(&self, rules: &Rules) -> Option<Reason> {
        let (denied, threshold) = (self.most_denied, rules.thresholds.unusual_denied.into());
        (denied >= threshold).then_some(Reason::DeniedInARow { denied, threshold })
    }
}

fn count(documents: &HashSet<i64>) -> i64 {
    i64::try_from(documents.len()).unwrap_or(i64::MAX)
}

impl TokenUse {
    /// `in_hour`: an earlier use counts only together with one in the hour.
    fn used(&mut self, network: IpNet, at: DateTime<Utc>, in_hour: bool) {
        let others = self.last_use.iter().filter(|(other, last)| **other != network && at - **last <= TOKEN_WINDOW);
        if let Some((other, last)) = others.max_by_key(|(_, last)| **last).filter(|_| in_hour && self.reason.is_none())
        {
            let networks = [other.to_string(), network.to_string()];
            self.reason = Some(Reason::TokenFromTwoNetworks { networks, seconds: (at - *last).num_seconds() });
        }
        if self.last_use.len() < MAX_NETWORKS || self.last_use.contains_key(&network) {
            self.last_use.insert(network, at);
        }
    }
}
