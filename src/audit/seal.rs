//! Seals: events become leaves of one Merkle tree, batch by batch, and each batch ends in a signed checkpoint.
//!
//! Nobody waits for it. A batch takes only what no open transaction can still precede: events below the oldest transaction
//! that is under way, in the order of their transactions. Of any number of processes one seals at a time; what it goes on
//! from is the last checkpoint, in the database, whose signature and tree it checks first.

mod canonical;
mod checkpoint;
mod cover;
mod leaf;
mod overview;
mod publish;
mod span;
mod tree;

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use tokio::time::sleep;

pub use checkpoint::{Checkpoint, NoteError, Stated};
pub use cover::{Cover, Told};
pub use leaf::Leaf;
pub use overview::{MOST_WAITING, Overview};
pub use publish::{FOLDER, key_of, publish, publish_once};
pub use span::{Span, SpanError};
pub use tree::{Edge, Hash};

use super::EventRow;
use crate::config::SealKeys;
use crate::db::schema::{audit_checkpoints, audit_events, audit_leaves};
use crate::db::{Database, DbError, try_alone};

/// Held by the process that seals.
pub const SEALING: i64 = 0x7072_696d_6504;
/// Looked for new events so often.
const EVERY: Duration = Duration::from_millis(400);
/// After something went wrong.
const RETRY: Duration = Duration::from_secs(4);
/// When all there is to do is to look through everything.
const LATER: Duration = Duration::from_secs(20);
/// Events of one batch.
const BATCH: usize = 10_000;
/// A transaction that takes longer to write an event down than this is none of ours.
pub const BACKDATED: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Going on would only cover it up.
    #[error("nothing more is sealed, because the last checkpoint, of {size} events, isn't as it should be: {why}")]
    Broken { size: u64, why: String },
    #[error("a checkpoint can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

crate::db::query_error_into!(SealError);

/// Again and again, for as long as it is polled.
pub async fn seal(db: Database, keys: SealKeys) {
    let mut trouble = String::new();
    loop {
        let pause = match seal_once(&db, &keys).await {
            Ok(sealed) => {
                if !std::mem::take(&mut trouble).is_empty() {
                    tracing::info!("events are sealed again");
                }
                sealed.pause()
            }
            Err(error) => {
                let told = error.to_string();
                if told != trouble {
                    tracing::error!(error = told, "events can't be sealed");
                    trouble = told;
                }
                RETRY
            }
        };
        sleep(pause).await;
    }
}

/// Everything that there is to seal now; `None`: somebody else is at it. For commands.
pub async fn seal_all(db: &Database, keys: &SealKeys) -> Result<Option<u64>, SealError> {
    let mut events = 0;
    loop {
        match seal_once(db, keys).await? {
            Sealed::Elsewhere => return Ok(None),
            Sealed::Some { events: more, is_behind: true } => events += more,
            Sealed::Some { events: more, .. } => return Ok(Some(events + more)),
            Sealed::Searched => return Ok(Some(events)),
        }
    }
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Another process seals, or there is no key to sign with.
    Elsewhere,
    Some {
        events: u64,
        is_behind: bool,
    },
    /// Everything was looked through, and nothing found.
    Searched,
}

impl Sealed {
    fn pause(self) -> Duration {
        match self {
            Self::Some { is_behind: true, .. } => Duration::ZERO,
            Self::Some { .. } | Self::Elsewhere => EVERY,
            Self::Searched => LATER,
        }
    }
}

/// One batch.
pub async fn seal_once(db: &Database, keys: &SealKeys) -> Result<Sealed, SealError> {
    if keys.signs.is_none() {
        return Ok(Sealed::Elsewhere);
    }
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, SEALING).await? {
            return Ok(Sealed::Elsewhere);
        }
        seal_alone(connection, keys).await
    })
    .await
}

/// Where the database's transactions stand.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Horizon {
    /// All before it have ended.
    pub oldest: i64,
    /// None of these, and none after them, has begun.
    pub next: i64,
    pub at: DateTime<Utc>,
}

impl Horizon {
    pub async fn of(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        let snapshot = sql::<(BigInt, BigInt, Timestamptz)>(
            "pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()), statement_timestamp()",
        );
        diesel::select(snapshot).get_result(connection).await
    }

