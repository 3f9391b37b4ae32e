//! The log: on stderr, as text for people or as JSON for machines. Results of commands go to stdout, never here.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use crate::config::LogFormat;

/// Starts the log. A filter that doesn't parse is reported and replaced by `info`.
pub fn start(format: LogFormat, filter: &str) {
    let (filter, problem) = match EnvFilter::builder().parse(filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => log.with_timer(ChronoUtc::rfc_3339()).with_ansi(false).try_init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_timer(ChronoUtc::rfc_3339())
            .try_init(),
    };
    if started.is_err() {
        return; // A second start in one process, as in tests, keeps the first.
    }
    if let Some(error) = problem {
        tracing::warn!(%error, "RUST_LOG does not parse; using info");
    }
}
