//! Invites people by email, and parses the form.

use chrono::TimeDelta;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;
use url::Host;

use super::{Authority, Change, MAX_LOGINS_PER_COMPANY, PeopleError, refused, service, wrong};
use crate::accounts::customers::Customer;
use crate::accounts::invitation::{self, LIFE, Purpose};
use crate::accounts::users::{self, NewMembership, NewUser};
use crate::accounts::{ActingUser, LoginLinks, Role, User, person_name};
use crate::audit::{self, Action};
use crate::db::DbError;
use crate::db::schema::{customers, memberships, tokens};
use crate::field_errors::FieldErrors;
use crate::mail::outbox::{self, To};
use crate::mail::{self, EmailTemplate};

/// The maximum of invitations sent to one address per hour.
const MAX_MAILS_PER_HOUR: i64 = 5;
/// The maximum of invitations that a company's administrator can send per hour.
const MAX_INVITATIONS_PER_HOUR: i64 = 20;
/// The time within which a second click sends no second email.
const RESEND_AFTER: TimeDelta = TimeDelta::minutes(1);

/// A person as typed.
#[derive(Clone, Debug, Default)]
pub struct NewPerson<'a> {
    pub email: &'a str,
    pub name: &'a str,
    /// Only the office chooses a role. A company's administrator invites customers.
    pub role: &'a str,
    /// Codes of companies.
    pub companies: &'a [String],
    /// Administrator of these companies.
    pub is_admin: bool,
}

const TOO_MANY_TO_ADDRESS: &str = "This address has received several emails within the last hour. Try again later.";
const TOO_MANY_INVITATIONS: &str =
    "You have sent many invitations within the last hour. Try again later, or ask the terminal office.";
const NOT_ALLOWED: &str = "You can't invite this address. Ask the terminal office.";
const EXISTS: &str = "A login with this address already exists. Find it in the list below to change it.";

