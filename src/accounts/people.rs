//! Looking after logins: inviting people, shutting them out and letting them in again, and which companies they serve.
//!
//! Who may do what is decided here, whatever a form says: an administrator looks after everybody, the office after the
//! people of its customers, and a company's own administrator after who belongs to that company, and nothing else. A
//! login out of reach is one that isn't there.

use chrono::TimeDelta;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::customers::Customer;
use super::invitation::{self, LIFE, Purpose};
use super::users::{self, NewMembership, NewUser};
use super::{Role, User, Viewer, sessions};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::{customers, memberships, tokens, users as table};
use crate::db::{Database, DbError};
use crate::mail::{self, Letter, LinkKey, outbox};

/// Logins of one company at the most: an administrator of a company can have mail sent to anybody, but not to everybody.
const MOST_OF_A_COMPANY: i64 = 200;
/// Mails to one address, after which nobody is invited there for a while.
const MOST_MAILS_AN_HOUR: i64 = 5;
/// A second click, rather than a second mail.
const RESEND_AFTER: TimeDelta = TimeDelta::minutes(1);

/// Somebody who looks after logins.
pub struct Manager<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub links: &'a LinkKey,
    pub viewer: &'a Viewer,
    pub origin: &'a Origin,
}

/// A person as typed.
#[derive(Clone, Debug, Default)]
pub struct NewPerson<'a> {
    pub email: &'a str,
    pub name: &'a str,
    /// Read for the office's form alone; a company's administrator invites customers.
    pub role: &'a str,
    /// Codes of companies.
    pub companies: &'a [String],
    /// Administrator of these companies.
    pub is_admin: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("there is no such login, or it is for others to look after")]
    NotFound,
    /// Messages by the name of the field.
    #[error("not every field is right")]
    Fields(Vec<(&'static str, String)>),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

type Change<T> = QueryResult<Result<T, PeopleError>>;

fn refused<T>(why: impl Into<String>) -> Change<T> {
    Ok(Err(PeopleError::Refused(why.into())))
}

fn wrong<T>(field: &'static str, why: impl Into<String>) -> Change<T> {
    Ok(Err(PeopleError::Fields(vec![(field, why.into())])))
}

impl PeopleError {
    /// The message beside a field, or nothing.
    pub fn of(&self, field: &str) -> &str {
        match self {
            Self::Fields(messages) => {
                messages.iter().find(|(name, _)| *name == field).map_or("", |(_, message)| message.as_str())
            }
            _ => "",
        }
    }
}

/// How far somebody's word goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    Everybody,
    Customers,
    /// Who belongs to these companies.
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

    /// The roles that can be given.
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

impl Manager<'_> {
    fn authority(&self) -> Authority {
        Authority::of(self.viewer)
    }

    fn event(&self, action: Action) -> Event<'_> {
        Event::new(action, Outcome::Success, self.viewer.actor(), self.origin)
    }

    /// Who it comes from, for a mail.
    fn by(&self) -> String {
        match self.authority() {
            Authority::Companies(_) => self.viewer.name.clone(),
            Authority::Everybody | Authority::Customers => format!("{} at PrimeTrade", self.viewer.name),
        }
    }

    /// A new login with an invitation by mail. Somebody who has a login already just gets another company, if the person
    /// asking is the administrator of that company.
    pub async fn invite(&self, person: &NewPerson<'_>) -> Result<(), PeopleError> {
        let read = Read::new(person, &self.authority())?;
        let invited =
            self.db.transaction(async |connection: &mut AsyncPgConnection| self.invited(connection, &read).await);
        match invited.await {
            // Somebody else has just invited the same person.
            Err(DbError::Query(DatabaseError(UniqueViolation, _))) => {
                Err(PeopleError::Fields(vec![("email", THERE_ALREADY.into())]))
            }
            other => other?,
        }
    }

    async fn invited(&self, connection: &mut AsyncPgConnection, read: &Read<'_>) -> Change<()> {
        let authority = self.authority();
        let mut companies: Vec<Customer> = customers::table
            .filter(customers::code.eq_any(read.codes))
            .filter(customers::active)
            .order(customers::id)
            .select(Customer::as_select())
            // One invitation to a company at a time, so that its limit holds.
            .for_no_key_update()
            .load(connection)
            .await?;
        companies.retain(|company| authority.covers_company(company.id));
        if let Some(unknown) = read.codes.iter().find(|code| !companies.iter().any(|known| known.code == **code)) {
            return wrong("customer", format!("{unknown} isn't one of the companies that can be chosen."));
        }
        for company in &companies {
            let members = memberships::table.filter(memberships::customer_id.eq(company.id)).count();
            if members.get_result::<i64>(connection).await? >= MOST_OF_A_COMPANY {
                return wrong(
                    "customer",
                    format!("{} has {MOST_OF_A_COMPANY} logins, which is the most there can be.", company.name),
                );
            }
        }
        if self.is_pestered(connection, read.email).await? {
            return wrong("email", PESTERED);
        }
        if let Some(user) = users::by_email(connection, read.email).await? {
            return match (&authority, companies.as_slice()) {
                (Authority::Companies(_), [company]) => self.joined(connection, &user, company, read.is_admin).await,
                _ => wrong("email", THERE_ALREADY),
            };
        }
        let new = NewUser { email: read.email, name: &read.name, role: read.role.as_str(), password_hash: None };
        let id = new.insert(connection).await?;
        let seats: Vec<_> = companies
            .iter()
            .map(|company| NewMembership { user_id: id, customer_id: company.id, is_admin: read.is_admin })
            .collect();
        users::add_memberships(connection, &seats).await?;
        let names: Vec<&str> = companies.iter().map(|company| company.name.as_str()).collect();
        self.send_invitation(connection, id, read.email, &read.name, &names.join(", ")).await?;
        let detail = json!({"email": read.email, "name": read.name, "role": read.role, "customers": read.codes,
                            "admin": read.is_admin, "mailed": true});
        let mut event = self.event(Action::UserInvited).detail(detail);
        if let [only] = companies.as_slice() {
            event = event.about(only.id, &only.code);
        }
        audit::record(connection, &event).await.map(Ok)
    }

    /// Somebody who invites and removes the same person again and again has mail sent to a stranger.
    async fn is_pestered(&self, connection: &mut AsyncPgConnection, email: &str) -> QueryResult<bool> {
        let since = self.clock.now() - TimeDelta::hours(1);
        Ok(outbox::written(connection, email, since).await? >= MOST_MAILS_AN_HOUR)
    }

    async fn send_invitation(
        &self,
        connection: &mut AsyncPgConnection,
        id: i64,
        email: &str,
        name: &str,
        company: &str,
    ) -> QueryResult<()> {
        let now = self.clock.now();
        let seed = invitation::mailed(connection, now, id, Purpose::Invitation, self.links).await?;
        let letter = Letter::Invitation {
            name: name.into(),
            by: self.by(),
            company: company.into(),
            seed,
            days: LIFE.num_days(),
        };
        outbox::post(connection, now, email, Some(id), &letter).await
    }

    /// Somebody who has a login is invited by a company's administrator.
    async fn joined(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        company: &Customer,
        is_admin: bool,
    ) -> Change<()> {
        let theirs = memberships::table.find((user.id, company.id));
        if diesel::select(exists(theirs)).get_result(connection).await? {
            return wrong("email", "This address has a login for your company already. See the list below.");
        }
        if !user.active || user.role != Role::Customer.as_str() {
            return wrong("email", "This address can't be invited here. Please ask the terminal office.");
        }
        users::add_memberships(connection, &[NewMembership { user_id: user.id, customer_id: company.id, is_admin }])
            .await?;
        if user.password_hash.is_none() {
            self.send_invitation(connection, user.id, &user.email, &user.name, &company.name).await?;
        } else {
            let letter = Letter::Joined { name: user.name.clone(), by: self.by(), company: company.name.clone() };
            outbox::post(connection, self.clock.now(), &user.email, Some(user.id), &letter).await?;
        }
        self.record_membership(connection, user, company, json!({"change": "joined", "admin": is_admin})).await.map(Ok)
    }

    async fn record_membership(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        company: &Customer,
        detail: serde_json::Value,
    ) -> QueryResult<()> {
        let event =
            self.event(Action::MembershipChanged).about(company.id, &company.code).detail(json!({"email": user.email}));
        audit::record(connection, &event.detail(detail)).await
    }

    /// The invitation once more; the link of before stops working.
    pub async fn resend(&self, id: i64) -> Result<(), PeopleError> {
        self.with_user(id, async |connection, user| {
            if user.password_hash.is_some() {
                return refused("This person has set a password already. If it is forgotten, “Forgotten password?” on the log-in page helps.");
            }
            if !user.active {
                return refused("This login is disabled. Enable it first.");
            }
            if self.is_pestered(connection, &user.email).await? {
                return refused(PESTERED);
            }
            let recent = tokens::table
                .filter(tokens::user_id.eq(id))
                .filter(tokens::purpose.eq(Purpose::Invitation.as_str()))
                .filter(tokens::created_at.gt(self.clock.now() - RESEND_AFTER));
            if diesel::select(exists(recent)).get_result(connection).await? {
                return Ok(Ok(()));
            }
            let names: Vec<String> = memberships::table
                .inner_join(customers::table)
                .filter(memberships::user_id.eq(id))
                .order(customers::name)
                .select(customers::name)
                .load(connection)
                .await?;
            self.send_invitation(connection, id, &user.email, &user.name, &names.join(", ")).await?;
            let event = self.event(Action::UserInvited).detail(json!({"email": user.email, "mailed": true, "again": true}));
            audit::record(connection, &event).await.map(Ok)
        })
        .await
    }

    /// Shuts a login out at once, or lets it in again. Nobody shuts out themselves, or the last administrator.
    pub async fn set_active(&self, id: i64, active: bool) -> Result<(), PeopleError> {
        if id == self.viewer.user_id {
            return Err(PeopleError::Refused("You can't disable your own login. Another administrator can.".into()));
        }
        self.with_user(id, async |connection, user| {
            if matches!(self.authority(), Authority::Companies(_)) {
                return Ok(Err(PeopleError::NotFound));
            }
            if user.active == active {
                return Ok(Ok(()));
            }
            if !set_active(connection, user, active).await? {
                return refused(LAST_ADMIN);
            }
            let action = if active { Action::UserEnabled } else { Action::UserDisabled };
            audit::record(connection, &self.event(action).detail(json!({"email": user.email}))).await.map(Ok)
        })
        .await
    }

    pub async fn rename(&self, id: i64, name: &str) -> Result<(), PeopleError> {
        let name = one_line(name);
        if let Some(why) = wrong_name(&name) {
            return Err(PeopleError::Fields(vec![("name", why)]));
        }
        self.with_user(id, async |connection, user| {
            if matches!(self.authority(), Authority::Companies(_)) {
                return Ok(Err(PeopleError::NotFound));
            }
            if user.name == name {
                return Ok(Ok(()));
            }
            diesel::update(table::table.find(id)).set(table::name.eq(&name)).execute(connection).await?;
            let detail = json!({"email": user.email, "before": {"name": user.name}, "after": {"name": name}});
            audit::record(connection, &self.event(Action::UserChanged).detail(detail)).await.map(Ok)
        })
        .await
    }

    /// Gives somebody another company.
    pub async fn join(&self, id: i64, code: &str, is_admin: bool) -> Result<(), PeopleError> {
        self.with_user(id, async |connection, user| {
            if matches!(self.authority(), Authority::Companies(_)) {
                return Ok(Err(PeopleError::NotFound));
            }
            if user.role != Role::Customer.as_str() {
                return wrong("customer", "Only logins of customers belong to companies.");
            }
            let company = super::customers::with_codes(connection, &[code.to_owned()]).await?.pop();
            let Some(company) = company.filter(|company| company.active) else {
                return wrong("customer", "Choose a customer of the list.");
            };
            let theirs = memberships::table.find((id, company.id));
            if diesel::select(exists(theirs)).get_result(connection).await? {
                return wrong("customer", "This login has that company already.");
            }
            users::add_memberships(connection, &[NewMembership { user_id: id, customer_id: company.id, is_admin }])
                .await?;
            self.record_membership(connection, user, &company, json!({"change": "joined", "admin": is_admin}))
                .await
                .map(Ok)
        })
        .await
    }

    /// Takes a company away from somebody, at once.
    pub async fn leave(&self, id: i64, company: i64) -> Result<(), PeopleError> {
        self.with_seat(id, company, async |connection, user, company, was_admin| {
            if was_admin && let Some(why) = self.last_of_company(connection, user.id, company).await? {
                return refused(why);
            }
            diesel::delete(memberships::table.find((user.id, company.id))).execute(connection).await?;
            self.record_membership(connection, user, company, json!({"change": "left"})).await.map(Ok)
        })
        .await
    }

    /// Makes somebody the administrator of a company, or no longer.
    pub async fn set_admin(&self, id: i64, company: i64, is_admin: bool) -> Result<(), PeopleError> {
        self.with_seat(id, company, async |connection, user, company, was_admin| {
            if was_admin == is_admin {
                return Ok(Ok(()));
            }
            if was_admin && let Some(why) = self.last_of_company(connection, user.id, company).await? {
                return refused(why);
            }
            diesel::update(memberships::table.find((user.id, company.id)))
                .set(memberships::is_admin.eq(is_admin))
                .execute(connection)
                .await?;
            let detail = json!({"change": "administrator", "admin": is_admin});
            self.record_membership(connection, user, company, detail).await.map(Ok)
        })
        .await
    }

    /// A company's own people keep one administrator; the office may do without.
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
            format!("This is the only administrator of {}. Make somebody else one first; they must have set their password.", company.name)
        }))
    }

    /// A login within reach, locked until its change is committed.
    async fn with_user<T>(
        &self,
        id: i64,
        change: impl AsyncFnOnce(&mut AsyncPgConnection, &User) -> Change<T>,
    ) -> Result<T, PeopleError> {
        self.db
            .transaction(async |connection: &mut AsyncPgConnection| {
                let Some(user) = users::lock(connection, id).await? else { return Ok(Err(PeopleError::NotFound)) };
                let within = match self.authority() {
                    Authority::Companies(ids) => {
                        let seats = memberships::table
                            .filter(memberships::user_id.eq(id))
                            .filter(memberships::customer_id.eq_any(ids));
                        diesel::select(exists(seats)).get_result(connection).await?
                    }
                    authority => authority.covers_role(&user.role),
                };
                if within { change(connection, &user).await } else { Ok(Err(PeopleError::NotFound)) }
            })
            .await?
    }

    /// Somebody's place in a company within reach. The company is locked first: of two administrators who each take the
    /// other's place away, one is refused.
    async fn with_seat<T>(
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
                    return Ok(Err(PeopleError::NotFound));
                };
                let seat = memberships::table.find((id, company.id)).select(memberships::is_admin);
                match seat.first(connection).await.optional()? {
                    Some(was_admin) => change(connection, &user, &company, was_admin).await,
                    None => Ok(Err(PeopleError::NotFound)),
                }
            })
            .await?
    }
}

