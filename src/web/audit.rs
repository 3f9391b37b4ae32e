//! `/audit`: the access log, for auditors and administrators. Reading it is recorded, too.

mod action_choices;
mod days;
pub mod event;
pub mod export;
pub mod integrity;
pub mod log;
mod log_page;
mod log_row;
pub mod pack;
pub mod proof;
mod unusual_line;

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use super::auth::Auditors;
use super::context::Context;
use super::{Error, Site};
use crate::audit::filter::{FilterText, ParsedFilter};
use crate::audit::names::{self, FoundNames};
use crate::audit::seal::RangeProofError;
use crate::audit::search::{Filter, Position};
use crate::audit::{self, Action, Event, Outcome};
use crate::field_errors::FieldErrors;

/// The words of an auditor for what was done.
fn action_words(action: &str, outcome: Option<Outcome>) -> &'static str {
    let action = action.parse::<Action>();
    match (action, outcome) {
        // The labels of these would say that it was done.
        (Ok(Action::BolDownloaded), Some(Outcome::Denied | Outcome::Failed)) => "No download link issued",
        (Ok(Action::LinkFetched), Some(Outcome::Denied)) => "Download refused",
        (Ok(Action::LinkFetched), Some(Outcome::Failed)) => "Download failed",
        (Ok(Action::BolsZipped), Some(Outcome::Denied | Outcome::Failed)) => "ZIP not completed",
        (Ok(Action::BolPreviewed), Some(Outcome::Denied | Outcome::Failed)) => "Not shown in the browser",
        (Ok(action), _) => action.label(),
        (Err(()), _) => "Unknown action",
    }
}

fn outcome(name: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == name)
}

/// A filter with what the parts of names in it mean.
struct Search {
    filter: Filter,
    found: FoundNames,
    after: Option<Position>,
}

/// Reads a filter, and finds what the parts of names in it mean. Returns the messages beside its fields if it is wrong.
async fn read_filter(
    connection: &mut AsyncPgConnection,
    site: &Site,
    text: &FilterText,
) -> Result<Result<Search, FieldErrors>, Error> {
    let ParsedFilter { mut filter, after, errors } = text.parse(site.time_zone, site.clock.now());
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    Ok(names::resolve(connection, &mut filter).await?.map(|found| Search { filter, found, after }))
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
