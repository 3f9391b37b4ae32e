//! Sessions are rows in Postgres, so that ending one takes effect at the next request on every instance.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;

use super::Token;
use super::factor_policy::Policy;
use super::users::Role;
use super::viewer::{Company, Door, Viewer, is_fresh};
use crate::audit::Origin;
use crate::db::schema::{customers, memberships, sessions, users};

/// The idle timeout of a session.
pub const IDLE: TimeDelta = TimeDelta::hours(12);
/// The absolute timeout of a session.
pub const ABSOLUTE: TimeDelta = TimeDelta::days(7);
/// The precision of `last_seen_at`. A write on every request would make each page wait for a commit.
const SEEN_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// The user of a session that waits for a second factor, and can do nothing else.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct HalfLogin {
    pub user_id: i64,
    pub session_id: i64,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// How the first factor was given.
    pub method: String,
    pub step: Step,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Step {
    /// A second factor that the user has.
    Factor,
    /// The user has no second factor, and must set one up.
    Enrollment,
}

impl Step {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Factor => "factor",
            Self::Enrollment => "enrollment",
        }
    }

    /// How long a session may wait.
    fn life(self) -> TimeDelta {
        match self {
            Self::Factor => TimeDelta::minutes(10),
            Self::Enrollment => TimeDelta::minutes(30),
        }
    }
}

/// The session of a token.
pub enum Resumed {
    Full(Viewer),
    Half(HalfLogin),
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    pub id: i64,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub ip: Option<IpNet>,
    pub user_agent: String,
    pub method: String,
    pub waits_for: Option<String>,
    pub proven_at: Option<DateTime<Utc>>,
}

#[derive(Insertable)]
#[diesel(table_name = sessions)]
struct NewSession<'a> {
    token_hash: Vec<u8>,
    user_id: i64,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    ip: Option<IpNet>,
    user_agent: &'a str,
    method: &'a str,
    waits_for: Option<&'static str>,
    proven_at: Option<DateTime<Utc>>,
}

/// A session to be opened.
pub struct Opening<'a> {
    pub user_id: i64,
    pub method: &'a str,
    pub waits_for: Option<Step>,
    /// The user has just proved who they are. A remembered device proves nothing.
    pub is_proven: bool,
}

/// Opens a session. The token is only stored in the cookie.
pub async fn open(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    opening: &Opening<'_>,
    origin: &Origin,
) -> QueryResult<Token> {
    let token = Token::generate()?;
    let row = NewSession {
        token_hash: token.hash(),
        user_id: opening.user_id,
        created_at: now,
        last_seen_at: now,
        ip: origin.ip.map(Into::into),
        user_agent: &origin.user_agent,
        method: opening.method,
        waits_for: opening.waits_for.map(Step::as_str),
        proven_at: opening.is_proven.then_some(now),
    };
    diesel::insert_into(sessions::table).values(row).execute(connection).await?;
    Ok(token)
}

/// Makes a session that waited one that can do everything, with a new token. `None`: it has ended.
pub async fn complete(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    session_id: i64,
    method: &str,
) -> QueryResult<Option<Token>> {
    let session = sessions::table.filter(sessions::id.eq(session_id));
    let values = (sessions::waits_for.eq(None::<String>), sessions::method.eq(method), sessions::proven_at.eq(now));
    diesel::update(session).set(values).execute(connection).await?;
    renew(connection, session_id).await
}

/// Notes that the user of a session has just proved who they are.
pub async fn prove(connection: &mut AsyncPgConnection, now: DateTime<Utc>, session_id: i64) -> QueryResult<usize> {
    let session = sessions::table.filter(sessions::id.eq(session_id));
    diesel::update(session).set(sessions::proven_at.eq(now)).execute(connection).await
}

/// Gives a session a new token, so that a stolen copy of the old one opens nothing. `None`: the session has ended.
///
/// For every change of what a session may do (OWASP ASVS 5.0, 7.2.4).
pub async fn renew(connection: &mut AsyncPgConnection, session_id: i64) -> QueryResult<Option<Token>> {
    let token = Token::generate()?;
    let session = sessions::table.filter(sessions::id.eq(session_id));
    let renewed = diesel::update(session).set(sessions::token_hash.eq(token.hash())).execute(connection).await?;
    Ok((renewed > 0).then_some(token))
}