const PESTERED: &str = "This address has been written several times within the hour. Try again later.";
const THERE_ALREADY: &str = "There is a login with this address already. Find it in the list below to change it.";
pub const LAST_ADMIN: &str = "This is the last administrator who can log in. Make another one first.";

/// Shuts a login out with its sessions, its links and the mails that wait for it, or lets it in again. `false`: it is the
/// last administrator's.
pub async fn set_active(connection: &mut AsyncPgConnection, user: &User, active: bool) -> QueryResult<bool> {
    if !active {
        if user.role == Role::Admin.as_str() {
            // Locked, so that two administrators can't shut out each other.
            let admins: Vec<i64> = table::table
                .filter(table::role.eq(Role::Admin.as_str()))
                .filter(table::active)
                .filter(table::password_hash.is_not_null())
                .order(table::id)
                .select(table::id)
                .for_update()
                .load(connection)
                .await?;
            if !admins.iter().any(|id| *id != user.id) {
                return Ok(false);
            }
        }
        sessions::end_all(connection, user.id).await?;
        diesel::delete(tokens::table.filter(tokens::user_id.eq(user.id))).execute(connection).await?;
        outbox::withdraw(connection, user.id, None).await?;
    }
    users::set_active(connection, user.id, active).await?;
    Ok(true)
}