    /// Its transactions are numbered lower than what was sealed already: the log was restored into another cluster, and
    /// which events are new can't be told by their transactions.
    pub fn is_of_another_cluster(&self, tail: &Tail) -> bool {
        self.next.cast_unsigned() <= tail.transaction
    }
}

/// What sealing goes on from.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    pub edge: Edge,
    /// Up to where everything is sealed: a transaction, and the id of an event of it.
    pub transaction: u64,
    pub event: i64,
    pub complete_at: Option<DateTime<Utc>>,
    pub sealed_at: Option<DateTime<Utc>>,
}

impl Tail {
    /// Checks that it is one.
    pub async fn of(connection: &mut AsyncPgConnection, keys: &SealKeys) -> Result<Self, SealError> {
        let last: Option<(i64, String, Vec<u8>)> = audit_checkpoints::table
            .order(audit_checkpoints::size.desc())
            .select((audit_checkpoints::size, audit_checkpoints::note, audit_checkpoints::edge))
            .first(connection)
            .await
            .optional()?;
        let leaves: Option<i64> = audit_leaves::table.select(max(audit_leaves::position)).first(connection).await?;
        let leaves = leaves.map_or(0, |position| position + 1);
        let Some((size, note, edge)) = last else {
            if leaves > 0 {
                return Err(SealError::Broken { size: 0, why: format!("there are {leaves} leaves and no checkpoint") });
            }
            return Ok(Self::default());
        };
        let size = size.cast_unsigned();
        let broken = |why: String| SealError::Broken { size, why };
        let checkpoint = Checkpoint::open(&note, keys).map_err(|error| broken(error.to_string()))?;
        let edge = Edge::from_bytes(size, &edge).ok_or_else(|| broken("its edge is damaged".into()))?;
        if checkpoint.size != size || checkpoint.root != edge.root() {
            return Err(broken("its note is of another tree".into()));
        }
        if leaves.cast_unsigned() != size {
            return Err(broken(format!("there are {leaves} leaves")));
        }
        Ok(Self { edge, ..Self::from(&checkpoint.stated) })
    }

    /// Later than what is sealed?
    pub fn is_before(&self, row: &EventRow) -> bool {
        (row.xact_id.0, row.id) > (self.transaction, self.event)
    }

    /// Dated so much earlier than what was sealed already that it can't have been written then.
    pub fn is_backdated(&self, row: &EventRow) -> bool {
        self.complete_at.is_some_and(|complete_at| row.occurred_at < complete_at - BACKDATED)
    }
}

/// Without its edge.
impl From<&Stated> for Tail {
    fn from(stated: &Stated) -> Self {
        let Stated { transaction, event, complete_at, sealed_at, .. } = *stated;
        Self { edge: Edge::default(), transaction, event, complete_at, sealed_at: Some(sealed_at) }
    }
}

