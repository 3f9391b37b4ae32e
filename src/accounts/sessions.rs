//! Sessions are rows in Postgres, so that ending one takes effect at the next request on every instance.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;

use super::Token;
use super::users::Role;
use crate::audit::{Actor, Origin};
use crate::db::schema::{customers, memberships, sessions, users};
use crate::db::scope::Scope;

/// The idle timeout of a session.
pub const IDLE: TimeDelta = TimeDelta::hours(12);
/// The absolute timeout of a session.
pub const ABSOLUTE: TimeDelta = TimeDelta::days(7);
/// The precision of `last_seen_at`. A write on every request would make each page wait for a commit.
const SEEN_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// The user of a session, as of this request.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Viewer {
    pub user_id: i64,
    pub session_id: i64,
    pub email: String,
    pub name: String,
    /// The effective role: a customer's while the office views the portal as one.
    pub role: Role,
    pub companies: Vec<Company>,
    /// The user's own role, while the office views the portal as a company.
    pub seeing_from: Option<Role>,
    /// BOLs that last changed before are not new to this user.
    pub read_until: DateTime<Utc>,
}

/// A company of a login.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Company {
    pub id: i64,
    pub code: String,
    pub name: String,
    /// Whether the user manages the company's logins.
    pub is_admin: bool,
}

impl Viewer {
    pub fn scope(&self) -> Scope {
        match self.role {
            Role::Customer => Scope::Companies {
                user_id: self.user_id,
                ids: self.companies.iter().map(|company| company.id).collect(),
                acting_as: self.true_role().as_str(),
            },
            Role::Office | Role::Auditor | Role::Admin => Scope::All,
        }
    }

    pub fn actor(&self) -> Actor<'_> {
        Actor {
            user_id: Some(self.user_id),
            email: &self.email,
            role: Some(self.true_role().as_str()),
            seen_as: self.seen_as(),
        }
    }

    /// Returns the user's own role, whatever the portal is viewed as.
    pub fn true_role(&self) -> Role {
        self.seeing_from.unwrap_or(self.role)
    }

    /// Returns the code of the company that the office views the portal as.
    pub fn seen_as(&self) -> Option<&str> {
        self.seeing_from.and(self.companies.as_slice().first()).map(|company| company.code.as_str())
    }

    /// Returns the companies whose logins the user manages.
    pub fn administered(&self) -> impl Iterator<Item = &Company> {
        self.companies.iter().filter(|company| company.is_admin)
    }

    /// "Acme Steel, Beta Foundry"
    pub fn company_names(&self) -> String {
        let names: Vec<&str> = self.companies.iter().map(|company| company.name.as_str()).collect();
        names.join(", ")
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    pub id: i64,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub ip: Option<IpNet>,
    pub user_agent: String,
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
}

/// Opens a session. The token is only stored in the cookie. What a user sees as new begins with the first session.
pub async fn open(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
    origin: &Origin,
) -> QueryResult<Token> {
    let token = Token::generate()?;
    let row = NewSession {
        token_hash: token.hash(),
        user_id,
        created_at: now,
        last_seen_at: now,
        ip: origin.ip.map(Into::into),
        user_agent: &origin.user_agent,
    };
    diesel::insert_into(sessions::table).values(row).execute(connection).await?;
    let never_logged_in = users::table.filter(users::id.eq(user_id)).filter(users::read_until.is_null());
    diesel::update(never_logged_in).set(users::read_until.eq(now)).execute(connection).await?;
    Ok(token)
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
type MembershipRow = (i64, String, String, bool, bool);
type UserRow = (i64, String, String, String, Option<DateTime<Utc>>);
type SessionRow = (Session, Option<i64>, UserRow, Option<MembershipRow>);

/// Returns the user of a token, if its session is neither too old nor idle and the user is active. Inactive companies
/// are left out.
pub async fn resume(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    token: &Token,
) -> QueryResult<Option<Viewer>> {
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
            (users::id, users::email, users::name, users::role, users::read_until),
            (customers::id, customers::code, customers::name, customers::active, memberships::is_admin).nullable(),
        ))
        .load(connection)
        .await?;
    let Some((session, seeing_as, (user_id, email, name, role, read_until), _)) = rows.as_slice().first() else {
        return Ok(None);
    };
    let Ok(role) = role.parse::<Role>() else { return Ok(None) };
    let memberships = rows.iter().filter_map(|row| row.3.clone()).filter(|(.., active, _)| *active);
    let mut viewer = Viewer {
        user_id: *user_id,
        session_id: session.id,
        email: email.clone(),
        name: name.clone(),
        role,
        companies: memberships.map(|(id, code, name, _, is_admin)| Company { id, code, name, is_admin }).collect(),
        seeing_from: None,
        read_until: read_until.unwrap_or(session.created_at),
    };
    if let (Some(seen), Role::Office | Role::Admin) = (seeing_as, role) {
        look_as(connection, &mut viewer, *seen).await?;
    }
    if now - session.last_seen_at > SEEN_AGAIN {
        diesel::update(sessions::table.find(&hash)).set(sessions::last_seen_at.eq(now)).execute(connection).await?;
    }
    Ok(Some(viewer))
}

async fn look_as(connection: &mut AsyncPgConnection, viewer: &mut Viewer, seen: i64) -> QueryResult<()> {
    let columns = (customers::id, customers::code, customers::name);
    let (id, code, name): (i64, String, String) = customers::table.find(seen).select(columns).first(connection).await?;
    viewer.companies = vec![Company { id, code, name, is_admin: false }];
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
        .filter(sessions::created_at.gt(now - ABSOLUTE))
        .filter(sessions::last_seen_at.gt(now - IDLE))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .load(connection)
        .await
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
