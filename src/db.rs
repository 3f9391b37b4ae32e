//! Postgres: the pool, TLS, migrations, snapshots, dumps, and the customer scope.
//!
//! Domain queries belong to the domain modules. The pool works through PgBouncer in transaction mode, because roles and
//! settings are set for one transaction only.

pub mod cluster;
mod connector;
pub mod dump;
pub mod fixed_sql;
pub mod guard;
mod measured;
pub mod migrations;
pub mod pooler;
pub mod query_name;
pub mod replica;
pub mod schema;
pub mod scope;
pub mod snapshot;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool};
use diesel::{ConnectionResult, QueryResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use self::measured::Measured;
use self::replica::Replica;
use crate::config::DatabaseUrl;
use crate::metrics::Metrics;

/// How long a request waits for a free connection before the server responds with 503.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a change that writes to the storage waits for its turn: enough for fifty clerks at once.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database does not respond, or every connection stayed busy for too long.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl DbError {
    /// Returns whether the database is unreachable or busy, as opposed to a faulty query.
    ///
    /// diesel has no error kind for timeouts, deadlocks and shutdowns (SQLSTATE classes 40, 53, 55 and 57), and
    /// diesel-async 0.9 hides the SQLSTATE. This takes errors of unknown kind for them if they name no position in the
    /// statement and no table, column or constraint. A missing grant (42501) looks the same, so it counts too. So does a
    /// server that takes no writes (25006), because another one does, or will soon.
    pub fn is_unreachable(&self) -> bool {
        use diesel::result::DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, UnableToSendCommand, Unknown};
        match self {
            Self::Unreachable(_) => true,
            Self::Query(diesel::result::Error::DatabaseError(kind, info)) => match kind {
                ClosedConnection | UnableToSendCommand | ReadOnlyTransaction => true,
                Unknown => {
                    info.statement_position().is_none()
                        && info.table_name().is_none()
                        && info.column_name().is_none()
                        && info.constraint_name().is_none()
                }
                _ => false,
            },
            Self::Query(_) => false,
        }
    }
}

pub type DbResult<T> = Result<T, DbError>;

/// Lets `?` turn a failed query into an error type that is `From<DbError>`.
macro_rules! query_error_into {
    ($error:ty) => {
        impl From<diesel::result::Error> for $error {
            fn from(error: diesel::result::Error) -> Self {
                $crate::db::DbError::from(error).into()
            }
        }
    };
}
pub(crate) use query_error_into;

/// A pool of connections, one for each worker thread.
///
/// The thread that opened a connection drives it, so a pool for each worker saves wake-ups across threads.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
    url: DatabaseUrl,
    /// `None`: what the pool does is not counted.
    measured: Option<Measured>,
    /// Permits for downloads that wait for the storage inside a transaction.
    downloads: Arc<Semaphore>,
    /// Permits for changes that wait for the storage while they hold locks.
    changes: Arc<Semaphore>,
    /// Serves long reads. `None`: this pool does.
    replica: Option<Arc<Replica>>,
}

