//! Checks a passkey: as a log-in of its own, as a second factor, or as a fresh proof.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use webauthn_rs::prelude::{AuthenticationResult, DiscoverableAuthentication, Passkey, PublicKeyCredential};

use super::answer::Answer;
use super::ceremony::{self, Holder, Purpose};
use super::{PasskeyError, Refusal, RelyingParty};
use crate::accounts::entry::{Entry, Method};
use crate::accounts::factors::second::{Given, Remembering, complete};
use crate::accounts::throttle::{Attempt, Decision};
use crate::accounts::{HalfLogin, Policy, Token, User, Viewer, step_up, users as logins};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::clock::Clock;
use crate::db::schema::{passkeys, users};
use crate::db::{Database, DbResult};
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, SecurityNotice};

/// What checking a passkey needs.
#[derive(Clone, Copy)]
pub struct PasskeyChecker<'a> {
    pub db: &'a Database,
    pub clock: &'a Clock,
    pub party: &'a RelyingParty,
    pub policy: &'a Policy,
    pub origin: &'a Origin,
}

/// Who is to be proven.
#[derive(Clone, Copy)]
enum Claim<'a> {
    /// The passkey itself says who. The browser's cookie binds the challenge.
    Anyone(&'a Token),
    /// The user of a session.
    User { purpose: Purpose, session_id: i64, user_id: i64, actor: Actor<'a> },
}

impl<'a> Claim<'a> {
    fn of_half(half: &'a HalfLogin) -> Self {
        let HalfLogin { session_id, user_id, .. } = *half;
        Self::User { purpose: Purpose::Factor, session_id, user_id, actor: half.actor() }
    }

    fn of_viewer(viewer: &'a Viewer) -> QueryResult<Self> {
        let (session_id, user_id) = (viewer.session()?, viewer.user_id);
        Ok(Self::User { purpose: Purpose::Confirm, session_id, user_id, actor: viewer.actor() })
    }

    fn ceremony(self, origin: &Origin) -> (Purpose, Holder<'a>) {
        match self {
            Self::Anyone(browser) => (Purpose::Login, Holder::Browser(browser, origin.ip)),
            Self::User { purpose, session_id, .. } => (purpose, Holder::Session(session_id)),
        }
    }

    /// Whether this passkey may prove it. Before the login, the authenticator has to name the user too.
    fn admits(self, stored: &Stored, credential: &PublicKeyCredential) -> bool {
        let handle = credential.get_user_unique_id();
        let is_theirs = handle == Some(&stored.webauthn_id);
        match self {
            Self::Anyone(_) => is_theirs,
            Self::User { user_id, .. } => stored.user.id == user_id && (is_theirs || handle.is_none()),
        }
    }
}

/// A passkey and its user, found by the credential's id.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
struct Stored {
    #[diesel(embed)]
    user: User,
    webauthn_id: Vec<u8>,
}

impl PasskeyChecker<'_> {
    /// The options of a log-in, as JSON for the browser.
    pub async fn begin_login(&self, browser: &Token) -> Result<Value, PasskeyError> {
        self.begin(Claim::Anyone(browser)).await
    }

    /// Opens the session of the passkey's user.
    pub async fn log_in(
        &self,
        browser: &Token,
        answer: &str,
        replaces: Option<&Viewer>,
    ) -> Result<Token, PasskeyError> {
        let then = async |connection: &mut AsyncPgConnection, now: DateTime<Utc>, user: &User| {
            let (method, origin) = (Method::Passkey, self.origin);
            let entry = Entry { user, method, origin, replaces, remembered: None, detail: json!({}) };
            Ok(Some(entry.open(connection, now, self.policy).await?.session))
        };
        self.check(Claim::Anyone(browser), answer, then).await
    }

    /// The options of a second factor.
    pub async fn begin_factor(&self, half: &HalfLogin) -> Result<Value, PasskeyError> {
        self.begin(Claim::of_half(half)).await
    }

    /// Makes the session that waits for a second factor a whole one.
    pub async fn give(
        &self,
        half: &HalfLogin,
        remembering: Remembering<'_>,
        answer: &str,
    ) -> Result<Given, PasskeyError> {
        let then = async |connection: &mut AsyncPgConnection, now: DateTime<Utc>, _: &User| {
            complete(connection, now, half, ("passkey", self.origin), remembering).await
        };
        self.check(Claim::of_half(half), answer, then).await
    }

    /// The options of a fresh proof.
    pub async fn begin_confirmation(&self, viewer: &Viewer) -> Result<Value, PasskeyError> {
        self.begin(Claim::of_viewer(viewer)?).await
    }

    /// Notes the fresh proof of a logged-in user, and returns the session's new token.
    pub async fn confirm(&self, viewer: &Viewer, answer: &str) -> Result<Token, PasskeyError> {
        let then = async |connection: &mut AsyncPgConnection, now: DateTime<Utc>, _: &User| {
            step_up::note(connection, now, (viewer, self.origin), "passkey").await
        };
        self.check(Claim::of_viewer(viewer)?, answer, then).await
    }

    /// Stores a challenge, and returns it with the credentials that may answer.
    ///
    /// Every challenge is one for discoverable credentials: webauthn-rs then checks an answer against the passkey as it is stored
    /// now, and accepts no change of its backup eligibility.
    async fn begin(&self, claim: Claim<'_>) -> Result<Value, PasskeyError> {
        let (options, state) =
            self.party.webauthn.start_discoverable_authentication().map_err(PasskeyError::internal)?;
        let mut connection = self.db.get().await?;
        let mut public_key = serde_json::to_value(options.public_key).map_err(PasskeyError::internal)?;
        if let Claim::User { user_id, .. } = claim {
            let allowed = descriptors(&mut connection, user_id).await?;
            if allowed.is_empty() {
                return Err(PasskeyError::None);
            }
            public_key["allowCredentials"] = allowed.into();
        }
        if let Some(options) = public_key.as_object_mut() {
            options.remove("extensions");
        }
        let id = ceremony::begin(&mut connection, self.clock.now(), claim.ceremony(self.origin), &state).await?;
        let id = id.ok_or(PasskeyError::Slowed(ceremony::LIFE.to_std().unwrap_or_default()))?;
        Ok(json!({"ceremony": id.as_str(), "publicKey": public_key}))
    }

    /// Checks an answer and runs `then` in one transaction. `then` returns `None` if the session has ended.
    async fn check<T>(
        &self,
        claim: Claim<'_>,
        answer: &str,
        then: impl AsyncFnOnce(&mut AsyncPgConnection, DateTime<Utc>, &User) -> DbResult<Option<T>>,
    ) -> Result<T, PasskeyError> {
        let answer = Answer::<PublicKeyCredential>::parse(answer)?;
        let is_sound = answer.is_sound();
        let Answer { ceremony, credential } = answer;
        let now = self.clock.now();
        let mut connection = self.db.get().await?;
        let stored = stored(&mut connection, credential.get_credential_id()).await?;
        let stored = stored.filter(|stored| claim.admits(stored, &credential));
        let attempt = self.count(&mut connection, now, claim, stored.as_ref()).await?;
        let state = ceremony::take(&mut connection, now, claim.ceremony(self.origin), &ceremony).await?;
        // The transaction takes its own.
        drop(connection);
        let checked = match (state, &stored) {
            (None, _) => Checked::Refused(Refusal::Expired),
            (Some(_), None) => Checked::Refused(Refusal::Unknown),
            (Some(_), Some(_)) if !is_sound => Checked::Refused(Refusal::Invalid),
            (Some(state), Some(Stored { user, .. })) => {
                self.db
                    .transaction(async |connection: &mut AsyncPgConnection| -> Result<_, PasskeyError> {
                        if logins::lock(connection, user.id).await?.is_none_or(|user| !user.active) {
                            return Ok(Checked::Refused(Refusal::Unknown));
                        }
                        if let Err(refusal) = self.verify(connection, (now, user.id), state, &credential).await? {
                            return Ok(Checked::Refused(refusal));
                        }
                        if matches!(claim, Claim::Anyone(_)) && self.policy.requires_sso_of(user) {
                            return Ok(Checked::Refused(Refusal::SsoRequired));
                        }
                        attempt.succeeded(connection).await?;
                        Ok(then(connection, now, user).await?.map_or(Checked::Ended, Checked::Right))
                    })
                    .await?
            }
        };
        match checked {
            Checked::Right(value) => Ok(value),
            Checked::Ended => Err(PasskeyError::Ended),
            Checked::Refused(refusal) => {
                self.record_failure(claim, stored.as_ref(), refusal).await?;
                Err(PasskeyError::Refused(refusal))
            }
        }
    }

    /// Counts the attempt, or refuses it.
    async fn count(
        &self,
        connection: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        claim: Claim<'_>,
        stored: Option<&Stored>,
    ) -> Result<Attempt, PasskeyError> {
        let user_id = match claim {
            Claim::Anyone(_) => stored.map(|stored| stored.user.id),
            Claim::User { user_id, .. } => Some(user_id),
        };
        let mut attempt = Attempt::passkey(user_id, self.origin.ip);
        let Decision::Refuse(wait) = attempt.begin(connection, now).await? else { return Ok(attempt) };
        if attempt.is_first_refusal(connection, now).await? {
            let action = match claim {
                Claim::Anyone(_) => Action::LoginBlocked,
                Claim::User { .. } => Action::MfaFailed,
            };
            audit::record(connection, &self.failure(claim, stored, (action, "too many attempts"))).await?;
        }
        Err(PasskeyError::Slowed(wait))
    }

    /// Checks the answer against the passkey as it is stored, and stores its new sign count and backup state.
    async fn verify(
        &self,
        connection: &mut AsyncPgConnection,
        (now, user_id): (DateTime<Utc>, i64),
        state: DiscoverableAuthentication,
        credential: &PublicKeyCredential,
    ) -> Result<Result<(), Refusal>, PasskeyError> {
        let row = passkeys::table
            .filter(passkeys::credential_id.eq(credential.get_credential_id()))
            .filter(passkeys::user_id.eq(user_id));
        let found: Option<(i64, Value)> =
            row.select((passkeys::id, passkeys::credential)).for_update().first(connection).await.optional()?;
        // Removed since it was found.
        let Some((id, stored)) = found else { return Ok(Err(Refusal::Unknown)) };
        let mut passkey: Passkey = serde_json::from_value(stored).map_err(PasskeyError::internal)?;
        let answer = self.party.webauthn.finish_discoverable_authentication_v2(credential, state, &passkey);
        let result = match answer {
            Ok(result) if result.user_verified() => result,
            Ok(_) => return Ok(Err(Refusal::NotVerified)),
            Err(error) => {
                tracing::debug!(%error, "a passkey is refused");
                return Ok(Err(Refusal::of(&error)));
            }
        };
        passkey.update_credential(&result);
        note_use(connection, now, id, (&passkey, &result)).await?;
        Ok(Ok(()))
    }

    fn failure<'e>(
        &'e self,
        claim: Claim<'e>,
        stored: Option<&'e Stored>,
        (action, reason): (Action, &str),
    ) -> Event<'e> {
        let actor = match (claim, stored) {
            (Claim::User { actor, .. }, _) => actor,
            (Claim::Anyone(_), Some(Stored { user, .. })) => Actor::user(user.id, &user.email, &user.role),
            (Claim::Anyone(_), None) => Actor::UNKNOWN,
        };
        let member = if action == Action::MfaFailed { "factor" } else { "method" };
        let event = Event::new(action, Outcome::Denied, actor, self.origin);
        event.detail(json!({member: "passkey", "reason": reason}))
    }

    async fn record_failure(&self, claim: Claim<'_>, stored: Option<&Stored>, refusal: Refusal) -> DbResult<()> {
        // A copy is an alarm of its own, whichever way it was used.
        let is_login = matches!(claim, Claim::Anyone(_)) && refusal != Refusal::SignCount;
        let action = if is_login { Action::LoginFailed } else { Action::MfaFailed };
        let event = self.failure(claim, stored, (action, refusal.reason()));
        let mut connection = self.db.get().await?;
        let (Refusal::SignCount, Some(Stored { user, .. })) = (refusal, stored) else {
            return Ok(audit::record(&connection, &event).await?);
        };
        audit::record(&connection, &event).await?;
        // Whoever holds the copy sees the message on the page. The owner gets a mail, one a day.
        let (now, notice) = (self.clock.now(), SecurityNotice::PasskeyCopied);
        if outbox::written(&mut connection, &user.email, &[notice.purpose()], now - TimeDelta::days(1)).await? == 0 {
            let to = To::new(&user.email, Some(user.id));
            outbox::post(&mut connection, now, to, &EmailTemplate::security(notice, &user.name)).await?;
        }
        Ok(())
    }
}

