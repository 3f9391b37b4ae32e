//! `/audit`: the access log, for auditors and administrators. Reading it is recorded, too.

mod days;
pub mod event;
pub mod export;
pub mod integrity;
pub mod log;
pub mod pack;
pub mod proof;

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::auth::Auditors;
use super::context::Context;
use super::{Error, Site};
use crate::audit::filter::{FilterText, ParsedFilter};
use crate::audit::seal::RangeProofError;
use crate::audit::search::Filter;
use crate::audit::{self, Action, Event, Outcome};

fn action_label(action: &str) -> &'static str {
    action.parse().map_or("Unknown action", Action::label)
}

/// The filter of a download, which covers all pages, and the filter as an event records it.
fn download_filter(text: FilterText, site: &Site) -> Result<(Filter, Value), Error> {
    let text = FilterText { after: String::new(), ..text };
    let ParsedFilter { filter, errors, .. } = text.parse(site.time_zone, site.clock.now());
    if !errors.is_empty() {
        return Err(Error::Invalid(errors.summary()));
    }
    Ok((filter, text.to_json()))
}

/// Records what the user reads of the log.
async fn record_view(context: &Context<Auditors>, connection: &AsyncPgConnection, detail: Value) -> Result<(), Error> {
    let event = Event::new(Action::AuditViewed, Outcome::Success, context.viewer.actor(), &context.origin);
    Ok(audit::record(connection, &event.detail(detail)).await?)
}

fn unprovable(error: RangeProofError) -> Error {
    match error {
        RangeProofError::Db(error) => error.into(),
        RangeProofError::Waiting => Error::Unavailable(error.to_string()),
        other => Error::Conflict(other.to_string()),
    }
}
