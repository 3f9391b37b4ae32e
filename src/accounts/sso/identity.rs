//! Whom a subject of the issuer logs in: the login it is linked to, or one with its verified email address.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::person::{ClaimedRole, Person};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{User, person_name};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::config::OidcConfig;
use crate::db::schema::{sso_identities, sso_issuers};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice, read_address};

/// Why a person whom the issuer knows can't use the portal. The names are those of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No login has the address, and none may be created.
    #[error("no_login")]
    NoLogin,
    /// The issuer names no address, or doesn't vouch for it.
    #[error("email_not_verified")]
    NotVerified,
    /// The login with this address belongs to another subject of the issuer.
    #[error("linked_to_another")]
    LinkedToAnother,
    #[error("disabled")]
    Disabled,
    /// The issuer gives the person no role of the portal.
    #[error("no_role")]
    NoRole,
    /// The login is an administrator's, and the issuer gives the person another role.
    #[error("another_role")]
    AnotherRole,
    /// Someone else confirms than who is logged in.
    #[error("another_user")]
    AnotherUser,
    /// A new customer's login needs a company, which no token names.
    #[error("no_company")]
    NoCompany,
}

/// The login of a person.
pub struct Resolved {
    pub user: User,
    /// It was linked to the issuer just now. Nothing but the address has shown yet that it is the person's.
    pub is_new_link: bool,
}

/// The issuer of a login.
#[derive(Clone, Copy)]
pub struct Linking<'a> {
    pub config: &'a OidcConfig,
    pub origin: &'a Origin,
    pub now: DateTime<Utc>,
}

