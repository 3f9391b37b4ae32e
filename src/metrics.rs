//! Metrics of one server process, written as [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/) text.
//! docs/operations.md lists them.
//!
//! A server makes one [`Metrics`] and hands it to its parts. There is no global registry, so two servers in one process
//! don't count each other's work. Labels come from lists that the program knows: routes of the routing table, tables of
//! the schema, names in the code. No label has a user, a BOL number, an address or a file name.

mod process;
mod readings;

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use readings::{PoolState, Readings};

/// The prefix of the portal's own metrics. Those of the process have the names that Prometheus' own clients use.
const PREFIX: &str = "primetrade";
/// The content type of [`Metrics::to_text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The route of a request that no entry of the routing table matches.
const NO_ROUTE: &str = "none";
/// The method of a request with a method that the portal doesn't know.
const OTHER_METHOD: &str = "other";
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    query: QueryName,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    task: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: &'static str,
}

/// What a statement is called: its own name, or its verb and the first table it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryName {
    Named(&'static str),
    /// Such as `SELECT bols`. The table is empty if the statement names none of the schema.
    Summary(&'static str, &'static str),
}

impl EncodeLabelValue for QueryName {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self {
            Self::Named(name) | Self::Summary(name, "") => encoder.write_str(name),
            Self::Summary(verb, table) => write!(encoder, "{verb} {table}"),
        }
    }
}

/// Reads the state of a pool, or returns `None` once the pool is gone.
type ReadPool = Box<dyn Fn() -> Option<PoolState> + Send + Sync>;

/// What one process counts. Clones count into the same metrics.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    started: DateTime<Utc>,
    pools: Mutex<Vec<(&'static str, ReadPool)>>,
    requests: Family<RequestLabels, Counter>,
    request_durations: Durations<RouteLabels>,
    pool_waits: Durations<PoolLabels>,
    replica_reads: Family<OutcomeLabels, Counter>,
    statements: Durations<QueryLabels>,
    statement_errors: Family<QueryLabels, Counter>,
    storage_calls: Durations<CallLabels>,
    uploads: Family<OutcomeLabels, Counter>,
    logins: Family<LoginLabels, Counter>,
    sweeper_runs: Family<OutcomeLabels, Counter>,
    sweeper_documents: Family<OutcomeLabels, Counter>,
    sweeper_last_run: Family<OutcomeLabels, Gauge<f64, AtomicU64>>,
    examiner_running: Gauge,
    examiner_waiting: Gauge,
    examiner_waits: Histogram,
    examinations: Durations<TaskLabels>,
}

/// From half a millisecond: statements and waits for a connection.
fn short_durations() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
}

/// The usual buckets of Prometheus: requests, and calls to the storage.
fn durations() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Up to the time limit of the examiner.
fn long_durations() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 90.0])
}

impl Inner {
    fn new(version: &'static str, started: DateTime<Utc>) -> Self {
        let mut inner = Self {
            registry: Registry::with_prefix(PREFIX),
            started,
            pools: Mutex::default(),
            requests: Family::default(),
            request_durations: Family::new_with_constructor(durations),
            pool_waits: Family::new_with_constructor(short_durations),
            replica_reads: Family::default(),
            statements: Family::new_with_constructor(short_durations),
            statement_errors: Family::default(),
            storage_calls: Family::new_with_constructor(durations),
            uploads: Family::default(),
            logins: Family::default(),
            sweeper_runs: Family::default(),
            sweeper_documents: Family::default(),
            sweeper_last_run: Family::default(),
            examiner_running: Gauge::default(),
            examiner_waiting: Gauge::default(),
            examiner_waits: long_durations(),
            examinations: Family::new_with_constructor(long_durations),
        };
        let mut registry = std::mem::take(&mut inner.registry);
        registry.register("build", "The version of the program", Info::new([("version", version)]));
        inner.register_requests(&mut registry);
        inner.register_work(&mut registry);
        inner.begin_at_zero();
        inner.registry = registry;
        inner
    }

    fn register_requests(&self, to: &mut Registry) {
        to.register("http_requests", "Answered requests", self.requests.clone());
        let help = "Time from the head of a request to the head of its answer";
        to.register_with_unit("http_request_duration", help, Unit::Seconds, self.request_durations.clone());
        let help = "Time until a connection of the pool was free, or the wait was given up";
        to.register_with_unit("pool_wait_duration", help, Unit::Seconds, self.pool_waits.clone());
        let help = "Reads that a replica may serve, by what happened";
        to.register("replica_reads", help, self.replica_reads.clone());
        let help = "Time from sending a statement to the first part of its result";
        to.register_with_unit("statement_duration", help, Unit::Seconds, self.statements.clone());
        to.register("statement_errors", "Statements that failed", self.statement_errors.clone());
        let help = "Time of a call to the storage, with its retries";
        to.register_with_unit("storage_call_duration", help, Unit::Seconds, self.storage_calls.clone());
    }

