//! Promise 1: a customer's request reads the database only through this module.
//!
//! Every query is restricted twice. Its own condition says `customer_id = …` with the ids of [`Scope::companies`],
//! which the index order needs anyway. And it runs as the role `portal_customer`, whose row-level policies compare with
//! the ids that `portal_enter` set and signed for this one transaction. Without a valid signature no row is visible, and
//! the role can't make one. That role can only insert audit events.
//!
//! Office and audit requests use the same [`read`] and [`record`] with [`Scope::All`]. They run as the owner, whom row
//! security doesn't slow down.

use std::pin::pin;
use std::task::Poll;

use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::try_join;
use futures_util::poll;
use tokio::sync::OwnedSemaphorePermit;

use super::query_name::{COMMIT_LINK, ENTER_SCOPE};
use super::{Database, DbResult, Lease};

/// The constraint that `assert_document_within` names when it refuses.
const WITHIN_SCOPE: &str = "document_within_scope";

/// A condition for [`read_if`] and [`record_if`] that never fails: Postgres plans each prepared statement of the transaction
/// once for all values. For statements with one good plan, because planning them takes several times as long as running
/// them. A search needs different plans for common and for rare words.
pub const PLANNED_ONCE: &str = "SET LOCAL plan_cache_mode = force_generic_plan";

/// The BOLs that a request may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The BOLs of these companies: for a customer, or for an office user who views the portal as one. `acting_as` is
    /// the user's role in the audit log.
    Companies { user_id: i64, ids: Vec<i64>, acting_as: &'static str },
    /// Every BOL, for the terminal's own staff.
    All,
}

impl Scope {
    /// Returns the company ids to filter by, or `None` for no filter.
    pub fn companies(&self) -> Option<&[i64]> {
        match self {
            Self::Companies { ids, .. } => Some(ids),
            Self::All => None,
        }
    }

    /// Returns the statements that begin a transaction in this scope. Numbers and role names need no quoting.
    fn begin(&self) -> String {
        match self {
            Self::Companies { user_id, ids, acting_as } => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!(
                    "{ENTER_SCOPE}BEGIN; SELECT portal_enter({user_id}, '{acting_as}', '{{{}}}'); SET LOCAL ROLE portal_customer",
                    ids.join(",")
                )
            }
            Self::All => "BEGIN".into(),
        }
    }
}

/// Runs `work` in the scope and returns its result. Nothing it writes is kept.
///
/// Sends the rollback after the result has arrived. The caller doesn't wait for it.
pub async fn read<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin(db, scope, work).await?;
    roll_back(lease);
    Ok(result)
}

/// Does the same as [`read`], unless the statement `condition` fails. It travels with the statements of the scope.
pub async fn read_if<T>(
    db: &Database,
    scope: &Scope,
    condition: &str,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin_if(db, scope, Some(condition), work).await?;
    roll_back(lease);
    Ok(result)
}

/// Runs `work` in the scope, commits what it wrote, and then returns its result.
pub async fn record<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin(db, scope, work).await?;
    lease.finish("COMMIT").await?;
    Ok(result)
}

/// Does the same as [`record`], unless the statement `condition` fails. It travels with the statements of the scope.
pub async fn record_if<T>(
    db: &Database,
    scope: &Scope,
    condition: Option<&str>,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin_if(db, scope, condition, work).await?;
    lease.finish("COMMIT").await?;
    Ok(result)
}

/// A transaction that has done its work and waits for the storage. Dropping it rolls it back.
pub struct Open<T> {
    value: T,
    lease: Lease,
    turn: OwnedSemaphorePermit,
}

impl<T> Open<T> {
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Checks again that the document is stored and in scope, and commits, in one round trip. Otherwise rolls back and
    /// returns `None`.
    pub async fn commit_if_within(mut self, document: i64, companies: Option<&[i64]>) -> DbResult<Option<T>> {
        drop(self.turn);
        // Only numbers, which need no quoting. If the check fails, Postgres skips the COMMIT of the same message.
        let companies = companies.map_or_else(
            || "NULL".to_owned(),
            |ids| format!("'{{{}}}'", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        );
        let check = format!("{COMMIT_LINK}SELECT assert_document_within({document}, {companies}); COMMIT");
        match self.lease.connection()?.batch_execute(&check).await {
            Ok(()) => {
                self.lease.release();
                Ok(Some(self.value))
            }
            Err(QueryError::DatabaseError(_, info)) if info.constraint_name() == Some(WITHIN_SCOPE) => {
                roll_back(self.lease);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub fn roll_back(self) {
        roll_back(self.lease);
    }
}

/// Runs `work` in the scope, unless the statement `condition` fails, and leaves the transaction open.
///
/// At most half of the pool's connections are held this way at once, so that slow storage can't take all of them.
pub async fn open<T>(
    db: &Database,
    scope: &Scope,
    condition: Option<&str>,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<Open<T>> {
    let turn = db.download_turn().await?;
    let (value, lease) = begin_if(db, scope, condition, work).await?;
    Ok(Open { value, lease, turn })
}

async fn begin<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<(T, Lease)> {
    begin_if(db, scope, None, work).await
}

async fn begin_if<T>(
    db: &Database,
    scope: &Scope,
    condition: Option<&str>,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<(T, Lease)> {
    let mut statements = scope.begin();
    if let Some(condition) = condition {
        statements.push_str("; ");
        statements.push_str(condition);
    }
    let mut lease = Lease::new(db.get().await?);
    match run(lease.connection()?, &statements, work).await {
        Ok(result) => Ok((result, lease)),
        Err(error) => {
            roll_back(lease);
            Err(error.into())
        }
    }
}

fn roll_back(lease: Lease) {
    tokio::task::spawn(lease.finish("ROLLBACK"));
}

/// Sends the statements that begin the transaction and, without waiting for their result, the queries of `work`: one
/// round trip.
///
/// This is safe because Postgres receives the messages in order:
///
/// - The first poll of `batch_execute` sends the scope before it waits for anything. `work` is polled after that.
/// - The caller ends the transaction only after every query has returned. Pipelined, the end could overtake a query that
///   has to be prepared first, and that query would run outside of the scope.
///
/// If the scope fails, Postgres aborts the transaction and every query in it.
async fn run<T>(
    mut connection: &AsyncPgConnection,
    statements: &str,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let shared = connection;
    let mut begin = pin!(connection.batch_execute(statements));
    match poll!(begin.as_mut()) {
        Poll::Ready(begun) => {
            begun?;
            work(shared).await
        }
        Poll::Pending => try_join(begin, work(shared)).await.map(|(_, result)| result),
    }
}
