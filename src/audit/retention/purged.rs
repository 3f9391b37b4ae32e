//! What purging has put on record: positions of the tree whose events are gone, and rightly so if none was newer.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;

use super::cutoff;
use crate::audit::{Action, Outcome};
use crate::db::schema::audit_events;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    pub from: u64,
    pub to: u64,
    /// Every event of it is older than this.
    pub before: DateTime<Utc>,
}

/// In the order of the tree.
#[derive(Clone, Debug, Default)]
pub struct Purged(Vec<Purge>);

impl Purged {
    pub async fn read(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        #[derive(Deserialize)]
        struct Detail {
            before: DateTime<Utc>,
            positions: Vec<(u64, u64)>,
        }
        let told: Vec<(DateTime<Utc>, serde_json::Value)> = audit_events::table
            .filter(audit_events::action.eq(Action::AuditPurged.as_str()))
            .filter(audit_events::outcome.eq(Outcome::Success.as_str()))
            .select((sql::<Timestamptz>("least(occurred_at, statement_timestamp())"), audit_events::detail))
            .load(connection)
            .await?;
        let mut purges = Vec::new();
        for (at, detail) in told {
            let Ok(Detail { before, positions }) = serde_json::from_value(detail) else { continue };
            // Nobody hides what is less than a year old by calling it a purge.
            let before = before.min(cutoff(at, 1));
            purges.extend(positions.into_iter().map(|(from, to)| Purge { from, to, before }));
        }
        purges.sort_unstable_by_key(|purge| (purge.from, purge.to));
        Ok(Self(purges))
    }

    pub fn has(&self, position: u64) -> bool {
        self.overlapping(position, position + 1).next().is_some()
    }

    /// Those that have something between these positions; `to` isn't one of them.
    pub fn overlapping(&self, from: u64, to: u64) -> impl Iterator<Item = &Purge> {
        let first = self.0.partition_point(|purge| purge.to <= from);
        self.0[first..].iter().take_while(move |purge| purge.from < to)
    }

    /// Everything before this position is gone.
    pub fn up_to(&self) -> u64 {
        self.0.iter().fold(0, |end, purge| if purge.from <= end { end.max(purge.to) } else { end })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest of it was older than this.
    pub fn before(&self) -> Option<DateTime<Utc>> {
        self.0.iter().map(|purge| purge.before).max()
    }

    /// As Postgres writes an `int8multirange`.
    pub fn positions(&self) -> String {
        let ranges = self.0.iter().map(|Purge { from, to, .. }| format!("[{from},{to})"));
        format!("{{{}}}", ranges.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_found_among_those_that_were_purged() {
        let purge = |from, to| Purge { from, to, before: DateTime::UNIX_EPOCH };
        let purged = Purged(vec![purge(0, 10), purge(10, 15), purge(20, 30)]);
        let has: Vec<u64> = (0..32).filter(|position| purged.has(*position)).collect();
        assert_eq!(has, (0..15).chain(20..30).collect::<Vec<_>>());
        assert_eq!((purged.up_to(), Purged(vec![purge(3, 5)]).up_to(), Purged::default().up_to()), (15, 0, 0));
        assert_eq!(purged.overlapping(9, 20).count(), 2);
        assert_eq!(purged.overlapping(15, 20).count(), 0);
        assert_eq!(purged.positions(), "{[0,10),[10,15),[20,30)}");
    }
}
