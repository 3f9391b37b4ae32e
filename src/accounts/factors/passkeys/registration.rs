//! Adds a passkey to a login: of a logged-in user, or of one whose login must have a second factor.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::UniqueViolation;
use diesel::result::Error::DatabaseError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    COSEAlgorithm, COSEKey, COSEKeyType, CredentialID, ECDSACurve, Passkey, PasskeyRegistration,
    RegisterPublicKeyCredential, Uuid,
};

use super::answer::Answer;
use super::authentication::descriptors;
use super::ceremony::{self, Holder, Purpose};
use super::{MAX_PASSKEYS, PasskeyError, Refusal, RelyingParty, clean_name};
use crate::accounts::factors::enrollment::{Enrolled, Enrolling};
use crate::accounts::factors::{FactorKey, Factors, fulfill, recovery};
use crate::accounts::{entry, sessions, users as logins};
use crate::audit::{self, Action, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::Database;
use crate::db::schema::{passkeys, users};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// Adding a passkey to the login of this user.
#[derive(Clone, Copy)]
pub struct Registration<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub key: &'a FactorKey,
    pub party: &'a RelyingParty,
    pub user: Enrolling<'a>,
    pub origin: &'a Origin,
}

struct NewPasskey {
    name: String,
    passkey: Passkey,
    /// How the browser reaches the authenticator. webauthn-rs drops what no attestation vouches for, but it is a hint for
    /// the browser's dialog alone (WebAuthn Level 3, 7.1, step 27).
    transports: Value,
}

/// What the database keeps of the credential besides its JSON.
struct Flags {
    sign_count: i64,
    backup_eligible: bool,
    backed_up: bool,
}

impl Registration<'_> {
    /// The options for a new passkey, as JSON for the browser.
    pub async fn begin(&self) -> Result<Value, PasskeyError> {
        let mut connection = self.db.get().await?;
        let user = &self.user;
        if !user.may_enroll(&mut connection).await? {
            return Err(PasskeyError::Ended);
        }
        let excluded = descriptors(&mut connection, user.user_id()).await?;
        if excluded.len() >= usize::try_from(MAX_PASSKEYS).unwrap_or_default() {
            return Err(PasskeyError::TooMany);
        }
        let ids: Vec<CredentialID> = stored_ids(&mut connection, user.user_id()).await?;
        let handle: Vec<u8> =
            users::table.find(user.user_id()).select(users::webauthn_id).first(&mut connection).await?;
        let handle = Uuid::from_slice(&handle).map_err(PasskeyError::internal)?;
        let shown = if user.name().is_empty() { user.email() } else { user.name() };
        let (options, state) = self
            .party
            .webauthn
            .start_passkey_registration(handle, user.email(), shown, Some(ids))
            .map_err(PasskeyError::internal)?;
        let mut public_key = serde_json::to_value(options.public_key).map_err(PasskeyError::internal)?;
        // A log-in without an email address needs a discoverable credential. webauthn-rs asks for none.
        public_key["authenticatorSelection"]["residentKey"] = "required".into();
        public_key["authenticatorSelection"]["requireResidentKey"] = true.into();
        public_key["excludeCredentials"] = excluded.into();
        let id = ceremony::begin(&mut connection, self.clock.now(), self.ceremony()?, &state).await?;
        let id = id.ok_or(PasskeyError::Slowed(ceremony::LIFE.to_std().unwrap_or_default()))?;
        Ok(json!({"ceremony": id.as_str(), "publicKey": public_key}))
    }

    /// Stores the new passkey. Records that, tells the user by email, and renews the session's token. A first factor makes
    /// recovery codes. A session that waits for a second factor becomes a whole one.
    pub async fn finish(&self, name: &str, answer: &str) -> Result<Enrolled, PasskeyError> {
        let name = clean_name(name).ok_or(PasskeyError::Name)?;
        let answer = Answer::<RegisterPublicKeyCredential>::parse(answer)?;
        let is_sound = answer.is_sound();
        let Answer { ceremony, credential } = answer;
        let now = self.clock.now();
        let state = {
            let mut connection = self.db.get().await?;
            ceremony::take::<PasskeyRegistration>(&mut connection, now, self.ceremony()?, &ceremony).await?
        };
        let state = state.ok_or(PasskeyError::Refused(Refusal::Expired))?;
        let passkey = self.party.webauthn.finish_passkey_registration(&credential, &state).map_err(|error| {
            tracing::debug!(%error, "a new passkey is refused");
            // A new passkey can't have changed.
            let is_unverified = Refusal::of(&error) == Refusal::NotVerified;
            PasskeyError::Refused(if is_unverified { Refusal::NotVerified } else { Refusal::Invalid })
        })?;
        let is_same = passkey.cred_id().as_slice() == credential.raw_id.as_slice();
        if !is_sound || !is_same || !fits_algorithm(passkey.get_public_key()) {
            return Err(PasskeyError::Refused(Refusal::Invalid));
        }
        let new = NewPasskey { name, passkey, transports: json!(credential.response.transports) };
        self.db.transaction(async |connection: &mut AsyncPgConnection| self.store(connection, now, &new).await).await
    }

    fn ceremony(&self) -> QueryResult<(Purpose, Holder<'static>)> {
        Ok((Purpose::Register, Holder::Session(self.user.session_id()?)))
    }

    async fn store(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        new: &NewPasskey,
    ) -> Result<Enrolled, PasskeyError> {
        let user_id = self.user.user_id();
        logins::lock(connection, user_id).await?.filter(|user| user.active).ok_or(PasskeyError::Ended)?;
        if !self.user.may_enroll(connection).await? {
            return Err(PasskeyError::Ended);
        }
        let theirs = passkeys::table.filter(passkeys::user_id.eq(user_id));
        if theirs.count().get_result::<i64>(connection).await? >= MAX_PASSKEYS {
            return Err(PasskeyError::TooMany);
        }
        let mut recovery_codes = Vec::new();
        if !Factors::of(connection, user_id).await?.is_any() {
            // The first factor ends what the password alone has opened: that may have been someone else.
            sessions::end_others(connection, user_id, self.user.session_id()?).await?;
            recovery_codes = recovery::replace(connection, self.key, user_id).await?;
        }
        let (id, name) = (insert(connection, now, user_id, new).await?, &new.name);
        fulfill(connection, user_id).await?;
        let event = Event::new(Action::PasskeyAdded, Outcome::Success, self.user.actor(), self.origin);
        audit::record(connection, &event.detail(json!({"id": id, "name": name}))).await?;
        let notice = SecurityNotice::PasskeyAdded { passkey: name.clone() };
        let template = EmailTemplate::security(notice, self.user.name());
        outbox::post(connection, now, To::new(self.user.email(), Some(user_id)), &template).await?;
        let token = match self.user {
            Enrolling::Viewer(viewer) => {
                sessions::prove(connection, now, viewer.session()?).await?;
                sessions::renew(connection, viewer.session()?).await?
            }
            Enrolling::Half(half) => entry::complete(connection, now, half, ("passkey", self.origin)).await?,
        };
        Ok(Enrolled { recovery_codes, session: token.ok_or(PasskeyError::Ended)? })
    }
}

