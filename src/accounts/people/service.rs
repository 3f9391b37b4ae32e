//! Service accounts: logins of programs. They have API tokens, and no password, mailbox, second factor or single sign-on.

use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::{Authority, Change, MAX_LOGINS_PER_COMPANY, PeopleError, wrong};
use crate::accounts::account::Notify;
use crate::accounts::customers::Customer;
use crate::accounts::users::{self, NewMembership, NewUser};
use crate::accounts::{ActingUser, Role, User, person_name};
use crate::audit::{self, Action};
use crate::db::DbError;
use crate::db::schema::{customers, memberships, users as table};
use crate::field_errors::FieldErrors;

/// The domain of their addresses, which no mail reaches (RFC 2606). The address is their name in the access log.
const DOMAIN: &str = "service.invalid";
const MAX_SLUG_CHARS: usize = 60;

/// A service account as typed.
#[derive(Clone, Debug, Default)]
pub struct NewService<'a> {
    pub name: &'a str,
    /// Only the terminal's own people choose a role.
    pub role: &'a str,
    /// The code of its company. Empty for one of the terminal.
    pub company: &'a str,
}

/// A role that a service account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRole {
    pub name: &'static str,
    pub label: &'static str,
}

/// Administrators change logins and settings, which no token may do.
const ROLES: [Role; 3] = [Role::Customer, Role::Office, Role::Auditor];

impl ServiceRole {
    /// Those that the user may give.
    pub fn of(authority: &Authority) -> Vec<Self> {
        roles(authority).map(|role| Self { name: role.as_str(), label: role.label() }).collect()
    }
}

fn roles(authority: &Authority) -> impl Iterator<Item = Role> + use<> {
    let known = authority.roles();
    ROLES.into_iter().filter(move |role| known.contains(role))
}

/// Whether an address is that of a service account, which no person can have.
pub(super) fn is_reserved(email: &str) -> bool {
    email.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN))
}

impl ActingUser<'_> {
    /// Adds a service account, and returns its id. It opens nothing until it has a token.
    pub async fn add_service_account(&self, new: &NewService<'_>) -> Result<i64, PeopleError> {
        let authority = self.authority();
        let mut errors = FieldErrors::default();
        let name = person_name::read(new.name).unwrap_or_else(|why| {
            errors.add("name", why);
            String::new()
        });
        let role = match authority {
            Authority::Companies(_) => Some(Role::Customer),
            _ => roles(&authority).find(|role| role.as_str() == new.role),
        };
        match role {
            None => errors.add("role", "Choose a role from the list."),
            Some(Role::Customer) if new.company.is_empty() => errors.add("customer", "Choose the company."),
            Some(role) if role != Role::Customer && !new.company.is_empty() => {
                errors.add("customer", "Only service accounts with the role Customer belong to a company.");
            }
            Some(_) => {}
        }
        let (Some(role), true) = (role, errors.is_empty()) else { return Err(PeopleError::Fields(errors)) };
        let email = address(&name, new.company);
        let added = self.db.transaction(async |connection: &mut AsyncPgConnection| {
            let company = self.company_of_service(connection, new.company).await?;
            self.insert_service(connection, (&email, &name, role), company.as_ref()).await
        });
        match added.await {
            Err(PeopleError::Db(DbError::Query(DatabaseError(UniqueViolation, _)))) => {
                wrong("name", "There is a service account with this name already. Choose another.")
            }
            added => added,
        }
    }

    /// The company of a code, locked. `None` for the empty code.
    async fn company_of_service(&self, connection: &mut AsyncPgConnection, code: &str) -> Change<Option<Customer>> {
        if code.is_empty() {
            return Ok(None);
        }
        let found: Option<Customer> = customers::table
            .filter(customers::code.eq(code))
            .filter(customers::active)
            .select(Customer::as_select())
            .for_no_key_update()
            .first(connection)
            .await
            .optional()?;
        let Some(company) = found.filter(|company| self.authority().covers_company(company.id)) else {
            return wrong("customer", "Choose a customer from the list.");
        };
        let members = memberships::table.filter(memberships::customer_id.eq(company.id)).count();
        if members.get_result::<i64>(connection).await? >= MAX_LOGINS_PER_COMPANY {
            return wrong(
                "customer",
                format!("{} already has the maximum of {MAX_LOGINS_PER_COMPANY} logins.", company.name),
            );
        }
        Ok(Some(company))
    }

    async fn insert_service(
        &self,
        connection: &mut AsyncPgConnection,
        (email, name, role): (&str, &str, Role),
        company: Option<&Customer>,
    ) -> Change<i64> {
        let id = NewUser { email, name, role: role.as_str(), password_hash: None }.insert(connection).await?;
        diesel::update(table::table.find(id))
            .set((table::is_service.eq(true), table::notify.eq(Notify::Never.as_str())))
            .execute(connection)
            .await?;
        let membership = company.map(|company| NewMembership { user_id: id, customer_id: company.id, is_admin: false });
        users::add_memberships(connection, membership.as_slice()).await?;
        let codes: Vec<&str> = company.iter().map(|company| company.code.as_str()).collect();
        let detail = json!({"email": email, "name": name, "role": role, "customers": codes, "service": true});
        let event = self.event(Action::UserInvited).detail(detail);
        let event = match company {
            Some(company) => event.with_customer(company.id, &company.code),
            None => event,
        };
        audit::record(connection, &event).await?;
        Ok(id)
    }

    /// Whether the user may manage all companies of a service account.
    pub(super) async fn has_charge_of(&self, connection: &mut AsyncPgConnection, user: &User) -> QueryResult<bool> {
        let companies: Vec<i64> = memberships::table
            .filter(memberships::user_id.eq(user.id))
            .select(memberships::customer_id)
            .load(connection)
            .await?;
        Ok(self.authority().has_charge_of(user, &companies))
    }
}

impl Authority {
    /// Whether the user manages a service account and its tokens. A token never has more rights than its maker, so an
    /// administrator of one of its companies alone doesn't.
    pub fn has_charge_of(&self, service: &User, companies: &[i64]) -> bool {
        let Ok(role) = service.role.parse::<Role>() else { return false };
        service.is_service
            && match self {
                Self::Companies(ids) => {
                    role == Role::Customer && !companies.is_empty() && companies.iter().all(|id| ids.contains(id))
                }
                _ => self.roles().contains(&role),
            }
    }
}

/// `erp-gateway.acme@service.invalid`
fn address(name: &str, company: &str) -> String {
    let (name, company) = (slug(name), slug(company));
    let (name, company) = (non_empty(name, "service"), non_empty(company, "terminal"));
    format!("{name}.{company}@{DOMAIN}")
}

fn non_empty(slug: String, instead: &str) -> String {
    if slug.is_empty() { instead.into() } else { slug }
}

fn slug(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join("-").chars().take(MAX_SLUG_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_has_an_address_that_no_mail_reaches() {
        assert_eq!(address("ERP  gateway (SAP)", "ACME"), "erp-gateway-sap.acme@service.invalid");
        assert_eq!(address("Waage", ""), "waage.terminal@service.invalid");
        assert_eq!(address("秤", "A B"), "service.a-b@service.invalid");
        assert!(is_reserved("x@SERVICE.invalid") && !is_reserved("x@service.invalid.example"));
    }
}
