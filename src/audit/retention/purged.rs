//! The records of purges: positions of the tree whose events may be missing.
//!
//! Only sealed records that the portal itself wrote count, so that a forged row can't hide a deletion.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};

use super::cutoff;
use crate::audit::{Action, Outcome};
use crate::clock::Clock;
use crate::db::schema::{audit_events, audit_leaves};

/// A range of positions, `to` not included, whose events were all older than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    pub from: u64,
    pub to: u64,
    pub before: DateTime<Utc>,
    /// The position of the record itself.
    pub record: u64,
}

/// What a record states, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeStatement {
    pub before: DateTime<Utc>,
    pub positions: Vec<(u64, u64)>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(flatten)]
    purged: PurgeStatement,
    /// Statements of records that are purged themselves.
    #[serde(default)]
    restated: Vec<PurgeStatement>,
}

/// Purged ranges in the order of the tree, without overlaps.
#[derive(Clone, Debug, Default)]
pub struct Purged(Vec<Purge>);

impl Purged {
    pub async fn read(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        // Read as text, so that a malformed record is skipped instead of failing the query.
        let records: Vec<(DateTime<Utc>, String, i64)> = audit_events::table
            .inner_join(audit_leaves::table.on(audit_leaves::event_id.eq(audit_events::id)))
            .filter(audit_events::action.eq(Action::AuditPurged.as_str()))
            .filter(audit_events::outcome.eq(Outcome::Success.as_str()))
            .filter(audit_events::user_id.is_null().and(audit_events::user_role.is_null()))
            .select((audit_events::occurred_at, sql::<Text>("detail::text"), audit_leaves::position))
            .load(connection)
            .await?;
        let now = Clock::system().now();
        let mut purges = Vec::new();
        for (at, detail, position) in records {
            let Ok(Detail { purged, restated }) = serde_json::from_str(&detail) else { continue };
            for PurgeStatement { before, positions } in restated.into_iter().chain([purged]) {
                // Retention is at least a year, so a record can't excuse newer events.
                let (before, record) = (before.min(cutoff(at.min(now), 1)), position.cast_unsigned());
                purges.extend(positions.into_iter().map(|(from, to)| Purge { from, to, before, record }));
            }
        }
        Ok(Self::of(purges))
    }

    fn of(mut purges: Vec<Purge>) -> Self {
        purges.sort_unstable_by_key(|purge| (purge.from, purge.to, purge.record));
        let mut apart: Vec<Purge> = Vec::with_capacity(purges.len());
        for mut purge in purges {
            purge.from = purge.from.max(apart.last().map_or(0, |last| last.to));
            if purge.from < purge.to && i64::try_from(purge.to).is_ok() {
                apart.push(purge);
            }
        }
        Self(apart)
    }

    pub fn has(&self, position: u64) -> bool {
        self.overlapping(position, position.saturating_add(1)).next().is_some()
    }

    /// The purged ranges that overlap `from..to`.
    pub fn overlapping(&self, from: u64, to: u64) -> impl Iterator<Item = &Purge> {
        let first = self.0.partition_point(|purge| purge.to <= from);
        self.0[first..].iter().take_while(move |purge| purge.from < to)
    }

    /// Whether all of `from..to` is purged.
    pub fn is_whole(&self, from: u64, to: u64) -> bool {
        let end = self.overlapping(from, to).fold(from, |end, purge| if purge.from <= end { purge.to } else { end });
        end >= to
    }

    /// The position up to which everything is purged.
    pub fn up_to(&self) -> u64 {
        self.0.iter().fold(0, |end, purge| if purge.from <= end { purge.to } else { end })
    }

    /// All purged events were older than this.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        self.0.iter().map(|purge| purge.before).max()
    }

    /// The statements of the records at these positions.
    pub fn statements_within(&self, positions: &[(u64, u64)]) -> Vec<PurgeStatement> {
        let is_within = |at: u64| positions.iter().any(|(from, to)| (*from..*to).contains(&at));
        let mut statements: Vec<PurgeStatement> = Vec::new();
        for Purge { from, to, before, .. } in self.0.iter().filter(|purge| is_within(purge.record)) {
            match statements.last_mut() {
                Some(last) if last.before == *before => last.positions.push((*from, *to)),
                _ => statements.push(PurgeStatement { before: *before, positions: vec![(*from, *to)] }),
            }
        }
        statements
    }

    pub fn positions(&self) -> Vec<(u64, u64)> {
        self.0.iter().map(|purge| (purge.from, purge.to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purge(from: u64, to: u64) -> Purge {
        Purge { from, to, before: DateTime::UNIX_EPOCH, record: from }
    }

    #[test]
    fn positions_are_found_among_those_that_were_purged() {
        let purged = Purged::of(vec![purge(20, 30), purge(0, 10), purge(10, 15)]);
        let has: Vec<u64> = (0..32).filter(|position| purged.has(*position)).collect();
        assert_eq!(has, (0..15).chain(20..30).collect::<Vec<_>>());
        assert_eq!((purged.up_to(), Purged::of(vec![purge(3, 5)]).up_to(), Purged::default().up_to()), (15, 0, 0));
        assert_eq!(purged.overlapping(9, 20).count(), 2);
        assert_eq!(purged.overlapping(15, 20).count(), 0);
        assert_eq!(purged.statements_within(&[(5, 20)])[0].positions, [(10, 15)]);
    }

    #[test]
    fn whatever_records_say_ranges_are_apart_and_in_order() {
        let all = [(0, 100), (5, 10), (0, 100), (90, 120), (7, 3), (5, 5), (0, u64::MAX), (130, 140)];
        let purged = Purged::of(all.map(|(from, to)| purge(from, to)).to_vec());
        assert_eq!(purged.positions(), [(0, 100), (100, 120), (130, 140)]);
        assert!((0..120).all(|at| purged.has(at)) && !purged.has(120) && !purged.has(u64::MAX));
    }
}
