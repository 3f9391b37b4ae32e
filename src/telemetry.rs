//! The log: on stderr, as text for people or as JSON for machines. Results of commands go to stdout, never here.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use crate::config::LogFormat;

/// Starts the log. That the filter is a good one, [`crate::config`] has made sure of.
pub fn start(format: LogFormat, filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
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
    // A second start in one process, as in tests, keeps the first.
    drop(started);
}
