//! Memberships: which companies a user belongs to, and who manages a company's users.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{Authority, Change, PeopleError, can_log_in, refused, wrong};
use crate::accounts::customers::{self as companies, Customer};
use crate::accounts::users::{self, NewMembership};
use crate::accounts::{ActingUser, Role, User, api_tokens};
use crate::audit::{self, Action};
use crate::db::schema::{customers, memberships, users as table};
use crate::mail::outbox;

impl ActingUser<'_> {
    /// Adds a user to a company.
    pub async fn join(&self, id: i64, code: &str, is_admin: bool) -> Result<(), PeopleError> {
        self.with_user(id, async |connection, user| {
            if matches!(self.authority(), Authority::Companies(_)) {
                return Err(PeopleError::NotFound);
            }
            if user.role != Role::Customer.as_str() {
                return wrong("customer", "Only customer logins belong to companies.");
            }
            if user.is_service {
                // Its tokens would open the second company for those who made them at the first.
                return wrong(
                    "customer",
                    "A service account belongs to one company. Add another one for that company.",
                );
            }
            let company = companies::with_codes(connection, &[code.to_owned()]).await?.pop();
            let Some(company) = company.filter(|company| company.active) else {
                return wrong("customer", "Choose a customer from the list.");
            };
            let theirs = memberships::table.find((id, company.id));
            if diesel::select(exists(theirs)).get_result(connection).await? {
                return wrong("customer", "This login already belongs to that company.");
            }
            users::add_memberships(connection, &[NewMembership { user_id: id, customer_id: company.id, is_admin }])
                .await?;
            let detail = json!({"change": "joined", "admin": is_admin});
            Ok(self.record_membership(connection, user, &company, detail).await?)
        })
        .await
    }

    /// Removes a user from a company at once. Returns whether the login still exists: one that was never used is
    /// deleted with its last membership, and its invitation too. A service account loses its tokens.
    pub async fn leave(&self, id: i64, company: i64) -> Result<bool, PeopleError> {
        self.with_membership(id, company, async |connection, user, company, was_admin| {
            if was_admin && let Some(why) = self.last_of_company(connection, user.id, company).await? {
                return refused(why);
            }
            diesel::delete(memberships::table.find((user.id, company.id))).execute(connection).await?;
            let mut detail = json!({"change": "left"});
            if user.is_service {
                detail["tokens"] = api_tokens::revoke_all(connection, self.clock.now(), user.id).await?.into();
            }
            self.record_membership(connection, user, company, detail).await?;
            let remaining = memberships::table.filter(memberships::user_id.eq(id));
            let used = table::table.find(id).filter(can_log_in());
            let is_over = user.active
                && !user.is_service
                && !diesel::select(exists(remaining).or(exists(used))).get_result::<bool>(connection).await?;
            // Emails about the company lose their reader.
            outbox::withdraw(connection, id, Some("joined")).await?;
            if is_over {
                outbox::withdraw(connection, id, None).await?;
                diesel::delete(table::table.find(id)).execute(connection).await?;
            }
            Ok(!is_over)
        })
        .await
    }

    /// Makes a second factor required for every login of a company, or no longer. Each login gets the time of grace.
    pub async fn require_factor(&self, company: i64, required: bool) -> Result<(), PeopleError> {
        if !self.authority().covers_company(company) {
            return Err(PeopleError::NotFound);
        }
        let changed = self.db.transaction(async |connection: &mut AsyncPgConnection| {
            let other = customers::table.find(company).filter(customers::factor_required.ne(required));
            let code: Option<String> = diesel::update(other)
                .set(customers::factor_required.eq(required))
                .returning(customers::code)
                .get_result(connection)
                .await
                .optional()?;
            let Some(code) = code else { return Ok(()) };
            let detail = json!({"before": {"factor_required": !required}, "after": {"factor_required": required}});
            let event = self.event(Action::CustomerChanged).with_customer(company, &code).detail(detail);
            Ok(audit::record(connection, &event).await?)
        });
        changed.await
    }

    /// Makes a user the administrator of a company, or ends that.
    pub async fn set_admin(&self, id: i64, company: i64, is_admin: bool) -> Result<(), PeopleError> {
        self.with_membership(id, company, async |connection, user, company, was_admin| {
            if was_admin == is_admin {
                return Ok(());
            }
            if user.is_service {
                return refused("A service account manages no people.");
            }
            if was_admin && let Some(why) = self.last_of_company(connection, user.id, company).await? {
                return refused(why);
            }
            diesel::update(memberships::table.find((user.id, company.id)))
                .set(memberships::is_admin.eq(is_admin))
                .execute(connection)
                .await?;
            let detail = json!({"change": "administrator", "admin": is_admin});
            Ok(self.record_membership(connection, user, company, detail).await?)
        })
        .await
    }

    /// Refuses to remove a company's last administrator, unless the office asks.
    async fn last_of_company(
        &self,
        connection: &mut AsyncPgConnection,
        user_id: i64,
        company: &Customer,
    ) -> QueryResult<Option<String>> {
        if !matches!(self.authority(), Authority::Companies(_)) {
            return Ok(None);
        }
        let others = memberships::table
            .inner_join(table::table)
            .filter(memberships::customer_id.eq(company.id))
            .filter(memberships::is_admin)
            .filter(memberships::user_id.ne(user_id))
            .filter(table::active)
            .filter(table::password_hash.is_not_null());
        let is_last = !diesel::select(exists(others)).get_result::<bool>(connection).await?;
        Ok(is_last.then(|| {
            format!(
                "{} has no other administrator. First make someone else an administrator who has set a password.",
                company.name
            )
        }))
    }

    /// Runs a change of a membership in scope. Locks the company first, so that two administrators can't remove each
    /// other.
    async fn with_membership<T>(
        &self,
        id: i64,
        company: i64,
        change: impl AsyncFnOnce(&mut AsyncPgConnection, &User, &Customer, bool) -> Change<T>,
    ) -> Result<T, PeopleError> {
        let authority = self.authority();
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let company: Option<Customer> = customers::table
                    .find(company)
                    .select(Customer::as_select())
                    .for_no_key_update()
                    .first(connection)
                    .await
                    .optional()?;
                let company = company.filter(|company| authority.covers_company(company.id));
                let (Some(company), Some(user)) = (company, users::lock(connection, id).await?) else {
                    return Err(PeopleError::NotFound);
                };
                let membership = memberships::table.find((id, company.id)).select(memberships::is_admin);
                match membership.first(connection).await.optional()? {
                    Some(was_admin) => change(connection, &user, &company, was_admin).await,
                    None => Err(PeopleError::NotFound),
                }
            })
            .await
    }

    pub(super) async fn record_membership(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        company: &Customer,
        detail: serde_json::Value,
    ) -> QueryResult<()> {
        let event = self
            .event(Action::MembershipChanged)
            .with_customer(company.id, &company.code)
            .detail(json!({"email": user.email}));
        audit::record(connection, &event.detail(detail)).await
    }
}
