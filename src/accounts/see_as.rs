//! Somebody of the office looks at the portal as a customer does: with the customer's reach, without being able to change
//! anything, and with everything on record under both names ([`crate::audit::Actor::seen_as`]).

use diesel_async::AsyncPgConnection;

use super::{Viewer, sessions};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::db::{Database, DbResult};

/// As of the next request of this one session.
pub async fn begin(db: &Database, viewer: &Viewer, origin: &Origin, customer_id: i64, code: &str) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        sessions::see_as(connection, viewer.session_id, Some(customer_id)).await?;
        let event = Event::new(Action::SeeAsStarted, Outcome::Success, viewer.actor(), origin);
        Ok(audit::record(connection, &event.about(customer_id, code)).await?)
    })
    .await
}

/// Gives the code of the company that was looked as; `None`: none was.
pub async fn end<'a>(db: &Database, viewer: &'a Viewer, origin: &Origin) -> DbResult<Option<&'a str>> {
    let Some(company) = viewer.seeing_from.and(viewer.companies.first()) else { return Ok(None) };
    db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
        sessions::see_as(connection, viewer.session_id, None).await?;
        let event = Event::new(Action::SeeAsEnded, Outcome::Success, viewer.actor(), origin);
        Ok(audit::record(connection, &event.about(company.id, &company.code)).await?)
    })
    .await?;
    Ok(Some(&company.code))
}
