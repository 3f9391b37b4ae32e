//! A standby for long reads (`DATABASE_REPLICA_URL`): the log, its exports and packs, verifications, the office's dashboard
//! and the storage page. They then don't slow down what customers wait for.
//!
//! Nothing read there is stale. A read first asks the primary how much of its write-ahead log (WAL) is on disk, which
//! covers every change that was acknowledged. The replica serves the read once it has replayed as much. If that takes too
//! long, or the replica is away, is no standby, or belongs to another cluster, the primary serves the read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::{sleep, timeout};

use super::{Database, DbError};
use crate::config::DatabaseUrl;
use crate::metrics::Metrics;

/// How long a page waits for the replica.
pub const PAGE: Duration = Duration::from_millis(200);
/// How long a read of the whole log waits for it.
pub const WHOLE_LOG: Duration = Duration::from_secs(5);
/// How long a replica that can't be used is left alone, so that not every page waits for it.
const REST: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A standby of the primary, with a pool of its own.
pub(super) struct Replica {
    db: Database,
    metrics: Option<Metrics>,
    /// Until when it is left alone.
    rests_until: Mutex<Option<Instant>>,
}

/// How much WAL a primary has on disk, and its cluster.
struct Written {
    position: String,
    cluster: i64,
}

/// Why the replica doesn't serve a read.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it has not replayed in time what the primary has written")]
    Behind,
    #[error("it is no standby")]
    NoStandby,
    #[error("it belongs to another cluster")]
    Foreign,
    #[error("it doesn't answer in time")]
    Silent,
    #[error("it was left alone after an earlier failure")]
    Resting,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Database {
    /// Has long reads served by a replica. `None`: by this database.
    pub fn with_replica(self, url: Option<&DatabaseUrl>, connections: usize, metrics: Option<&Metrics>) -> Self {
        let replica = |url: &DatabaseUrl| Replica {
            db: Self::new(&url.clone().of_replica(), connections).measured(metrics, "replica"),
            metrics: metrics.cloned(),
            rests_until: Mutex::default(),
        };
        Self { replica: url.map(|url| Arc::new(replica(url))), ..self }
    }

    /// Returns the replica if it has replayed within this time what is committed now, and otherwise this database. Only
    /// for reads.
    pub async fn reader(&self, within: Duration) -> &Self {
        match &self.replica {
            Some(replica) if replica.serves(self, within).await => &replica.db,
            _ => self,
        }
    }

    /// Says why the replica can't serve a read now, or `None` if it can, or if there is none.
    pub async fn replica_trouble(&self) -> Option<String> {
        let replica = self.replica.as_ref()?;
        let caught_up = match written(self).await {
            Ok(written) => replica.catch_up(&written, WHOLE_LOG).await,
            Err(error) => Err(error.into()),
        };
        caught_up.err().map(|why| why.to_string())
    }
}

impl Replica {
    /// Whether it serves the read. Counts which server does.
    async fn serves(&self, primary: &Database, within: Duration) -> bool {
        let result = if self.rests() {
            Err(Refusal::Resting)
        } else {
            match written(primary).await {
                Ok(written) => self.catch_up(&written, within).await,
                // The read itself will say why the primary doesn't answer. The replica is not to blame.
                Err(_) => return false,
            }
        };
        let outcome = match &result {
            Ok(()) => "replica",
            Err(Refusal::Behind) => "behind",
            Err(Refusal::Resting) => "away",
            Err(why) => {
                tracing::warn!(%why, "can't use the replica: the primary serves its reads for {} s", REST.as_secs());
                *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
                "away"
            }
        };
        if let Some(metrics) = &self.metrics {
            metrics.replica_read(outcome);
        }
        result.is_ok()
    }

    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Waits until the replica has replayed what the primary has written.
    async fn catch_up(&self, written: &Written, within: Duration) -> Result<(), Refusal> {
        let mut has_answered = false;
        match timeout(within, self.replay(written, &mut has_answered)).await {
            Ok(replayed) => replayed,
            Err(_) if has_answered => Err(Refusal::Behind),
            Err(_) => Err(Refusal::Silent),
        }
    }

    async fn replay(&self, written: &Written, has_answered: &mut bool) -> Result<(), Refusal> {
        let mut connection = self.db.get().await?;
        loop {
            let (cluster, is_standby, has_replayed) =
                standing(&mut connection, &written.position).await.map_err(DbError::from)?;
            *has_answered = true;
            match (is_standby, cluster == written.cluster, has_replayed) {
                (false, _, _) => return Err(Refusal::NoStandby),
                (_, false, _) => return Err(Refusal::Foreign),
                (_, _, true) => return Ok(()),
                _ => sleep(POLL_INTERVAL).await,
            }
        }
    }
}

async fn written(primary: &Database) -> Result<Written, DbError> {
    // Fails on a server that is a standby itself.
    let select =
        sql::<(Text, BigInt)>("pg_current_wal_flush_lsn()::text, (SELECT system_identifier FROM pg_control_system())");
    let (position, cluster) = diesel::select(select).get_result(&mut *primary.get().await?).await?;
    Ok(Written { position, cluster })
}

/// The replica's cluster, whether it is a standby, and whether it has replayed up to this position.
async fn standing(connection: &mut AsyncPgConnection, position: &str) -> QueryResult<(i64, bool, bool)> {
    let select = sql::<(BigInt, Bool, Bool)>(
        "(SELECT system_identifier FROM pg_control_system()), pg_is_in_recovery(), \
         coalesce(pg_last_wal_replay_lsn() >= ",
    )
    .bind::<Text, _>(position)
    .sql("::pg_lsn, false)");
    diesel::select(select).get_result(connection).await
}
