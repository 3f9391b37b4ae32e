//! An email two weeks before a token ends, so that no program stops without warning.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::readers::readers;
use crate::db::schema::api_tokens;
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// How long before its end the email is sent.
pub const BEFORE_END: TimeDelta = TimeDelta::days(14);
/// Emails of one run.
const MAX_TOKENS: i64 = 200;

#[derive(QueryableByName)]
struct Ending {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = Text)]
    owner_name: String,
    #[diesel(sql_type = Bool)]
    is_service: bool,
}

/// Queues the emails about tokens that end within two weeks, once for each token. Returns how many there were.
pub async fn remind(db: &Database, now: DateTime<Utc>) -> DbResult<usize> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::TokenReminders).await? {
            return Ok(0);
        }
        let mut sent = 0;
        for token in ending(connection, now).await? {
            for reader in readers(connection, (token.id, token.owner, token.is_service)).await? {
                let service = token.is_service.then(|| token.owner_name.clone());
                let notice = SecurityNotice::TokenEnds { token: token.name.clone(), service, ends: token.expires_at };
                let template = EmailTemplate::security(notice, &reader.name);
                outbox::post(connection, now, To::new(&reader.email, Some(reader.id)), &template).await?;
                sent += 1;
            }
            diesel::update(api_tokens::table.find(token.id))
                .set(api_tokens::reminded_at.eq(now))
                .execute(connection)
                .await?;
        }
        Ok(sent)
    })
    .await
}

/// Tokens that work for at most two more weeks. One that was made for less needs no email: its maker knows.
async fn ending(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Ending>> {
    diesel::sql_query(format!(
        "SELECT t.id, t.name, t.expires_at, u.id AS owner, u.name AS owner_name, u.is_service FROM api_tokens t \
         JOIN users u ON u.id = t.user_id AND u.active WHERE t.revoked_at IS NULL AND t.reminded_at IS NULL \
         AND t.expires_at > $1 AND t.expires_at <= $2 AND t.expires_at - t.created_at > interval '{} days' ORDER BY t.id LIMIT {MAX_TOKENS}",
        BEFORE_END.num_days()
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + BEFORE_END)
    .load(connection)
    .await
}