impl ActingUser<'_> {
    /// Returns the sender's name for an email.
    fn by(&self) -> String {
        match self.authority() {
            Authority::Companies(_) => self.viewer.name.clone(),
            Authority::Everybody | Authority::Customers => format!("{} at PrimeTrade", self.viewer.name),
        }
    }

    /// Creates a login and emails an invitation. A user who has a login gets a membership instead, if the inviting
    /// user is the company's administrator. Only the terminal's own people invite addresses of `staff_domains`.
    pub async fn invite(
        &self,
        person: &NewPerson<'_>,
        links: LoginLinks<'_>,
        staff_domains: &[String],
    ) -> Result<(), PeopleError> {
        let read = Read::new(person, &self.authority())?;
        if matches!(self.authority(), Authority::Companies(_)) && is_staff_address(&read.email, staff_domains) {
            return wrong("email", NOT_ALLOWED);
        }
        let invited = self
            .db
            .transaction(async |connection: &mut AsyncPgConnection| self.invited(connection, &read, links).await);
        match invited.await {
            // Another request has just invited the same person.
            Err(PeopleError::Db(DbError::Query(DatabaseError(UniqueViolation, _)))) => wrong("email", EXISTS),
            invited => invited,
        }
    }

    async fn invited(&self, connection: &mut AsyncPgConnection, read: &Read<'_>, links: LoginLinks<'_>) -> Change<()> {
        let authority = self.authority();
        let mut companies: Vec<Customer> = customers::table
            .filter(customers::code.eq_any(read.codes))
            .filter(customers::active)
            .order(customers::id)
            .select(Customer::as_select())
            // Locked, so that the limit of a company holds for invitations at the same time.
            .for_no_key_update()
            .load(connection)
            .await?;
        companies.retain(|company| authority.covers_company(company.id));
        if let Some(unknown) = read.codes.iter().find(|code| !companies.iter().any(|known| known.code == **code)) {
            return wrong("customer", format!("Choose a company from the list; {unknown} isn't on it."));
        }
        for company in &companies {
            let members = memberships::table.filter(memberships::customer_id.eq(company.id)).count();
            if members.get_result::<i64>(connection).await? >= MAX_LOGINS_PER_COMPANY {
                return wrong(
                    "customer",
                    format!("{} already has the maximum of {MAX_LOGINS_PER_COMPANY} logins.", company.name),
                );
            }
        }
        if let Some(why) = self.too_much(connection, &read.email).await? {
            return wrong("email", why);
        }
        if let Some(user) = users::by_email(connection, &read.email).await? {
            return match (&authority, companies.as_slice()) {
                (Authority::Companies(_), [company]) => {
                    self.joined(connection, &user, (company, read.is_admin), links).await
                }
                _ => wrong("email", EXISTS),
            };
        }
        let new = NewUser { email: &read.email, name: &read.name, role: read.role.as_str(), password_hash: None };
        let id = new.insert(connection).await?;
        let new_memberships: Vec<_> = companies
            .iter()
            .map(|company| NewMembership { user_id: id, customer_id: company.id, is_admin: read.is_admin })
            .collect();
        users::add_memberships(connection, &new_memberships).await?;
        let names: Vec<&str> = companies.iter().map(|company| company.name.as_str()).collect();
        let invited = Invited { id, email: &read.email, name: &read.name, role: read.role.as_str() };
        self.send_invitation(connection, invited, &names.join(", "), links).await?;
        let detail = json!({"email": read.email, "name": read.name, "role": read.role, "customers": read.codes,
                            "admin": read.is_admin, "mailed": true});
        let mut event = self.event(Action::UserInvited).detail(detail);
        if let [only] = companies.as_slice() {
            event = event.with_customer(only.id, &only.code);
        }
        Ok(audit::record(connection, &event).await?)
    }

    /// Returns why an invitation is refused, if too many emails were sent. Repeated invitations would pester
    /// strangers.
    async fn too_much(&self, connection: &mut AsyncPgConnection, email: &str) -> QueryResult<Option<&'static str>> {
        let since = self.clock.now() - TimeDelta::hours(1);
        if outbox::written(connection, email, &["invitation", "joined"], since).await? >= MAX_MAILS_PER_HOUR {
            return Ok(Some(TOO_MANY_TO_ADDRESS));
        }
        let is_limited = matches!(self.authority(), Authority::Companies(_));
        let many =
            is_limited && outbox::caused(connection, self.viewer.user_id, since).await? >= MAX_INVITATIONS_PER_HOUR;
        Ok(many.then_some(TOO_MANY_INVITATIONS))
    }

    async fn send_invitation(
        &self,
        connection: &mut AsyncPgConnection,
        Invited { id, email, name, role }: Invited<'_>,
        company: &str,
        links: LoginLinks<'_>,
    ) -> QueryResult<()> {
        let now = self.clock.now();
        let seed = invitation::mailed(connection, now, id, Purpose::Invitation, links.key).await?;
        // A stranger isn't greeted by a name that someone else has chosen.
        let is_chosen_outside = matches!(self.authority(), Authority::Companies(_));
        let template = EmailTemplate::Invitation {
            name: if is_chosen_outside { String::new() } else { name.into() },
            by: self.by(),
            company: company.into(),
            seed,
            days: LIFE.num_days(),
            issuer: links.issuer_of(role),
        };
        let to = To { caused_by: Some(self.viewer.user_id), ..To::new(email, Some(id)) };
        outbox::post(connection, now, to, &template).await
    }

    /// Adds a user who has a login to the company.
    async fn joined(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        (company, is_admin): (&Customer, bool),
        links: LoginLinks<'_>,
    ) -> Change<()> {
        let theirs = memberships::table.find((user.id, company.id));
        if diesel::select(exists(theirs)).get_result(connection).await? {
            return wrong("email", "This address already has a login for your company. See the list below.");
        }
        // Another company's administrator must not get a say in a service account's tokens.
        if !user.active || user.is_service || user.role != Role::Customer.as_str() {
            return wrong("email", NOT_ALLOWED);
        }
        users::add_memberships(connection, &[NewMembership { user_id: user.id, customer_id: company.id, is_admin }])
            .await?;
        if user.password_hash.is_none() {
            self.send_invitation(connection, Invited::of(user), &company.name, links).await?;
        } else {
            let template =
                EmailTemplate::Joined { name: user.name.clone(), by: self.by(), company: company.name.clone() };
            let to = To { caused_by: Some(self.viewer.user_id), ..To::new(&user.email, Some(user.id)) };
            outbox::post(connection, self.clock.now(), to, &template).await?;
        }
        Ok(self.record_membership(connection, user, company, json!({"change": "joined", "admin": is_admin})).await?)
    }

    /// Sends the invitation again, unless a link was sent within the last minute. The previous link stops working.
    pub async fn resend(&self, id: i64, links: LoginLinks<'_>) -> Result<Resent, PeopleError> {
        self.with_user(id, async |connection, user| {
            if user.is_service {
                return refused("A service account can’t log in, so it gets no invitation. Make a token for it.");
            }
            if user.password_hash.is_some() {
                return refused("This person has already set a password. To replace it, use “Forgot your password?” on the login page.");
            }
            if !user.active {
                return refused("This login is disabled. Enable it first.");
            }
            if let Some(why) = self.too_much(connection, &user.email).await? {
                return refused(why);
            }
            let recent = tokens::table
                .filter(tokens::user_id.eq(id))
                .filter(tokens::purpose.eq(Purpose::Invitation.as_str()))
                .filter(tokens::created_at.gt(self.clock.now() - RESEND_AFTER));
            if diesel::select(exists(recent)).get_result(connection).await? {
                return Ok(Resent::TooSoon);
            }
            let names: Vec<String> = memberships::table
                .inner_join(customers::table)
                .filter(memberships::user_id.eq(id))
                .order(customers::name)
                .select(customers::name)
                .load(connection)
                .await?;
            self.send_invitation(connection, Invited::of(user), &names.join(", "), links).await?;
            let event = self.event(Action::UserInvited).detail(json!({"email": user.email, "mailed": true, "again": true}));
            audit::record(connection, &event).await?;
            Ok(Resent::Sent)
        })
        .await
    }
}