/// What was typed, if it is right.
struct Read<'a> {
    email: &'a str,
    name: String,
    role: Role,
    codes: &'a [String],
    is_admin: bool,
}

impl<'a> Read<'a> {
    fn new(person: &NewPerson<'a>, authority: &Authority) -> Result<Self, PeopleError> {
        let mut messages = Vec::new();
        let email = person.email.trim();
        if email.is_empty() {
            messages.push(("email", "Give the e-mail address.".to_owned()));
        } else if !mail::is_address(email) {
            messages.push(("email", "This isn't an e-mail address such as jane@example.com.".into()));
        }
        let name = one_line(person.name);
        messages.extend(wrong_name(&name).map(|why| ("name", why)));
        let role = match authority {
            Authority::Companies(_) => Some(Role::Customer),
            _ => person.role.parse().ok().filter(|role| authority.roles().contains(role)),
        };
        if role.is_none() {
            messages.push(("role", "Choose one of these roles.".into()));
        }
        match (role, person.companies) {
            (Some(Role::Customer), []) => messages.push(("customer", "Choose the company.".into())),
            (Some(Role::Customer), _) | (_, []) | (None, _) => {}
            (Some(_), _) => messages.push(("customer", "Only logins of customers belong to companies.".into())),
        }
        match role {
            Some(role) if messages.is_empty() => Ok(Self {
                email,
                name,
                role,
                codes: person.companies,
                is_admin: person.is_admin && role == Role::Customer,
            }),
            _ => Err(PeopleError::Fields(messages)),
        }
    }
}

fn one_line(typed: &str) -> String {
    let clean: String = typed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrong_name(name: &str) -> Option<String> {
    match name.chars().count() {
        0 => Some("Give the person's name.".into()),
        1..=200 => None,
        _ => Some("Use at most 200 characters.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (read.email, read.name.as_str(), read.role, read.is_admin),
            ("jane@acme.example", "Jane Doe", Role::Customer, true)
        );
        let wrong = |person: NewPerson<'_>, authority: &Authority| match Read::new(&person, authority) {
            Err(PeopleError::Fields(messages)) => messages.into_iter().map(|(field, _)| field).collect::<Vec<_>>(),
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
        // A company's administrator has no say about the role.
        let read = Read::new(&NewPerson { role: "admin", ..person }, &Authority::Companies(vec![1])).expect("read");
        assert_eq!(read.role, Role::Customer);
    }
}
