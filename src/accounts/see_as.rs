//! Lets an office user view the portal as a customer, with the customer's scope and without changes. The log records
//! both names ([`crate::audit::Actor::seen_as`]).

use diesel_async::AsyncPgConnection;

use super::{Viewer, sessions};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::db::{Database, DbResult};

/// Begins with the next request of this session.
pub async fn begin(db: &Database, viewer: &Viewer, origin: &Origin, customer_id: i64, code: &str) -> DbResult<()> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        sessions::see_as(connection, viewer.session_id, Some(customer_id)).await?;
        let event = Event::new(Action::SeeAsStarted, Outcome::Success, viewer.actor(), origin);
        Ok(audit::record(connection, &event.with_customer(customer_id, code)).await?)
    })
    .await
}

/// Returns the code of the company that was viewed as, or `None`.
pub async fn end<'a>(db: &Database, viewer: &'a Viewer, origin: &Origin) -> DbResult<Option<&'a str>> {
    let Some(company) = viewer.seeing_from.and(viewer.companies.first()) else { return Ok(None) };
    db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<()> {
        sessions::see_as(connection, viewer.session_id, None).await?;
        let event = Event::new(Action::SeeAsEnded, Outcome::Success, viewer.actor(), origin);
        Ok(audit::record(connection, &event.with_customer(company.id, &company.code)).await?)
    })
    .await?;
    Ok(Some(&company.code))
}