impl Linking<'_> {
    /// Finds, links or creates the login of a person, and locks it until the transaction ends. Changes nothing if it is
    /// denied.
    pub async fn resolve(
        &self,
        connection: &mut AsyncPgConnection,
        person: &Person,
    ) -> QueryResult<Result<Resolved, Denial>> {
        if person.role == ClaimedRole::Unknown {
            return Ok(Err(Denial::NoRole));
        }
        let issuer_id = self.issuer_id(connection).await?;
        let identity = sso_identities::table.find((issuer_id, &person.subject));
        let linked: Option<i64> = identity.select(sso_identities::user_id).first(connection).await.optional()?;
        let Some(user_id) = linked else { return self.link(connection, issuer_id, person).await };
        let user = users::lock(connection, user_id).await?.filter(|user| user.active);
        let Some(user) = user else { return Ok(Err(Denial::Disabled)) };
        diesel::update(identity).set(sso_identities::last_used_at.eq(self.now)).execute(connection).await?;
        Ok(Ok(Resolved { user, is_new_link: false }))
    }

    /// Returns the row of the configured issuer, which the first login creates.
    async fn issuer_id(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        let OidcConfig { issuer, label, .. } = self.config;
        let row = sso_issuers::table.filter(sso_issuers::issuer.eq(issuer)).filter(sso_issuers::label.eq(label));
        if let Some(id) = row.select(sso_issuers::id).first(connection).await.optional()? {
            return Ok(id);
        }
        diesel::insert_into(sso_issuers::table)
            .values((sso_issuers::issuer.eq(issuer), sso_issuers::label.eq(label)))
            .on_conflict(sso_issuers::issuer)
            .do_update()
            .set(sso_issuers::label.eq(label))
            .returning(sso_issuers::id)
            .get_result(connection)
            .await
    }

    /// Links the login with the person's verified address, which happens once.
    async fn link(
        &self,
        connection: &mut AsyncPgConnection,
        issuer_id: i64,
        person: &Person,
    ) -> QueryResult<Result<Resolved, Denial>> {
        let Some(email) = person.verified_email.as_deref().and_then(read_address) else {
            return Ok(Err(Denial::NotVerified));
        };
        // Of two first logins at once, the second one waits, and finds what the first has linked.
        let issuer = sso_issuers::table.find(issuer_id).select(sso_issuers::id).for_update();
        issuer.first::<i64>(connection).await?;
        let found = users::by_email(connection, &email).await?;
        let (user, is_created) = match found {
            Some(user) => match users::lock(connection, user.id).await?.filter(|user| user.active) {
                // A service account is no person.
                Some(user) if user.is_service => return Ok(Err(Denial::NoLogin)),
                // The address may have been given to another person.
                Some(user) if person.role.denies_admin(&user) => return Ok(Err(Denial::AnotherRole)),
                Some(user) => (user, false),
                None => return Ok(Err(Denial::Disabled)),
            },
            None => match self.create(connection, person, &email).await? {
                Ok(user) => (user, true),
                Err(denial) => return Ok(Err(denial)),
            },
        };
        let others = sso_identities::table
            .filter(sso_identities::issuer_id.eq(issuer_id))
            .filter(sso_identities::user_id.eq(user.id))
            .filter(sso_identities::subject.ne(&person.subject));
        if diesel::select(exists(others)).get_result(connection).await? {
            return Ok(Err(Denial::LinkedToAnother));
        }
        let row = (
            sso_identities::issuer_id.eq(issuer_id),
            sso_identities::subject.eq(&person.subject),
            sso_identities::user_id.eq(user.id),
            sso_identities::linked_at.eq(self.now),
            sso_identities::last_used_at.eq(self.now),
        );
        let linked = diesel::insert_into(sso_identities::table).values(row).on_conflict_do_nothing();
        if linked.execute(connection).await? > 0 {
            self.announce(connection, person, &user, is_created).await?;
        }
        Ok(Ok(Resolved { user, is_new_link: !is_created }))
    }

    /// Creates a login with the role that the map gives, if the configuration allows it.
    async fn create(
        &self,
        connection: &mut AsyncPgConnection,
        person: &Person,
        email: &str,
    ) -> QueryResult<Result<User, Denial>> {
        let ClaimedRole::Role(role) = person.role else { return Ok(Err(Denial::NoLogin)) };
        if !self.config.creates {
            return Ok(Err(Denial::NoLogin));
        }
        if role.belongs_to_companies() {
            return Ok(Err(Denial::NoCompany));
        }
        let name = person.name.as_deref().and_then(|name| person_name::read(name).ok());
        let name = name.unwrap_or_else(|| email.split('@').next().unwrap_or(email).chars().take(100).collect());
        let new = NewUser { email, name: &name, role: role.as_str(), password_hash: None };
        let id = new.insert(connection).await?;
        let detail = json!({"email": email, "role": role, "customers": [], "by": "sso"});
        let event = Event::new(Action::UserInvited, Outcome::Success, Actor::PORTAL, self.origin);
        audit::record(connection, &event.detail(detail)).await?;
        let user = users::lock(connection, id).await?;
        user.map(Ok).ok_or(diesel::result::Error::NotFound)
    }

    /// Records the link. The user of an earlier login gets an email.
    async fn announce(
        &self,
        connection: &mut AsyncPgConnection,
        person: &Person,
        user: &User,
        is_created: bool,
    ) -> QueryResult<()> {
        let actor = Actor::user(user.id, &user.email, &user.role);
        let detail = json!({"issuer": self.config.issuer, "subject": person.subject, "created": is_created});
        let event = Event::new(Action::SsoLinked, Outcome::Success, actor, self.origin);
        audit::record(connection, &event.detail(detail)).await?;
        if !is_created {
            let notice = SecurityNotice::SsoLinked { label: self.config.label.clone() };
            outbox::post(
                connection,
                self.now,
                To::new(&user.email, Some(user.id)),
                &EmailTemplate::security(notice, &user.name),
            )
            .await?;
        }
        Ok(())
    }
}

/// Whether single sign-on opens a login.
pub async fn is_linked(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<bool> {
    let identities = sso_identities::table.filter(sso_identities::user_id.eq(user_id));
    diesel::select(exists(identities)).get_result(connection).await
}

/// Removes what links a login to issuers, so that its next single sign-on links it anew. Returns how many there were.
pub async fn unlink(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<usize> {
    diesel::delete(sso_identities::table.filter(sso_identities::user_id.eq(user_id))).execute(connection).await
}
