//! Promise 1: a customer's request reaches the database only through here.
//!
//! Two locks, both in every query. The query itself says `customer_id = …` ([`Scope::companies`] gives the ids, and
//! the index order needs it anyway), and it runs as the role `portal_customer`, whose row-level policies compare with
//! the ids set for this one transaction. With nothing set, no row is visible; that role can change nothing and add
//! nothing but audit events.
//!
//! Office and audit requests go through the same [`read`] and [`record`] with [`Scope::All`], as the owner, which row
//! security doesn't slow.

use std::pin::pin;
use std::task::Poll;

use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::future::try_join;
use futures_util::poll;
use tokio::sync::OwnedSemaphorePermit;

use super::{Database, DbResult, Lease};

/// How far a request may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The BOLs of these companies, for a customer's login, or for somebody of the office who looks as one: the role that
    /// is on record says which.
    Companies { user_id: i64, ids: Vec<i64>, acting_as: &'static str },
    /// Every BOL, for the terminal's own people.
    All,
}

impl Scope {
    /// The companies to name in the query; `None`: no filter.
    pub fn companies(&self) -> Option<&[i64]> {
        match self {
            Self::Companies { ids, .. } => Some(ids),
            Self::All => None,
        }
    }

    /// Numbers, and the name of a role, so nothing in it needs quoting.
    fn begin(&self) -> String {
        match self {
            Self::Companies { user_id, ids, acting_as } => {
                let acting_as = match *acting_as {
                    "customer" => String::new(),
                    role => format!("; SET LOCAL portal.user_role = '{role}'"),
                };
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!(
                    "BEGIN; SET LOCAL ROLE portal_customer; SET LOCAL portal.user_id = '{user_id}'; \
                     SET LOCAL portal.customer_ids = '{}'{acting_as}",
                    ids.join(",")
                )
            }
            Self::All => "BEGIN".into(),
        }
    }
}

/// Runs `work` within the reach and gives its result; nothing it writes is kept.
///
/// The rollback is sent once the result is there, and nobody waits for it.
pub async fn read<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin(db, scope, work).await?;
    roll_back(lease);
    Ok(result)
}

/// Runs `work` within the reach and commits what it wrote, all of it or nothing. Only after that is there a result.
pub async fn record<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<T> {
    let (result, lease) = begin(db, scope, work).await?;
    lease.finish("COMMIT").await?;
    Ok(result)
}

/// A transaction that has done its work and waits for a word from outside of the database. Dropped, it is rolled back.
pub struct Open<T> {
    value: T,
    lease: Lease,
    turn: OwnedSemaphorePermit,
}

impl<T> Open<T> {
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Commits if this document is still stored and still within scope, as of now; both in one round trip. `None`: it isn't,
    /// and nothing was written.
    pub async fn commit_if_within(mut self, document: i64, companies: Option<&[i64]>) -> DbResult<Option<T>> {
        drop(self.turn);
        // Numbers only, so nothing in it needs quoting. The first to fail ends the message, and the transaction.
        let companies = companies.map_or_else(
            || "NULL".to_owned(),
            |ids| format!("'{{{}}}'", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        );
        let look = format!("SELECT assert_document_within({document}, {companies}); COMMIT");
        match self.lease.connection()?.batch_execute(&look).await {
            Ok(()) => {
                self.lease.release();
                Ok(Some(self.value))
            }
            Err(QueryError::DatabaseError(_, info)) if info.message().contains("not within reach") => {
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

/// Runs `work` within the reach and leaves the transaction open. Half of the pool's connections at the most are held
/// like that at once, so that whatever is waited for can't take all of them.
pub async fn open<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<Open<T>> {
    let turn = db.turn_outside().await?;
    let (value, lease) = begin(db, scope, work).await?;
    Ok(Open { value, lease, turn })
}

async fn begin<T>(
    db: &Database,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> DbResult<(T, Lease)> {
    let mut lease = Lease::new(db.get().await?);
    match run(lease.connection()?, scope, work).await {
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

/// Sends the scope, and behind it, without waiting for an answer, whatever queries `work` starts: one round trip.
///
/// The order on the wire is what keeps this safe. The first poll of `batch_execute` hands its message to the
/// connection before it can wait for anything, and `work` isn't polled before that. The end of the transaction is
/// sent only when every query has answered, never pipelined: a query that has to be prepared first would arrive
/// behind it, outside of the scope. Should the scope fail, the transaction is aborted and every query in it too.
async fn run<T>(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    work: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let shared = connection;
    let statements = scope.begin();
    let mut begin = pin!(connection.batch_execute(&statements));
    match poll!(begin.as_mut()) {
        Poll::Ready(begun) => {
            begun?;
            work(shared).await
        }
        Poll::Pending => try_join(begin, work(shared)).await.map(|(_, result)| result),
    }
}
