//! Lets an office user view the portal as a customer, with the customer's scope and without changes. The log records
//! both names ([`crate::audit::Actor::seen_as`]).

use diesel_async::AsyncPgConnection;

use super::{Token, Viewer, sessions};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::db::{Database, DbResult};

/// Begins with the next request of this session, whose new token it returns. `None`: the session has ended.
pub async fn begin(
    db: &Database,
    viewer: &Viewer,
    origin: &Origin,
    (customer_id, code): (i64, &str),
) -> DbResult<Option<Token>> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        sessions::see_as(connection, viewer.session()?, Some(customer_id)).await?;
        let event = Event::new(Action::SeeAsStarted, Outcome::Success, viewer.actor(), origin);
        audit::record(connection, &event.with_customer(customer_id, code)).await?;
        Ok(sessions::renew(connection, viewer.session()?).await?)
    })
    .await
}

/// Returns the code of the company that was viewed as, with the session's new token, or `None`.
pub async fn end<'a>(db: &Database, viewer: &'a Viewer, origin: &Origin) -> DbResult<Option<(&'a str, Option<Token>)>> {
    let Some(company) = viewer.seeing_from.and(viewer.companies.first()) else { return Ok(None) };
    let token = db.transaction(async |connection: &mut AsyncPgConnection| -> DbResult<Option<Token>> {
        sessions::see_as(connection, viewer.session()?, None).await?;
        let event = Event::new(Action::SeeAsEnded, Outcome::Success, viewer.actor(), origin);
        audit::record(connection, &event.with_customer(company.id, &company.code)).await?;
        Ok(sessions::renew(connection, viewer.session()?).await?)
    });
    Ok(Some((&company.code, token.await?)))
}