async fn seal_alone(connection: &mut AsyncPgConnection, keys: &SealKeys) -> Result<Sealed, SealError> {
    let mut tail = Tail::of(connection, keys).await?;
    let horizon = Horizon::of(connection).await?;
    let elsewhere = horizon.is_of_another_cluster(&tail);
    let batch = Batch::read(connection, &mut tail, elsewhere).await?;
    let is_behind = batch.events.len() == BATCH;
    if batch.events.is_empty() {
        return Ok(if elsewhere { Sealed::Searched } else { Sealed::Some { events: 0, is_behind } });
    }
    let (transaction, event) = match batch.last {
        // Only now is everything from before in the tree, and transactions can be compared again.
        _ if elsewhere && !is_behind => (horizon.oldest.cast_unsigned() - 1, i64::MAX),
        _ if elsewhere => (tail.transaction, tail.event),
        last if is_behind => last,
        // All of it, and of every transaction before, whether or not it wrote an event: none can come after.
        (transaction, _) => (transaction.max(horizon.oldest.cast_unsigned() - 1), i64::MAX),
    };
    let published: Option<i64> = audit_checkpoints::table
        .filter(audit_checkpoints::is_published)
        .select(max(audit_checkpoints::size))
        .first(connection)
        .await?;
    let previous = tail.edge.size() - batch.events.len() as u64;
    let stated = Stated {
        sealed_at: horizon.at,
        previous,
        published: published.unwrap_or_default().cast_unsigned(),
        transaction,
        event,
        complete_at: if is_behind { tail.complete_at } else { Some(horizon.at) },
        newest: batch.newest,
        backdated: batch.backdated,
    };
    batch.write(connection, previous).await?;
    let Some(key) = &keys.signs else { return Ok(Sealed::Elsewhere) };
    let origin = key.verifier().name().to_owned();
    let checkpoint = Checkpoint { origin, size: tail.edge.size(), root: tail.edge.root(), stated };
    diesel::insert_into(audit_checkpoints::table)
        .values((
            audit_checkpoints::size.eq(tail.edge.size().cast_signed()),
            audit_checkpoints::note.eq(checkpoint.sign(key)?),
            audit_checkpoints::edge.eq(tail.edge.to_bytes()),
        ))
        .execute(connection)
        .await?;
    if batch.backdated > 0 {
        let (events, size) = (batch.backdated, checkpoint.size);
        tracing::warn!(events, size, "events were sealed that are dated earlier than they can have been written");
    }
    Ok(Sealed::Some { events: batch.events.len() as u64, is_behind })
}

#[derive(Default)]
struct Batch {
    events: Vec<i64>,
    hashes: Vec<Vec<u8>>,
    /// Of the last one.
    last: (u64, i64),
    newest: Option<DateTime<Utc>>,
    backdated: u64,
}

impl Batch {
    /// Puts them at the end of the tree, too. `elsewhere`: transactions don't tell what is new; everything is looked
    /// through.
    async fn read(connection: &mut AsyncPgConnection, tail: &mut Tail, elsewhere: bool) -> QueryResult<Self> {
        const UNSEALED: &str = "NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.event_id = audit_events.id)";
        let mut query = audit_events::table.filter(sql::<Bool>(UNSEALED)).into_boxed();
        query = if elsewhere {
            connection.batch_execute("SET LOCAL statement_timeout = 0").await?;
            query.filter(sql::<Bool>(
                "(xact_id < pg_snapshot_xmin(pg_current_snapshot()) OR xact_id >= pg_snapshot_xmax(pg_current_snapshot()))",
            ))
        } else {
            // An index has the order; and of leaves, however many, only those of the batch are looked up.
            connection
                .batch_execute(
                    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off",
                )
                .await?;
            let last = sql::<Bool>("(xact_id, id) > (").bind::<Text, _>(tail.transaction.to_string()).sql("::xid8, ");
            query.filter(
                last.bind::<BigInt, _>(tail.event).sql(") AND xact_id < pg_snapshot_xmin(pg_current_snapshot())"),
            )
        };
        let rows = query
            .order((sql::<Text>("xact_id"), audit_events::id))
            .limit(BATCH as i64)
            .select(EventRow::as_select())
            .load_stream::<EventRow>(connection)
            .await?;
        let (mut rows, mut batch, mut line) = (pin!(rows), Self::default(), Vec::new());
        while let Some(row) = rows.try_next().await? {
            let hash = row.fields().leaf_hash(&mut line);
            tail.edge.push(hash);
            batch.backdated += u64::from(tail.is_backdated(&row));
            batch.newest = batch.newest.max(Some(row.occurred_at));
            batch.last = (row.xact_id.0, row.id);
            batch.events.push(row.id);
            batch.hashes.push(hash.to_vec());
        }
        Ok(batch)
    }

    async fn write(&self, connection: &mut AsyncPgConnection, from: u64) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT INTO audit_leaves (position, event_id, hash) \
             SELECT $1 + n - 1, event_id, hash FROM unnest($2, $3) WITH ORDINALITY AS leaves (event_id, hash, n)",
        )
        .bind::<BigInt, _>(from.cast_signed())
        .bind::<Array<BigInt>, _>(&self.events)
        .bind::<Array<Binary>, _>(&self.hashes)
        .execute(connection)
        .await
        .map(drop)
    }
}