    fn register_work(&self, to: &mut Registry) {
        to.register("uploads", "Uploaded files", self.uploads.clone());
        to.register("logins", "Attempts to log in", self.logins.clone());
        to.register("sweeper_runs", "Runs of the sweeper of interrupted uploads", self.sweeper_runs.clone());
        to.register(
            "sweeper_documents",
            "Interrupted uploads that the sweeper looked at",
            self.sweeper_documents.clone(),
        );
        let help = "When the sweeper of this process last ended a run this way";
        to.register_with_unit("sweeper_last_run_timestamp", help, Unit::Seconds, self.sweeper_last_run.clone());
        to.register("examiner_running", "Examining processes that run", self.examiner_running.clone());
        to.register("examiner_waiting", "Files that wait for an examining process", self.examiner_waiting.clone());
        let help = "Time that files waited for an examining process";
        to.register_with_unit("examiner_wait_duration", help, Unit::Seconds, self.examiner_waits.clone());
        let help = "Time that examining processes ran";
        to.register_with_unit("examiner_duration", help, Unit::Seconds, self.examinations.clone());
    }
}

impl Inner {
    /// Creates the series that alerts look at, because an increase from nothing is not seen.
    fn begin_at_zero(&self) {
        for outcome in ["stored", "duplicate", "needs_review", "rejected", "put_off"] {
            drop(self.uploads.get_or_create(&OutcomeLabels { outcome }));
        }
        for outcome in ["success", "failed", "skipped"] {
            drop(self.sweeper_runs.get_or_create(&OutcomeLabels { outcome }));
        }
        for outcome in ["behind", "away"] {
            drop(self.replica_reads.get_or_create(&OutcomeLabels { outcome }));
        }
        for outcome in ["refused", "throttled"] {
            drop(self.logins.get_or_create(&LoginLabels { method: "password", outcome }));
        }
    }
}

impl Metrics {
    /// `started` is when the process started.
    pub fn new(version: &'static str, started: DateTime<Utc>) -> Self {
        Self(Arc::new(Inner::new(version, started)))
    }

    /// Counts an answered request. `route` is the pattern of the routing table, if the path matches one.
    pub fn request(&self, route: Option<String>, method: &str, status: u16, duration: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER_METHOD);
        let labels = RouteLabels { route: route.unwrap_or_else(|| NO_ROUTE.into()), method };
        self.0.request_durations.get_or_create(&labels).observe(duration.as_secs_f64());
        let RouteLabels { route, method } = labels;
        self.0.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }

    /// Adds a pool of connections, whose state each scrape reads. Pools of one name are added up.
    pub fn add_pool(&self, name: &'static str, read: impl Fn() -> Option<PoolState> + Send + Sync + 'static) {
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner).push((name, Box::new(read)));
    }

    pub fn pool_wait(&self, pool: &'static str, waited: Duration) {
        self.0.pool_waits.get_or_create(&PoolLabels { pool }).observe(waited.as_secs_f64());
    }

    /// Counts a read that a replica may serve.
    pub fn replica_read(&self, outcome: &'static str) {
        self.0.replica_reads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn statement(&self, query: QueryName, duration: Duration, has_failed: bool) {
        let labels = QueryLabels { query };
        self.0.statements.get_or_create(&labels).observe(duration.as_secs_f64());
        if has_failed {
            self.0.statement_errors.get_or_create(&labels).inc();
        }
    }

    pub fn storage_call(&self, operation: &'static str, outcome: &'static str, duration: Duration) {
        self.0.storage_calls.get_or_create(&CallLabels { operation, outcome }).observe(duration.as_secs_f64());
    }

    pub fn upload(&self, outcome: &'static str) {
        self.0.uploads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn login(&self, method: &'static str, outcome: &'static str) {
        self.0.logins.get_or_create(&LoginLabels { method, outcome }).inc();
    }

    /// Counts a run of the sweeper, which ended now, and the documents that it settled and left.
    pub fn sweep(&self, outcome: &'static str, (settled, left): (usize, usize), now: DateTime<Utc>) {
        let labels = OutcomeLabels { outcome };
        self.0.sweeper_runs.get_or_create(&labels).inc();
        self.0.sweeper_last_run.get_or_create(&labels).set(seconds(now));
        for (outcome, documents) in [("settled", settled), ("left", left)] {
            self.0.sweeper_documents.get_or_create(&OutcomeLabels { outcome }).inc_by(documents as u64);
        }
    }

    /// Counts a file that waits for an examining process, until the wait is dropped.
    pub fn examiner_wait(&self) -> Stopwatch {
        Stopwatch::new(&self.0.examiner_waiting, self.0.examiner_waits.clone())
    }

    /// Counts an examining process that runs, until the run is dropped.
    pub fn examination(&self, task: &'static str) -> Stopwatch {
        Stopwatch::new(&self.0.examiner_running, self.0.examinations.get_or_create_owned(&TaskLabels { task }))
    }

    /// Returns everything as text. `readings` is what the database says now, or `None` if it doesn't answer.
    pub fn to_text(&self, readings: Option<&Readings>) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0.registry)?;
        // What is read now has a registry of this scrape only, so that no old value stays in it.
        let mut now = Registry::default();
        process::register(&mut now, seconds(self.0.started));
        let own = now.sub_registry_with_prefix(PREFIX);
        readings::register(own, readings);
        readings::register_pools(own, self.pools());
        encode(&mut text, &now)?;
        Ok(text)
    }

    /// Returns the state of each pool, and forgets those that are gone.
    fn pools(&self) -> Vec<(&'static str, PoolState)> {
        let mut states = Vec::new();
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner).retain(|(name, read)| {
            let state = read();
            states.extend(state.map(|state| (*name, state)));
            state.is_some()
        });
        states
    }
}

