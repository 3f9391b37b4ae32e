//! Links with which a person sets the first password, or a forgotten one anew: good once, and for a week.
//!
//! Looking at a link uses nothing up, since mail scanners follow links; only setting the password does.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::passwords::{self, Unacceptable};
use super::token::Token;
use super::{User, sessions};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::{tokens, users};
use crate::db::{Database, DbError, DbResult};

pub const LIFE: TimeDelta = TimeDelta::days(7);
const PURPOSE: &str = "invitation";

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tokens)]
struct NewToken {
    token_hash: Vec<u8>,
    purpose: &'static str,
    user_id: i64,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Used, replaced, too old, or never ours; of a disabled user too.
    #[error("This link doesn't work any more.")]
    Gone,
    #[error("{0}")]
    New(#[from] Unacceptable),
    #[error("The two don't match. Type the new password again.")]
    Repeat,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes a link's token. Earlier ones of the same user stop working.
pub async fn invite(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user_id: i64) -> QueryResult<Token> {
    let token = Token::generate()?;
    let row = NewToken { token_hash: token.hash(), purpose: PURPOSE, user_id, created_at: now, expires_at: now + LIFE };
    diesel::insert_into(tokens::table)
        .values(&row)
        .on_conflict((tokens::user_id, tokens::purpose))
        .do_update()
        .set(&row)
        .execute(connection)
        .await?;
    Ok(token)
}

/// Whose link this is, if it still works.
pub async fn find(connection: &mut AsyncPgConnection, now: DateTime<Utc>, token: &Token) -> QueryResult<Option<User>> {
    tokens::table
        .inner_join(users::table)
        .filter(tokens::token_hash.eq(token.hash()))
        .filter(tokens::purpose.eq(PURPOSE))
        .filter(tokens::expires_at.gt(now))
        .filter(users::active)
        .select(User::as_select())
        .first(connection)
        .await
        .optional()
}

/// Sets the password, uses the link up, and ends the sessions there may be.
pub async fn accept(
    db: &Database,
    clock: &Clock,
    origin: &Origin,
    token: &Token,
    new: &str,
    repeated: &str,
) -> Result<(), AcceptError> {
    let user = find(&mut *db.get().await?, clock.now(), token).await.map_err(DbError::from)?;
    let user = user.ok_or(AcceptError::Gone)?;
    passwords::check(new, &[&user.email, &user.name]).await?;
    if new != repeated {
        return Err(AcceptError::Repeat);
    }
    let Some(hash) = passwords::hash(new).await else {
        return Err(DbError::Unreachable("the password can't be hashed now".into()).into());
    };
    if use_up(db, clock.now(), origin, token, &user, &hash).await? { Ok(()) } else { Err(AcceptError::Gone) }
}

/// `false`: somebody else was faster.
async fn use_up(
    db: &Database,
    now: DateTime<Utc>,
    origin: &Origin,
    token: &Token,
    user: &User,
    hash: &str,
) -> DbResult<bool> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let used = diesel::delete(tokens::table.find(token.hash()).filter(tokens::expires_at.gt(now)));
        if used.execute(connection).await? == 0 {
            return Ok(false);
        }
        diesel::update(users::table.find(user.id))
            .set((users::password_hash.eq(hash), users::password_changed_at.eq(now)))
            .execute(connection)
            .await?;
        sessions::end_all(connection, user.id).await?;
        let actor = Actor { user_id: Some(user.id), email: &user.email, role: Some(&user.role) };
        let event = Event::new(Action::PasswordChanged, Outcome::Success, actor, origin);
        audit::record(connection, &event.detail(serde_json::json!({"by": "invitation"}))).await?;
        Ok(true)
    })
    .await
}
