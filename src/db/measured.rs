//! Counts what a pool does: its connections, the waits for them, and the time of each statement.
//!
//! Statements of connections outside of the pools, such as those of snapshots, are not counted.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Instant;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use super::query_name::query_name;
use crate::metrics::{Metrics, PoolState, QueryName};

/// The metrics of a pool, and its name in them.
#[derive(Clone)]
pub(super) struct Measured {
    metrics: Metrics,
    name: &'static str,
}

impl Measured {
    pub fn new(metrics: &Metrics, name: &'static str, pool: &Pool<AsyncPgConnection>) -> Self {
        let pool = pool.weak();
        metrics.add_pool(name, move || {
            let status = pool.upgrade()?.status();
            let in_use = status.size.saturating_sub(status.available);
            Some(PoolState { connections: status.size, in_use, waiting: status.waiting, max: status.max_size })
        });
        Self { metrics: metrics.clone(), name }
    }

    /// Counts a wait for a connection that has ended.
    pub fn waited(&self, since: Instant) {
        self.metrics.pool_wait(self.name, since.elapsed());
    }

    /// Has the statements of the connection counted. Done for each use, because a statement that was canceled in an
    /// earlier use never ends.
    pub fn watch(&self, connection: &mut AsyncPgConnection) {
        connection.set_instrumentation(StatementTimer { metrics: self.metrics.clone(), started: VecDeque::new() });
    }
}

/// Times the statements of one connection. Postgres answers them in the order in which they were sent.
struct StatementTimer {
    metrics: Metrics,
    started: VecDeque<Instant>,
}

impl Instrumentation for StatementTimer {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            // The text is not read here: diesel would build it a second time, with all parameters.
            InstrumentationEvent::StartQuery { .. } => self.started.push_back(Instant::now()),
            InstrumentationEvent::FinishQuery { query, error, .. } => {
                let Some(started) = self.started.pop_front() else { return };
                let mut namer = Namer(None);
                // Fails on purpose after the first part, which is the whole statement.
                let _ = write!(namer, "{query}");
                let name = namer.0.unwrap_or(QueryName::Summary("other", ""));
                self.metrics.statement(name, started.elapsed(), error.is_some());
            }
            _ => {}
        }
    }
}

/// Takes the name from the first part that is written.
struct Namer(Option<QueryName>);

impl Write for Namer {
    fn write_str(&mut self, sql: &str) -> fmt::Result {
        self.0 = Some(query_name(sql));
        Err(fmt::Error)
    }
}
