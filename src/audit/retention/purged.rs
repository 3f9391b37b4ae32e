//! The records of purges: positions of the tree whose events may be missing.
//!
//! Only sealed records with a statement that the key of the log signed count. The name of an event proves nothing:
//! someone who can insert rows into the database can insert that name too, and the portal seals every event.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;

use super::statement::{PurgeFault, PurgeStatement};
use crate::audit::Action;
use crate::audit::seal::{Checkpoint, Hash};
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_events, audit_leaves};

/// A range of positions, `to` not included, whose events were all older than `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    pub from: u64,
    pub to: u64,
    pub before: DateTime<Utc>,
}

/// The detail of a record. Only `note` and `restated` prove anything; the rest is for people.
#[derive(Deserialize)]
struct Detail {
    before: DateTime<Utc>,
    positions: Vec<(u64, u64)>,
    #[serde(default)]
    years: u16,
    /// The signed statement. Records of early versions have none.
    note: Option<String>,
    /// Signed statements of records that were purged themselves. Early versions restated without a signature.
    #[serde(default)]
    restated: Vec<serde_json::Value>,
}

/// A sealed statement that counts.
#[derive(Clone, Debug)]
pub struct SignedPurge {
    /// The id and the position of the record that has it.
    pub event: i64,
    record: u64,
    note: String,
    pub statement: PurgeStatement,
}

/// What was purged: ranges in the order of the tree, without overlaps, and the records of them.
#[derive(Clone, Debug, Default)]
pub struct Purged {
    ranges: Vec<Purge>,
    pub signed: Vec<SignedPurge>,
    /// Records that don't count, by the id of the event.
    pub faults: Vec<(i64, PurgeFault)>,
    /// Unsigned records of early versions. Signed statements cover all that they name.
    pub covered: Vec<i64>,
}

/// An event that says that it records a purge.
struct Record {
    id: i64,
    at: DateTime<Utc>,
    detail: Option<Detail>,
    /// `None`: not sealed yet.
    position: Option<u64>,
}

impl Purged {
    pub async fn read(connection: &mut AsyncPgConnection, keys: &SealKeys) -> QueryResult<Self> {
        // Read as text, so that a malformed record is a fault instead of failing the query.
        let rows: Vec<(i64, DateTime<Utc>, String, Option<i64>)> = audit_events::table
            .left_join(audit_leaves::table.on(audit_leaves::event_id.eq(audit_events::id)))
            .filter(audit_events::action.eq(Action::AuditPurged.as_str()))
            .order((audit_leaves::position.asc().nulls_last(), audit_events::id))
            .select((
                audit_events::id,
                audit_events::occurred_at,
                sql::<Text>("detail::text"),
                audit_leaves::position.nullable(),
            ))
            .load(connection)
            .await?;
        let records: Vec<Record> = rows
            .into_iter()
            .map(|(id, at, detail, position)| {
                let position = position.map(i64::cast_unsigned);
                Record { id, at, detail: serde_json::from_str(&detail).ok(), position }
            })
            .collect();
        let mut purged = Self::default();
        let mut unsigned = Vec::new();
        for record in records {
            purged.take(record, keys, &mut unsigned);
        }
        purged.drop_those_of_other_logs(connection, keys).await?;
        purged.join_ranges();
        unsigned.into_iter().for_each(|record| purged.judge_unsigned(record));
        Ok(purged)
    }

    /// Takes the statements of a record, or the reason why it doesn't count.
    fn take(&mut self, record: Record, keys: &SealKeys, unsigned: &mut Vec<Record>) {
        let Some(Detail { note: Some(note), restated, .. }) = &record.detail else {
            return unsigned.push(record);
        };
        let mut notes = vec![note.as_str()];
        // What an early version restated is not signed, so it proves nothing.
        notes.extend(restated.iter().filter_map(serde_json::Value::as_str));
        let mut found = Vec::new();
        for (index, note) in notes.iter().enumerate() {
            match self.open(&record, note, index == 0, keys) {
                Ok(statement) => found.push(((*note).to_owned(), statement)),
                Err(fault) => return self.faults.push((record.id, fault)),
            }
        }
        let Some(position) = record.position else { return };
        let signed = |(note, statement)| SignedPurge { event: record.id, record: position, note, statement };
        self.signed.extend(found.into_iter().map(signed));
    }

    fn open(&self, record: &Record, note: &str, is_own: bool, keys: &SealKeys) -> Result<PurgeStatement, PurgeFault> {
        let statement = PurgeStatement::open(note, keys)?;
        let Some(Detail { before, positions, years, .. }) = record.detail.as_ref().filter(|_| is_own) else {
            return Ok(statement);
        };
        if !statement.is_recorded_at(record.at) || self.signed.iter().any(|signed| signed.note == note) {
            return Err(PurgeFault::Copied(statement.signed_at));
        }
        if (&statement.before, &statement.positions, &statement.years) != (before, positions, years) {
            return Err(PurgeFault::Altered);
        }
        Ok(statement)
    }

