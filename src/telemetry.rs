//! The log: on stderr, as text for people or as JSON for machines. Results of commands go to stdout, never here.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

use crate::config::LogFormat;

/// Below "info" these write down requests whole: presigned links, and what signs them.
const QUIET: &str = "aws_config=info,aws_runtime=info,aws_sigv4=info,aws_smithy_http_client=info,aws_smithy_runtime=info,\
                     aws_smithy_runtime_api=info,aws_sdk_s3=info,hyper=info,hyper_util=info,reqwest=info";

/// Starts the log. That the filter is a good one, [`crate::config`] has made sure of.
pub fn start(format: LogFormat, filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(format!("{filter},{QUIET}"));
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
