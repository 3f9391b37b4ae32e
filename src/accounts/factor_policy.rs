//! Which logins must have a second factor, and by when; and which ones have to use single sign-on.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Role, User};
use crate::db::schema::{customers, memberships, users};
use crate::mail::LinkKey;

/// Begins the method of every session that a password opened.
pub(super) const PASSWORD: &str = "pwd";

/// The method of every session that single sign-on opened.
pub(super) const SSO: &str = "sso";

/// Which logins must have a second factor, or use single sign-on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    required_for: Vec<Role>,
    /// From the first login under this rule.
    grace: TimeDelta,
    /// Logins of these roles use single sign-on and nothing else.
    sso_only: Vec<Role>,
}

impl Policy {
    /// Names of roles that don't exist require nothing: [`crate::config`] refuses them.
    pub fn new(roles: &[String], grace_days: i64) -> Self {
        Self { required_for: read(roles), grace: TimeDelta::days(grace_days), sso_only: Vec::new() }
    }

    /// Requires single sign-on of these roles.
    pub fn with_sso_only(self, roles: &[String]) -> Self {
        Self { sso_only: read(roles), ..self }
    }

    /// Whether this login uses single sign-on and nothing else.
    pub fn requires_sso_of(&self, user: &User) -> bool {
        self.requires_sso(&user.role)
    }

    fn requires_sso(&self, role: &str) -> bool {
        role.parse().is_ok_and(|role| self.sso_only.contains(&role))
    }

    /// Whether a session that was opened by this method may go on. One from before the rule may not, and neither may one
    /// of a way in that forgot the rule.
    pub(super) fn allows(&self, method: &str, role: Role) -> bool {
        method.starts_with(SSO) || !self.sso_only.contains(&role)
    }

    /// Whether every login of this role needs one. Those of customers also need one if their company requires it.
    pub fn requires(&self, role: Role) -> bool {
        self.required_for.contains(&role)
    }

    /// The names of these roles.
    pub(super) fn roles_with_factor(&self) -> Vec<&'static str> {
        self.required_for.iter().map(|role| role.as_str()).collect()
    }

    /// Whether a session that was opened by this method is subject to the rule. Passkeys need no other factor, and single
    /// sign-on has its own rules.
    pub(super) fn covers(&self, method: &str) -> bool {
        method.starts_with(PASSWORD)
    }

    /// Returns when a login that has no second factor must have one, and notes it with the first login. `None`: never.
    pub(super) async fn due_at(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        (user_id, role): (i64, Role),
    ) -> QueryResult<Option<DateTime<Utc>>> {
        let companies = memberships::table
            .inner_join(customers::table)
            .filter(memberships::user_id.eq(user_id))
            .filter(customers::active)
            .filter(customers::factor_required);
        if !self.requires(role) && !diesel::select(exists(companies)).get_result::<bool>(connection).await? {
            return Ok(None);
        }
        let user = users::table.find(user_id);
        let noted: Option<DateTime<Utc>> = user.select(users::factor_due_at).first(connection).await?;
        if noted.is_some() {
            return Ok(noted);
        }
        let due_at = now + self.grace;
        diesel::update(user).set(users::factor_due_at.eq(due_at)).execute(connection).await?;
        Ok(Some(due_at))
    }
}

/// What an email with a link to a login needs.
#[derive(Clone, Copy)]
pub struct LoginLinks<'a> {
    pub key: &'a LinkKey,
    pub policy: &'a Policy,
    /// The name of the issuer of single sign-on.
    pub issuer: Option<&'a str>,
}

impl LoginLinks<'_> {
    /// The issuer's name, if logins of this role use it instead of a password.
    pub(super) fn issuer_of(&self, role: &str) -> Option<String> {
        self.issuer.filter(|_| self.policy.requires_sso(role)).map(str::to_owned)
    }
}

fn read(roles: &[String]) -> Vec<Role> {
    roles.iter().filter_map(|role| role.parse().ok()).collect()
}