impl Database {
    /// Creates the pool. Connections open when they are needed.
    pub fn new(url: &DatabaseUrl, connections: usize) -> Self {
        let mut manager = ManagerConfig::default();
        manager.recycling_method = RecyclingMethod::Fast;
        let target = url.clone();
        manager.custom_setup = Box::new(move |_| {
            let target = target.clone();
            async move { connect(&target).await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(url.as_str(), manager);
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .wait_timeout(Some(POOL_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        match pool {
            Ok(pool) => {
                let turns = |part: usize| Arc::new(Semaphore::new((connections / part).max(1)));
                Self { pool, url: url.clone(), measured: None, downloads: turns(2), changes: turns(4), replica: None }
            }
            Err(deadpool::managed::BuildError::NoRuntimeSpecified) => unreachable!("a runtime is specified above"),
        }
    }

    /// Has the pool and its statements counted, under this name. `None` counts nothing.
    pub fn measured(self, metrics: Option<&Metrics>, name: &'static str) -> Self {
        Self { measured: metrics.map(|metrics| Measured::new(metrics, name, &self.pool)), ..self }
    }

    /// Returns the same database with a pool of one connection, for work that holds it while a client reads. Its
    /// statements are counted, and the pool itself is not.
    pub fn apart(&self) -> Self {
        Self { measured: self.measured.clone(), ..Self::new(&self.url, 1) }
    }

    /// Returns a connection as the owner: for the office, the login and the command line.
    ///
    /// A customer's request never uses one; see [`scope`].
    pub async fn get(&self) -> DbResult<Object<AsyncPgConnection>> {
        let since = Instant::now();
        let taken = self.pool.get().await;
        if let Some(measured) = &self.measured {
            measured.waited(since);
        }
        let mut connection = taken.map_err(|error| match error {
            PoolError::Backend(error) => DbError::Unreachable(error.to_string()),
            PoolError::Timeout(kind) => DbError::Unreachable(format!("no connection in time ({kind:?})")),
            other => DbError::Unreachable(other.to_string()),
        })?;
        if let Some(measured) = &self.measured {
            measured.watch(&mut connection);
        }
        Ok(connection)
    }

    /// Runs a [`transaction`](Self::transaction) that waits for the storage while it holds locks. At most a quarter of
    /// the pool's connections do that at once, and downloads never wait for them.
    pub async fn transaction_outside<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = turn(&self.changes, CHANGE_TIMEOUT).await?;
        self.transaction(work).await
    }

    /// Runs `work` as the owner in one transaction: commits what it returns as `Ok`, and rolls back on any error.
    ///
    /// To refuse and still keep what was written, such as an event, `work` returns the refusal as `Ok`.
    pub async fn transaction<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut lease = Lease::new(self.get().await?);
        lease.connection()?.batch_execute("BEGIN").await.map_err(DbError::from)?;
        let result = work(lease.connection()?).await;
        match result {
            Ok(value) => lease.finish("COMMIT").await.map(|()| value).map_err(E::from),
            Err(error) => {
                // The caller needs the first error. A connection whose rollback failed is closed, not reused.
                if let Err(rollback) = lease.finish("ROLLBACK").await {
                    tracing::warn!(%rollback, "can't roll back a transaction");
                }
                Err(error)
            }
        }
    }

    async fn download_turn(&self) -> DbResult<OwnedSemaphorePermit> {
        turn(&self.downloads, POOL_TIMEOUT).await
    }
}

async fn turn(turns: &Arc<Semaphore>, within: Duration) -> DbResult<OwnedSemaphorePermit> {
    match timeout(within, turns.clone().acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(DbError::Unreachable("too many requests are waiting for the storage".into())),
    }
}

/// A connection inside a transaction.
///
/// If an error or a canceled handler drops it before it is finished, the connection is closed, not returned to the
/// pool. Otherwise the next request would run inside this transaction.
struct Lease(Option<Object<AsyncPgConnection>>);

impl Lease {
    fn new(connection: Object<AsyncPgConnection>) -> Self {
        Self(Some(connection))
    }

    fn connection(&mut self) -> DbResult<&mut AsyncPgConnection> {
        self.0.as_deref_mut().ok_or_else(|| DbError::Unreachable("the connection is finished".into()))
    }

    async fn finish(mut self, end: &'static str) -> DbResult<()> {
        self.connection()?.batch_execute(end).await?;
        self.release();
        Ok(())
    }

    /// Returns the connection to the pool. Its transaction must have ended.
    fn release(mut self) {
        self.0.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(unfinished) = self.0.take() {
            drop(Object::take(unfinished));
        }
    }
}

diesel::define_sql_function! {
    /// The function in the indexes on email addresses.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Work that one process does at a time. The numbers are in one list, so that no two kinds of work share a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum AdvisoryLock {
    Notices = 0x7072_696d_6501,
    Sweep = 0x7072_696d_6502,
    Seal = 0x7072_696d_6504,
    Publish = 0x7072_696d_6505,
    Verify = 0x7072_696d_6506,
    Purge = 0x7072_696d_6507,
    TokenReminders = 0x7072_696d_6508,
    UnusualActivity = 0x7072_696d_6509,
    Webhooks = 0x7072_696d_650a,
}

impl AdvisoryLock {
    /// Returns the number of the lock in Postgres.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// Takes an advisory lock until the end of the transaction, without waiting. Returns whether it was free.
pub async fn try_alone(connection: &mut AsyncPgConnection, lock: AdvisoryLock) -> QueryResult<bool> {
    diesel::select(sql::<Bool>("pg_try_advisory_xact_lock(").bind::<BigInt, _>(lock.number()).sql(")"))
        .get_result(connection)
        .await
}

/// Returns an `ILIKE` pattern for text that contains what was typed, with wildcards taken literally.
pub fn fragment(typed: &str) -> String {
    let typed: String = typed.trim().chars().filter(|c| *c != '\0').take(100).collect();
    format!("%{}%", typed.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

/// Opens one connection outside of the pool.
///
/// Timeouts are settings of the role in this database (see the migrations), not of the connection: behind PgBouncer,
/// settings of a connection would affect other clients.
pub async fn connect(url: &DatabaseUrl) -> ConnectionResult<AsyncPgConnection> {
    connector::connect(url).await
}