enum Checked<T> {
    Right(T),
    Refused(Refusal),
    Ended,
}

async fn stored(connection: &mut AsyncPgConnection, credential_id: &[u8]) -> QueryResult<Option<Stored>> {
    passkeys::table
        .inner_join(users::table)
        .filter(passkeys::credential_id.eq(credential_id))
        .select(Stored::as_select())
        .first(connection)
        .await
        .optional()
}

/// The user's credentials, as `allowCredentials` and `excludeCredentials` name them.
pub(super) async fn descriptors(connection: &mut AsyncPgConnection, user_id: i64) -> Result<Vec<Value>, PasskeyError> {
    let theirs = passkeys::table.filter(passkeys::user_id.eq(user_id)).order(passkeys::id);
    let stored: Vec<Value> = theirs.select(passkeys::credential).load(connection).await?;
    let descriptor = |credential: &Value| {
        let credential = &credential["cred"];
        let mut descriptor = json!({"type": "public-key", "id": credential["cred_id"]});
        if credential["transports"].is_array() {
            descriptor["transports"] = credential["transports"].clone();
        }
        descriptor
    };
    Ok(stored.iter().map(descriptor).collect())
}

async fn note_use(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    id: i64,
    (passkey, result): (&Passkey, &AuthenticationResult),
) -> Result<(), PasskeyError> {
    let values = (
        passkeys::credential.eq(serde_json::to_value(passkey).map_err(PasskeyError::internal)?),
        passkeys::last_used_at.eq(now),
        passkeys::sign_count.eq(i64::from(result.counter())),
        passkeys::backed_up.eq(result.backup_state()),
    );
    diesel::update(passkeys::table.find(id)).set(values).execute(connection).await?;
    Ok(())
}
