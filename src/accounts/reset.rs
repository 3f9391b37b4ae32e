//! Requests a link for a forgotten password, without revealing whether the login exists.
//!
//! Every request gets the same response, delayed to a whole second. A login gets at most one email every few minutes,
//! and a few per day. A request doesn't shorten the life of the previous link.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use tokio::time::Instant;

use super::invitation::{self, Purpose, RESET_LIFE};
use super::throttle::{Attempt, Decision, finish_on_whole_second};
use super::{LoginLinks, users};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::tokens;
use crate::db::{Database, DbError};
use crate::mail::EmailTemplate;
use crate::mail::outbox::{self, To};

/// A link that was sent so recently is still in delivery.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(5);
/// Links sent to one login within a day, regardless of who requests them.
const MAX_LINKS_PER_DAY: i64 = 10;

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error("too many requests from this address; wait {0:?}")]
    Slowed(Duration),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(ResetError);

/// Sends a link to the address if an active login has it.
pub async fn request(
    db: &Database,
    clock: &Clock,
    links: LoginLinks<'_>,
    origin: &Origin,
    email: &str,
) -> Result<(), ResetError> {
    let started = Instant::now();
    let mut attempt = Attempt::reset(origin.ip);
    let mut connection = db.get().await?;
    if let Decision::Refuse(wait) = attempt.begin(&mut connection, clock.now()).await? {
        return Err(ResetError::Slowed(wait));
    }
    drop(connection);
    send(db, clock, links, origin, email).await?;
    finish_on_whole_second(started).await;
    Ok(())
}

async fn send(
    db: &Database,
    clock: &Clock,
    links: LoginLinks<'_>,
    origin: &Origin,
    email: &str,
) -> Result<(), DbError> {
    let now = clock.now();
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let Some(user) = users::by_email(connection, email).await?.filter(|user| user.active && !user.is_service)
        else {
            return Ok(());
        };
        // Of two simultaneous requests, the second sees the link of the first.
        users::lock(connection, user.id).await?;
        let recent = tokens::table
            .filter(tokens::user_id.eq(user.id))
            .filter(tokens::purpose.eq(Purpose::Reset.as_str()))
            .filter(tokens::created_at.gt(now - AGAIN_AFTER));
        if diesel::select(exists(recent)).get_result(connection).await? {
            return Ok(());
        }
        let sent =
            outbox::written(connection, &user.email, &[Purpose::Reset.as_str()], now - TimeDelta::days(1)).await?;
        if sent >= MAX_LINKS_PER_DAY {
            return Ok(());
        }
        let seed = invitation::mailed(connection, now, user.id, Purpose::Reset, links.key).await?;
        let (name, issuer) = (user.name.clone(), links.issuer_of(&user.role));
        let template = EmailTemplate::Reset { name, seed, minutes: RESET_LIFE.num_minutes(), issuer };
        outbox::post(connection, now, To::new(&user.email, Some(user.id)), &template).await?;
        // The requester is unknown. The event names only the login.
        let actor = Actor::named(&user.email);
        let event = Event::new(Action::PasswordResetRequested, Outcome::Success, actor, origin);
        Ok(audit::record(connection, &event.detail(json!({"mailed_to": user.email}))).await?)
    })
    .await
}
