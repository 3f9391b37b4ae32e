//! Connections as the owner of an [`App`]'s database. They are kept, because Postgres needs ten milliseconds of processor
//! time to fill the caches of a new one.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use primetrade::db;

use super::App;

/// Makes a kept connection like a new one. Fails on one that Postgres has closed.
const RESET: &str = "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL; SELECT pg_advisory_unlock_all()";

/// The connections that are not in use.
#[derive(Default)]
pub struct Idle(Mutex<Vec<AsyncPgConnection>>);

/// A connection that is kept for the next use when the test drops it.
pub struct Lent<'a> {
    /// `None` only while it is dropped.
    connection: Option<AsyncPgConnection>,
    idle: &'a Idle,
}

impl Idle {
    fn take(&self) -> Option<AsyncPgConnection> {
        self.0.lock().unwrap().pop()
    }
}

impl Deref for Lent<'_> {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.connection.as_ref().unwrap()
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.connection.as_mut().unwrap()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.idle.0.lock().unwrap().extend(self.connection.take());
    }
}

impl App {
    /// A connection of its own for the caller, without a transaction, a lock or a setting of an earlier one.
    pub async fn connection(&self) -> Lent<'_> {
        while let Some(mut connection) = self.idle.take() {
            if connection.batch_execute(RESET).await.is_ok() {
                return Lent { connection: Some(connection), idle: &self.idle };
            }
        }
        let connection = db::connect(&self.database).await.unwrap();
        Lent { connection: Some(connection), idle: &self.idle }
    }
}