    /// Drops statements whose checkpoint this log doesn't have.
    async fn drop_those_of_other_logs(
        &mut self,
        connection: &mut AsyncPgConnection,
        keys: &SealKeys,
    ) -> QueryResult<()> {
        let sizes: HashSet<i64> = self.signed.iter().map(|signed| signed.statement.size.cast_signed()).collect();
        let notes: Vec<(i64, String)> = audit_checkpoints::table
            .filter(audit_checkpoints::size.eq_any(sizes))
            .select((audit_checkpoints::size, audit_checkpoints::note))
            .load(connection)
            .await?;
        let roots: HashMap<u64, Hash> = notes
            .into_iter()
            .filter_map(|(size, note)| {
                let checkpoint = Checkpoint::open(&note, keys).ok()?;
                (checkpoint.size == size.cast_unsigned()).then_some((checkpoint.size, checkpoint.root))
            })
            .collect();
        let is_of_this_log = |signed: &SignedPurge| {
            roots.get(&signed.statement.size).is_some_and(|root| signed.statement.has_root(root))
        };
        let (ours, others) = std::mem::take(&mut self.signed).into_iter().partition(is_of_this_log);
        self.signed = ours;
        let others: Vec<SignedPurge> = others;
        self.faults.extend(others.iter().map(|signed| (signed.event, PurgeFault::OtherLog(signed.statement.size))));
        Ok(())
    }

    fn join_ranges(&mut self) {
        let purges = self.signed.iter().flat_map(|signed| {
            let before = signed.statement.before;
            signed.statement.positions.iter().map(move |(from, to)| Purge { from: *from, to: *to, before })
        });
        self.ranges = apart(purges.collect());
    }

    /// An unsigned record is of an early version if it is older than every signed one and signed statements cover all
    /// that it names. Any other one is a fault.
    fn judge_unsigned(&mut self, record: Record) {
        let first_signed = self.signed.iter().map(|signed| signed.record).min();
        let is_early = record.position.zip(first_signed).is_some_and(|(position, signed)| position < signed);
        let is_covered = record.detail.is_some_and(|detail| {
            !detail.positions.is_empty()
                && detail.positions.iter().all(|(from, to)| from < to && self.is_whole(*from, *to))
        });
        if is_early && is_covered {
            self.covered.push(record.id);
        } else {
            self.faults.push((record.id, PurgeFault::Unsigned));
        }
    }

    pub fn has(&self, position: u64) -> bool {
        self.overlapping(position, position.saturating_add(1)).next().is_some()
    }

    /// The purged ranges that overlap `from..to`.
    pub fn overlapping(&self, from: u64, to: u64) -> impl Iterator<Item = &Purge> {
        let first = self.ranges.partition_point(|purge| purge.to <= from);
        self.ranges[first..].iter().take_while(move |purge| purge.from < to)
    }

    /// Whether all of `from..to` is purged.
    pub fn is_whole(&self, from: u64, to: u64) -> bool {
        let end = self.overlapping(from, to).fold(from, |end, purge| if purge.from <= end { purge.to } else { end });
        end >= to
    }

    /// The position up to which everything is purged.
    pub fn up_to(&self) -> u64 {
        self.ranges.iter().fold(0, |end, purge| if purge.from <= end { purge.to } else { end })
    }

    /// All purged events were older than this.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        self.ranges.iter().map(|purge| purge.before).max()
    }

    /// The shortest retention that events were purged under, in years.
    pub fn shortest_years(&self) -> Option<u16> {
        self.signed.iter().map(|signed| signed.statement.years).min()
    }

    /// The signed statements of the records at these positions.
    pub fn notes_within(&self, positions: &[(u64, u64)]) -> Vec<&str> {
        let is_within = |at: u64| positions.iter().any(|(from, to)| (*from..*to).contains(&at));
        self.signed.iter().filter(|signed| is_within(signed.record)).map(|signed| signed.note.as_str()).collect()
    }

    pub fn positions(&self) -> Vec<(u64, u64)> {
        self.ranges.iter().map(|purge| (purge.from, purge.to)).collect()
    }
}

/// Sorts ranges and cuts off overlaps.
fn apart(mut purges: Vec<Purge>) -> Vec<Purge> {
    purges.sort_unstable_by_key(|purge| (purge.from, purge.to, purge.before));
    let mut apart: Vec<Purge> = Vec::with_capacity(purges.len());
    for mut purge in purges {
        purge.from = purge.from.max(apart.last().map_or(0, |last| last.to));
        if purge.from < purge.to {
            apart.push(purge);
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purged(ranges: &[(u64, u64)]) -> Purged {
        let purge = |(from, to): &(u64, u64)| Purge { from: *from, to: *to, before: DateTime::UNIX_EPOCH };
        Purged { ranges: apart(ranges.iter().map(purge).collect()), ..Purged::default() }
    }

    #[test]
    fn positions_are_found_among_those_that_were_purged() {
        let all = purged(&[(20, 30), (0, 10), (10, 15)]);
        let has: Vec<u64> = (0..32).filter(|position| all.has(*position)).collect();
        assert_eq!(has, (0..15).chain(20..30).collect::<Vec<_>>());
        assert_eq!((all.up_to(), purged(&[(3, 5)]).up_to(), Purged::default().up_to()), (15, 0, 0));
        assert_eq!(all.overlapping(9, 20).count(), 2);
        assert_eq!(all.overlapping(15, 20).count(), 0);
        assert!(all.is_whole(2, 14) && !all.is_whole(2, 16));
    }

    #[test]
    fn whatever_records_say_ranges_are_apart_and_in_order() {
        let all = purged(&[(0, 100), (5, 10), (0, 100), (90, 120), (7, 3), (5, 5), (130, 140)]);
        assert_eq!(all.positions(), [(0, 100), (100, 120), (130, 140)]);
        assert!((0..120).all(|at| all.has(at)) && !all.has(120) && !all.has(u64::MAX));
    }
}