/// Whether the key is of the kind and on the curve that its algorithm demands (WebAuthn Level 3, 5.8.5). webauthn-rs offers
/// these three algorithms, and doesn't compare the curve.
fn fits_algorithm(key: &COSEKey) -> bool {
    match (&key.type_, &key.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(key)) => key.curve == ECDSACurve::SECP256R1,
        (COSEAlgorithm::ES384, COSEKeyType::EC_EC2(key)) => key.curve == ECDSACurve::SECP384R1,
        (COSEAlgorithm::RS256, COSEKeyType::RSA(_)) => true,
        _ => false,
    }
}

async fn insert(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    user_id: i64,
    NewPasskey { name, passkey, transports }: &NewPasskey,
) -> Result<i64, PasskeyError> {
    let mut credential = serde_json::to_value(passkey).map_err(PasskeyError::internal)?;
    credential["cred"]["transports"] = transports.clone();
    let Flags { sign_count, backup_eligible, backed_up } = flags(&credential)?;
    let row = (
        passkeys::user_id.eq(user_id),
        passkeys::credential_id.eq(passkey.cred_id().as_slice()),
        passkeys::credential.eq(credential),
        passkeys::name.eq(name),
        passkeys::created_at.eq(now),
        passkeys::sign_count.eq(sign_count),
        passkeys::backup_eligible.eq(backup_eligible),
        passkeys::backed_up.eq(backed_up),
    );
    let inserted = diesel::insert_into(passkeys::table).values(row).returning(passkeys::id);
    inserted.get_result(connection).await.map_err(|error| match error {
        DatabaseError(UniqueViolation, _) => PasskeyError::Registered,
        error => error.into(),
    })
}

/// webauthn-rs shows the sign count and the backup flags of a new passkey in its JSON only.
fn flags(credential: &Value) -> Result<Flags, PasskeyError> {
    let credential = &credential["cred"];
    let flag = |name: &str| credential[name].as_bool();
    match (credential["counter"].as_i64(), flag("backup_eligible"), flag("backup_state")) {
        (Some(sign_count), Some(backup_eligible), Some(backed_up)) => {
            Ok(Flags { sign_count, backup_eligible, backed_up })
        }
        _ => Err(PasskeyError::internal("a new passkey has no sign count or no backup flags")),
    }
}

async fn stored_ids(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<Vec<CredentialID>> {
    let theirs = passkeys::table.filter(passkeys::user_id.eq(user_id));
    theirs.select(passkeys::credential_id).load(connection).await
}
