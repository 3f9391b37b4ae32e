//! Manages logins: invitations, disabling and enabling, and memberships.
//!
//! Permissions are decided here, whatever a form says. An administrator manages every login, the office those of
//! customers, and a company's administrator the members of that company. A login out of scope is reported as missing.

mod administrators;
mod invite;
mod membership;
mod owners;
mod service;
mod service_list;

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::factors::{remembered, reset};
use super::{ActingUser, Role, User, Viewer, api_tokens, person_name, sessions, users};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::DbError;
use crate::db::schema::{memberships, passkeys, sso_identities, tokens, users as table};
use crate::field_errors::FieldErrors;
use crate::mail::outbox;

pub use administrators::{Administrator, administrators};
pub use invite::{NewPerson, Resent};
pub use owners::{Owner, webhook_owners};
pub use service::{NewService, ServiceRole};
pub use service_list::{ServiceAccount, service_accounts};

/// The maximum of logins of one company. It limits the emails that a company's administrator can cause.
const MAX_LOGINS_PER_COMPANY: i64 = 200;

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("no such login, or the user may not manage it")]
    NotFound,
    #[error("some fields are invalid")]
    Fields(FieldErrors),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(PeopleError);

type Change<T> = Result<T, PeopleError>;

fn refused<T>(why: impl Into<String>) -> Change<T> {
    Err(PeopleError::Refused(why.into()))
}

fn wrong<T>(field: &'static str, why: impl Into<String>) -> Change<T> {
    Err(PeopleError::Fields(FieldErrors::one(field, why)))
}

impl PeopleError {
    /// Returns the messages beside the fields; none unless the input is wrong.
    pub fn into_fields(self) -> FieldErrors {
        if let Self::Fields(errors) = self { errors } else { FieldErrors::default() }
    }
}

/// Which logins a user may manage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    Everybody,
    Customers,
    /// Members of these companies.
    Companies(Vec<i64>),
}

impl Authority {
    pub fn of(viewer: &Viewer) -> Self {
        match viewer.role {
            Role::Admin => Self::Everybody,
            Role::Office => Self::Customers,
            Role::Customer | Role::Auditor => {
                Self::Companies(viewer.administered().map(|company| company.id).collect())
            }
        }
    }

    /// Returns the roles that the user can assign.
    pub fn roles(&self) -> &'static [Role] {
        match self {
            Self::Everybody => &Role::ALL,
            Self::Customers | Self::Companies(_) => &[Role::Customer],
        }
    }

    fn covers_role(&self, role: &str) -> bool {
        !matches!(self, Self::Companies(_)) && self.roles().iter().any(|known| known.as_str() == role)
    }

    fn covers_company(&self, id: i64) -> bool {
        match self {
            Self::Everybody | Self::Customers => true,
            Self::Companies(ids) => ids.contains(&id),
        }
    }
}

