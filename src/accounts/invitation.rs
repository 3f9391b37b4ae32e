//! Links to set the first password, or to replace a forgotten one. Each works once: an invitation for a week, a
//! password reset for an hour.
//!
//! Opening a link doesn't use it up, because mail scanners open links. Setting the password does, and also invalidates
//! every other link of the user.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::breached::BreachList;
use super::entry::{Entry, Method, Opened};
use super::factors::remembered;
use super::passwords::{self, Busy, Place, Unacceptable};
use super::token::Token;
use super::{Policy, User, Viewer, directory, sessions};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::{tokens, users};
use crate::db::{Database, DbError, DbResult};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, LinkKey};

/// How long an invitation works.
pub const LIFE: TimeDelta = TimeDelta::days(7);
/// How long a password reset link works.
pub const RESET_LIFE: TimeDelta = TimeDelta::hours(1);

/// The purpose of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Invitation,
    Reset,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
        }
    }

    fn life(self) -> TimeDelta {
        match self {
            Self::Invitation => LIFE,
            Self::Reset => RESET_LIFE,
        }
    }
}

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
    /// The link was used, replaced, expired or made up, or its user is disabled.
    #[error("This link no longer works.")]
    Gone,
    /// Logins of this role have no password.
    #[error("Your login uses single sign-on.")]
    SsoRequired,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error("{0}")]
    New(#[from] Unacceptable),
    #[error("The two passwords don't match. Type the new password again.")]
    Repeat,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates the token of a link. Earlier ones of the same user stop working.
pub async fn invite(connection: &mut AsyncPgConnection, now: DateTime<Utc>, user_id: i64) -> QueryResult<Token> {
    let token = Token::generate()?;
    keep(connection, now, user_id, Purpose::Invitation, &token).await?;
    Ok(token)
}

/// Creates the token of a mailed link, and returns its seed for the email.
pub(super) async fn mailed(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
    purpose: Purpose,
    links: &LinkKey,
) -> QueryResult<String> {
    let seed = Token::generate()?.as_str().to_owned();
    keep(connection, now, user_id, purpose, &Token::presented(&links.secret(&seed))).await?;
    Ok(seed)
}

async fn keep(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
    purpose: Purpose,
    token: &Token,
) -> QueryResult<()> {
    let expires_at = now + purpose.life();
    let row = NewToken { token_hash: token.hash(), purpose: purpose.as_str(), user_id, created_at: now, expires_at };
    diesel::insert_into(tokens::table)
        .values(&row)
        .on_conflict((tokens::user_id, tokens::purpose))
        .do_update()
        .set(&row)
        .execute(connection)
        .await?;
    // A replaced link must not be delivered after its replacement.
    outbox::withdraw(connection, user_id, Some(purpose.as_str())).await
}

/// Returns the user and the purpose of a link that still works.
pub async fn find(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    token: &Token,
) -> QueryResult<Option<(User, Purpose)>> {
    let found: Option<(User, String)> = tokens::table
        .inner_join(users::table)
        .filter(tokens::token_hash.eq(token.hash()))
        .filter(tokens::expires_at.gt(now))
        .filter(users::active)
        .select((User::as_select(), tokens::purpose))
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(|(user, purpose)| {
        let is_reset = purpose == Purpose::Reset.as_str();
        (user, if is_reset { Purpose::Reset } else { Purpose::Invitation })
    }))
}

/// The two fields of a form that sets a password, and the browser that sends it.
#[derive(Clone, Copy)]
pub struct TypedPassword<'a> {
    pub new: &'a str,
    pub repeated: &'a str,
    /// The user who is logged in in this browser now. The new session ends that one.
    pub replaces: Option<&'a Viewer>,
    /// Whether the login must have a second factor.
    pub policy: &'a Policy,
    pub breached: Option<&'a BreachList>,
}

/// Sets the password, uses up every link of the user, and ends the user's sessions. Then opens one for this browser.
///
/// The link proves control of the mailbox, which replaces the password and no second factor: that one is asked for here too.
pub async fn accept(
    db: &Database,
    clock: &Clock,
    origin: &Origin,
    token: &Token,
    typed: TypedPassword<'_>,
) -> Result<Opened, AcceptError> {
    let TypedPassword { new, repeated, replaces, policy, breached } = typed;
    let mut connection = db.get().await?;
    let user = find(&mut connection, clock.now(), token).await.map_err(DbError::from)?;
    let (user, purpose) = user.ok_or(AcceptError::Gone)?;
    if policy.requires_sso_of(&user) {
        return Err(AcceptError::SsoRequired);
    }
    let companies = directory::memberships(&mut connection, user.id).await.map_err(DbError::from)?;
    let companies: Vec<&str> = companies.iter().map(|company| company.name.as_str()).collect();
    // Hashing may wait for its turn, and must not hold a connection.
    drop(connection);
    let _place = Place::take(&user.email, true)?;
    let about: Vec<&str> = [user.email.as_str(), &user.name].into_iter().chain(companies).collect();
    passwords::check(new, &about, breached).await?;
    if new != repeated {
        return Err(AcceptError::Repeat);
    }
    let Some(hash) = passwords::hash(new).await else {
        return Err(DbError::Unreachable("the password can't be hashed right now".into()).into());
    };
    let link = UsableLink { token, user, purpose, replaces, policy };
    link.use_up(db, clock.now(), origin, &hash).await?.ok_or(AcceptError::Gone)
}

/// A link that worked when it was opened.
struct UsableLink<'a> {
    token: &'a Token,
    user: User,
    purpose: Purpose,
    replaces: Option<&'a Viewer>,
    policy: &'a Policy,
}

impl UsableLink<'_> {
    /// Returns the new session, or `None` if another request used the link first.
    async fn use_up(&self, db: &Database, now: DateTime<Utc>, origin: &Origin, hash: &str) -> DbResult<Option<Opened>> {
        let Self { token, user, purpose, .. } = self;
        db.transaction(async |connection: &mut AsyncPgConnection| {
            // Locks the user first, like every other change of a login, to avoid deadlocks.
            if !super::users::lock(connection, user.id).await?.is_some_and(|user| user.active) {
                return Ok(None);
            }
            let used = diesel::delete(tokens::table.find(token.hash()).filter(tokens::expires_at.gt(now)));
            if used.execute(connection).await? == 0 {
                return Ok(None);
            }
            diesel::delete(tokens::table.filter(tokens::user_id.eq(user.id))).execute(connection).await?;
            diesel::update(users::table.find(user.id))
                .set((users::password_hash.eq(hash), users::password_changed_at.eq(now)))
                .execute(connection)
                .await?;
            sessions::end_all(connection, user.id).await?;
            remembered::forget_all(connection, user.id).await?;
            let actor = Actor::user(user.id, &user.email, &user.role);
            let by = serde_json::json!({"by": purpose.as_str()});
            let event = Event::new(Action::PasswordChanged, Outcome::Success, actor, origin);
            audit::record(connection, &event.detail(by.clone())).await?;
            // A first password needs no warning.
            if user.password_hash.is_some() {
                let template = EmailTemplate::PasswordChanged { name: user.name.clone() };
                outbox::post(connection, now, To::new(&user.email, Some(user.id)), &template).await?;
            }
            let entry =
                Entry { user, method: Method::Password, origin, replaces: self.replaces, remembered: None, detail: by };
            Ok(Some(entry.open(connection, now, self.policy).await?))
        })
        .await
    }
}