/// A company of a login, or the one that the session views the portal as.
type MembershipRow = (i64, String, String, bool, bool, bool);
type UserRow = (i64, String, String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
type SessionRow = (Session, Option<i64>, UserRow, Option<MembershipRow>);

/// Returns the user of a token, if its session is neither too old nor idle and the user is active. Inactive companies
/// are left out.
pub async fn resume(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    token: &Token,
    policy: &Policy,
) -> QueryResult<Option<Resumed>> {
    let hash = token.hash();
    let rows: Vec<SessionRow> = sessions::table
        .inner_join(users::table.left_join(memberships::table.inner_join(customers::table)))
        .filter(sessions::token_hash.eq(&hash))
        .filter(sessions::created_at.gt(now - ABSOLUTE))
        .filter(sessions::last_seen_at.gt(now - IDLE))
        .filter(users::active)
        .select((
            Session::as_select(),
            sessions::seeing_as,
            (users::id, users::email, users::name, users::role, users::read_until, users::factor_due_at),
            (
                customers::id,
                customers::code,
                customers::name,
                customers::active,
                memberships::is_admin,
                customers::factor_required,
            )
                .nullable(),
        ))
        .load(connection)
        .await?;
    let Some((session, seeing_as, user, _)) = rows.as_slice().first() else { return Ok(None) };
    let (user_id, email, name, role, read_until, factor_due_at) = user;
    let Ok(role) = role.parse::<Role>() else { return Ok(None) };
    if !policy.allows(&session.method, role) {
        return Ok(None);
    }
    let memberships: Vec<MembershipRow> =
        rows.iter().filter_map(|row| row.3.clone()).filter(|(_, _, _, active, ..)| *active).collect();
    let is_required = policy.requires(role) || memberships.iter().any(|(.., required)| *required);
    let factor_due_at = factor_due_at.filter(|_| is_required && policy.covers(&session.method));
    let is_overdue = factor_due_at.is_some_and(|due| due <= now);
    if is_overdue && session.waits_for.is_none() && !is_fresh(session.proven_at, now) {
        // Setting up a factor needs a fresh proof: the next login gives it.
        return Ok(None);
    }
    if let Some(step) = session.step(is_overdue) {
        let half = HalfLogin {
            user_id: *user_id,
            session_id: session.id,
            email: email.clone(),
            name: name.clone(),
            role,
            method: session.method.clone(),
            step,
        };
        let is_alive = session.waits_for.is_none() || session.created_at > now - step.life();
        return Ok(is_alive.then_some(Resumed::Half(half)));
    }
    let mut viewer = Viewer {
        user_id: *user_id,
        door: Door::Session { id: session.id },
        email: email.clone(),
        name: name.clone(),
        role,
        companies: memberships
            .into_iter()
            .map(|(id, code, name, _, is_admin, factor_required)| Company { id, code, name, is_admin, factor_required })
            .collect(),
        seeing_from: None,
        read_until: read_until.unwrap_or(session.created_at),
        proven_at: session.proven_at,
        factor_due_at,
    };
    if let (Some(seen), Role::Office | Role::Admin) = (seeing_as, role) {
        look_as(connection, &mut viewer, *seen).await?;
    }
    if now - session.last_seen_at > SEEN_AGAIN {
        diesel::update(sessions::table.find(&hash)).set(sessions::last_seen_at.eq(now)).execute(connection).await?;
    }
    Ok(Some(Resumed::Full(viewer)))
}

impl Session {
    /// What the session waits for. A word that isn't known counts as the longer way.
    fn step(&self, is_overdue: bool) -> Option<Step> {
        match self.waits_for.as_deref() {
            None if is_overdue => Some(Step::Enrollment),
            None => None,
            Some("enrollment") => Some(Step::Enrollment),
            Some(_) => Some(Step::Factor),
        }
    }
}

async fn look_as(connection: &mut AsyncPgConnection, viewer: &mut Viewer, seen: i64) -> QueryResult<()> {
    let columns = (customers::id, customers::code, customers::name);
    let (id, code, name): (i64, String, String) = customers::table.find(seen).select(columns).first(connection).await?;
    viewer.companies = vec![Company { id, code, name, is_admin: false, factor_required: false }];
    viewer.seeing_from = Some(std::mem::replace(&mut viewer.role, Role::Customer));
    Ok(())
}

/// Begins or ends viewing the portal as a company, in this one session.
pub async fn see_as(connection: &mut AsyncPgConnection, session_id: i64, customer: Option<i64>) -> QueryResult<usize> {
    let session = sessions::table.filter(sessions::id.eq(session_id));
    diesel::update(session).set(sessions::seeing_as.eq(customer)).execute(connection).await
}

/// Returns the user's valid sessions, latest first.
pub async fn of_user(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
) -> QueryResult<Vec<Session>> {
    sessions::table
        .select(Session::as_select())
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::waits_for.is_null())
        .filter(sessions::created_at.gt(now - ABSOLUTE))
        .filter(sessions::last_seen_at.gt(now - IDLE))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .load(connection)
        .await
}

/// Whether single sign-on opened a session.
pub async fn is_of_sso(connection: &mut AsyncPgConnection, session_id: i64) -> QueryResult<bool> {
    let session =
        sessions::table.filter(sessions::id.eq(session_id)).filter(sessions::method.eq(super::factor_policy::SSO));
    diesel::select(diesel::dsl::exists(session)).get_result(connection).await
}

/// Ends one session of this user, and never one of another user.
pub async fn end(connection: &mut AsyncPgConnection, user_id: i64, session_id: i64) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::id.eq(session_id)))
        .execute(connection)
        .await
}

pub async fn end_others(connection: &mut AsyncPgConnection, user_id: i64, kept: i64) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::id.ne(kept)))
        .execute(connection)
        .await
}

pub async fn end_all(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user_id))).execute(connection).await
}

/// Deletes rows of expired sessions. Runs at each login, so the table needs no job. An expired session stays for half
/// a day.
pub async fn sweep(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::last_seen_at.le(now - IDLE))).execute(connection).await
}