impl ActingUser<'_> {
    fn authority(&self) -> Authority {
        Authority::of(self.viewer)
    }

    fn event(&self, action: Action) -> Event<'_> {
        Event::new(action, Outcome::Success, self.actor(), self.origin)
    }

    /// Disables a login at once, or enables it. Users can't disable themselves or the last administrator.
    pub async fn set_active(&self, id: i64, active: bool) -> Result<(), PeopleError> {
        if id == self.viewer.user_id {
            return Err(PeopleError::Refused("You can't disable your own login. Another administrator can.".into()));
        }
        self.with_user(id, async |connection, user| {
            // A company's administrator disables its service accounts alone.
            let is_own = user.is_service && !active && self.has_charge_of(connection, user).await?;
            if matches!(self.authority(), Authority::Companies(_)) && !is_own {
                return Err(PeopleError::NotFound);
            }
            if user.active == active {
                return Ok(());
            }
            let Some(Changed { tokens }) = set_active(connection, user, active, self.clock.now()).await? else {
                return refused(LAST_ADMIN);
            };
            let action = if active { Action::UserEnabled } else { Action::UserDisabled };
            let event = self.event(action).detail(json!({"email": user.email}));
            let event = if tokens > 0 { event.detail(json!({"tokens": tokens})) } else { event };
            Ok(audit::record(connection, &event).await?)
        })
        .await
    }

    pub async fn rename(&self, id: i64, name: &str) -> Result<(), PeopleError> {
        let name = match person_name::read(name) {
            Ok(name) => name,
            Err(why) => return wrong("name", why),
        };
        self.with_user(id, async |connection, user| {
            if matches!(self.authority(), Authority::Companies(_)) {
                return Err(PeopleError::NotFound);
            }
            if user.name == name {
                return Ok(());
            }
            diesel::update(table::table.find(id)).set(table::name.eq(&name)).execute(connection).await?;
            let detail = json!({"email": user.email, "before": {"name": user.name}, "after": {"name": name}});
            Ok(audit::record(connection, &self.event(Action::UserChanged).detail(detail)).await?)
        })
        .await
    }

    /// Removes the second factors of a login whose user has lost them. Only administrators do that, and not for themselves.
    pub async fn reset_factors(&self, id: i64) -> Result<(), PeopleError> {
        if self.authority() != Authority::Everybody {
            return Err(PeopleError::NotFound);
        }
        if id == self.viewer.user_id {
            return refused("You can’t remove your own second factors here. Change them under Account.");
        }
        let now = self.clock.now();
        self.with_user(id, async |connection, user| {
            let by = (self.actor(), self.origin);
            if reset::reset(connection, now, user, by).await? {
                Ok(())
            } else {
                refused("This login has no second factor.")
            }
        })
        .await
    }

    /// Runs a change of a login in scope, which stays locked until the change is committed.
    async fn with_user<T>(
        &self,
        id: i64,
        change: impl AsyncFnOnce(&mut AsyncPgConnection, &User) -> Change<T>,
    ) -> Result<T, PeopleError> {
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                if self.authority() == Authority::Everybody {
                    // Locks administrators in one order first, so that two of them don't deadlock.
                    lock_administrators(connection).await?;
                }
                let Some(user) = users::lock(connection, id).await? else { return Err(PeopleError::NotFound) };
                let within = match self.authority() {
                    Authority::Companies(ids) => {
                        let theirs = memberships::table
                            .filter(memberships::user_id.eq(id))
                            .filter(memberships::customer_id.eq_any(ids));
                        diesel::select(exists(theirs)).get_result(connection).await?
                    }
                    authority => authority.covers_role(&user.role),
                };
                if within { change(connection, &user).await } else { Err(PeopleError::NotFound) }
            })
            .await
    }
}

pub const LAST_ADMIN: &str = "This is the last administrator who can log in. Make someone else an administrator first.";

/// A login that has a password, a passkey, or a person at an issuer.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn can_log_in() -> _ {
    let own_passkeys = passkeys::table.filter(passkeys::user_id.eq(table::id));
    let own_identities = sso_identities::table.filter(sso_identities::user_id.eq(table::id));
    table::password_hash.is_not_null().or(exists(own_passkeys)).or(exists(own_identities))
}

/// Locks the administrators who can log in, so that two can't disable each other.
async fn lock_administrators(connection: &mut AsyncPgConnection) -> QueryResult<Vec<i64>> {
    table::table
        .filter(table::role.eq(Role::Admin.as_str()))
        .filter(table::active)
        .filter(can_log_in())
        .order(table::id)
        .select(table::id)
        .for_update()
        .load(connection)
        .await
}

/// What ended with a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// API tokens.
    pub tokens: usize,
}

/// Enables a login, or disables it with its sessions, API tokens, links and waiting emails. Returns `None` for the last
/// administrator.
pub async fn set_active(
    connection: &mut AsyncPgConnection,
    user: &User,
    active: bool,
    now: DateTime<Utc>,
) -> QueryResult<Option<Changed>> {
    let mut changed = Changed::default();
    if !active {
        if user.role == Role::Admin.as_str() {
            let admins = lock_administrators(connection).await?;
            if !admins.iter().any(|id| *id != user.id) {
                return Ok(None);
            }
        }
        // First, because it locks the row: no token is made meanwhile.
        users::set_active(connection, user.id, false).await?;
        changed.tokens = api_tokens::revoke_all(connection, now, user.id).await?;
        sessions::end_all(connection, user.id).await?;
        remembered::forget_all(connection, user.id).await?;
        diesel::delete(tokens::table.filter(tokens::user_id.eq(user.id))).execute(connection).await?;
        outbox::withdraw(connection, user.id, None).await?;
    } else {
        users::set_active(connection, user.id, true).await?;
    }
    Ok(Some(changed))
}