/// Whether an address is in one of these domains or below it. Domains with other letters are compared in their ASCII form.
fn is_staff_address(email: &str, staff_domains: &[String]) -> bool {
    let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return false };
    let domain = domain.trim_end_matches('.');
    staff_domains
        .iter()
        .any(|staff| domain.strip_suffix(staff.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What became of a request to send an invitation again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resent {
    Sent,
    /// Nothing was sent: the last link is younger than a minute, and works.
    TooSoon,
}

/// The receiver of an invitation.
#[derive(Clone, Copy)]
struct Invited<'a> {
    id: i64,
    email: &'a str,
    name: &'a str,
    role: &'a str,
}

impl<'a> Invited<'a> {
    fn of(user: &'a User) -> Self {
        Self { id: user.id, email: &user.email, name: &user.name, role: &user.role }
    }
}

/// The form after validation.
struct Read<'a> {
    email: String,
    name: String,
    role: Role,
    codes: &'a [String],
    is_admin: bool,
}

impl<'a> Read<'a> {
    fn new(person: &NewPerson<'a>, authority: &Authority) -> Result<Self, PeopleError> {
        let mut errors = FieldErrors::default();
        let email = mail::read_address(person.email);
        if person.email.trim().is_empty() {
            errors.add("email", "Enter the email address.");
        } else if email.as_ref().is_none_or(|email| service::is_reserved(email)) {
            errors.add("email", "This isn't an email address such as jane@example.com.");
        }
        let name = person_name::read(person.name).unwrap_or_else(|why| {
            errors.add("name", why);
            String::new()
        });
        let role = match authority {
            Authority::Companies(_) => Some(Role::Customer),
            _ => person.role.parse().ok().filter(|role| authority.roles().contains(role)),
        };
        if role.is_none() {
            errors.add("role", "Choose a role from the list.");
        }
        match (role, person.companies) {
            (Some(Role::Customer), []) => errors.add("customer", "Choose the company."),
            (Some(Role::Customer), _) | (_, []) | (None, _) => {}
            (Some(_), _) => errors.add("customer", "Only customer logins belong to companies."),
        }
        match (role, email) {
            (Some(role), Some(email)) if errors.is_empty() => Ok(Self {
                email,
                name,
                role,
                codes: person.companies,
                is_admin: person.is_admin && role == Role::Customer,
            }),
            _ => Err(PeopleError::Fields(errors)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_terminal_are_recognized_in_every_spelling() {
        let staff = ["terminal.example".to_owned(), "xn--bcher-kva.example".into()];
        for email in ["a@terminal.example", "a@TERMINAL.Example", "a@mail.terminal.example", "a@Bücher.example"] {
            assert!(is_staff_address(email, &staff), "{email}");
            assert!(!is_staff_address(email, &[]), "{email}");
        }
        for email in ["a@example", "a@otherterminal.example", "a@terminal.example.evil.example", "terminal.example"] {
            assert!(!is_staff_address(email, &staff), "{email}");
        }
    }

    #[test]
    fn what_is_typed_is_read_with_a_message_for_each_mistake() {
        let companies = vec!["ACME".to_owned()];
        let person = NewPerson {
            email: " jane@acme.example ",
            name: "Jane\n  Doe",
            role: "customer",
            companies: &companies,
            is_admin: true,
        };
        let read = Read::new(&person, &Authority::Customers).expect("all is right");
        assert_eq!(
            (read.email.as_str(), read.name.as_str(), read.role, read.is_admin),
            ("jane@acme.example", "Jane Doe", Role::Customer, true)
        );
        let wrong = |person: NewPerson<'_>, authority: &Authority| match Read::new(&person, authority) {
            Err(PeopleError::Fields(errors)) => errors.iter().map(|error| error.field).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        assert_eq!(wrong(NewPerson::default(), &Authority::Everybody), ["email", "name", "role"]);
        for email in ["", "jane", "jane@", "@acme", "a b@c.example", "a@b.example\nBcc: c@d.example", "a@b@c.example"] {
            assert_eq!(wrong(NewPerson { email, ..person.clone() }, &Authority::Customers), ["email"], "{email:?}");
        }
        for role in ["", "admin", "office", "auditor", "root", "Customer"] {
            assert_eq!(wrong(NewPerson { role, ..person.clone() }, &Authority::Customers), ["role"], "{role:?}");
        }
        assert_eq!(wrong(NewPerson { role: "office", ..person.clone() }, &Authority::Everybody), ["customer"]);
        assert_eq!(wrong(NewPerson { companies: &[], ..person.clone() }, &Authority::Everybody), ["customer"]);
        // A company's administrator can't choose the role.
        let read = Read::new(&NewPerson { role: "admin", ..person }, &Authority::Companies(vec![1])).expect("read");
        assert_eq!(read.role, Role::Customer);
    }
}