/// Adds one to a gauge while it lives, and its life to a histogram.
pub struct Stopwatch {
    gauge: Gauge,
    durations: Histogram,
    started: std::time::Instant,
}

impl Stopwatch {
    fn new(gauge: &Gauge, durations: Histogram) -> Self {
        gauge.inc();
        Self { gauge: gauge.clone(), durations, started: std::time::Instant::now() }
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.gauge.dec();
        self.durations.observe(self.started.elapsed().as_secs_f64());
    }
}

/// Seconds since 1970, as Prometheus writes times.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metrics: &Metrics) -> usize {
        let text = metrics.to_text(None).expect("text");
        text.lines().filter(|line| line.starts_with("primetrade_http")).count()
    }

    #[test]
    fn unknown_paths_and_methods_share_one_series() {
        let metrics = Metrics::new("1", DateTime::UNIX_EPOCH);
        metrics.request(None, "BREW", 404, Duration::from_millis(3));
        let before = series(&metrics);
        for n in 0..500 {
            metrics.request(None, &format!("BREW{n}"), 404, Duration::from_millis(3));
        }
        assert_eq!(series(&metrics), before);
        let text = metrics.to_text(None).expect("text");
        assert!(text.contains("http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 501\n"), "{text}");
    }

    /// A pool that is gone leaves no value, and neither does a database that doesn't answer.
    #[test]
    fn nothing_stale_is_shown() {
        let metrics = Metrics::new("1", DateTime::UNIX_EPOCH);
        let pool = Arc::new(PoolState { connections: 3, in_use: 2, waiting: 1, max: 4 });
        let weak = Arc::downgrade(&pool);
        metrics.add_pool("requests", move || weak.upgrade().map(|pool| *pool));
        metrics.add_pool("requests", || Some(PoolState { connections: 1, in_use: 0, waiting: 0, max: 4 }));
        let readings = Readings { unsealed_events: 7, ..Readings::default() };
        let text = metrics.to_text(Some(&readings)).expect("text");
        for line in [
            "primetrade_pool_connections{pool=\"requests\",state=\"in_use\"} 2",
            "primetrade_pool_connections{pool=\"requests\",state=\"idle\"} 2",
            "primetrade_pool_waiting{pool=\"requests\"} 1",
            "primetrade_pool_connections_max{pool=\"requests\"} 8",
            "primetrade_seal_unsealed_events 7",
            "primetrade_database_up 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} missing in\n{text}");
        }
        drop(pool);
        let text = metrics.to_text(None).expect("text");
        assert!(text.contains("primetrade_database_up 0\n") && !text.contains("primetrade_seal_"), "{text}");
        assert!(text.contains("primetrade_pool_connections_max{pool=\"requests\"} 4\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
