//! Sets up the log on stderr, as text for people or JSON for machines. Commands print their results to stdout.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// Below `info`, these crates log whole requests, including presigned links and signing keys.
const QUIET: &str = "aws_config=info,aws_runtime=info,aws_sigv4=info,aws_smithy_http_client=info,aws_smithy_runtime=info,\
                     aws_smithy_runtime_api=info,aws_sdk_s3=info,hyper=info,hyper_util=info,reqwest=info";

/// These crates log each wrong answer of a passkey as an error. The access log has it, with its reason.
const SILENT: &str = "webauthn_rs=off,webauthn_rs_core=off";

/// Starts the log. `filter` was checked when the configuration was read.
pub fn start(is_json: bool, filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(format!("{filter},{QUIET},{SILENT}"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if is_json {
        let json = log.json().flatten_event(true).with_current_span(false).with_span_list(false);
        json.with_timer(ChronoUtc::rfc_3339()).try_init()
    } else {
        log.with_timer(ChronoUtc::rfc_3339()).with_ansi(false).try_init()
    };
    // Tests start it more than once in one process. The first start stays in effect.
    drop(started);
}
