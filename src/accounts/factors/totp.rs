//! One-time codes of an authenticator app (TOTP, [RFC 6238](https://www.rfc-editor.org/rfc/rfc6238)).
//!
//! SHA-1, six digits and 30 seconds, because these are what every app understands. A code of the step before or after
//! is accepted too, and each step once.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use rand::TryRngCore as _;
use totp_rs::{Builder, Secret, Totp};

use super::FactorKey;
use crate::db::schema::totp_secrets;

/// What apps show above the code.
const ISSUER: &str = "PrimeTrade BOL portal";
/// How long a secret waits for its first code.
const SETUP_LIFE: TimeDelta = TimeDelta::minutes(30);
/// 160 bits, as RFC 4226 (4, R6) recommends.
const SECRET_BYTES: usize = 20;
/// The clock of a phone may be off by this many steps of 30 seconds.
const SKEW_STEPS: u16 = 1;

/// The secret of an app, to be shown once.
pub struct NewSecret {
    /// Base32 in groups of four, to be typed.
    pub text: String,
    /// `otpauth://…`, to be drawn as a QR code.
    pub url: String,
}

/// The user who sets up an app, and the session that sees its secret.
#[derive(Clone, Copy)]
pub(super) struct Setup<'a> {
    pub user_id: i64,
    pub session_id: i64,
    pub email: &'a str,
}

/// Stores a new secret that its first code will confirm, and returns it.
///
/// A secret that waits for this session is kept, so that the page can be loaded again. One that another session has seen
/// is replaced: a person who has it could compute every code.
pub(super) async fn begin(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    setup: Setup<'_>,
) -> QueryResult<NewSecret> {
    let waiting = waiting(connection, now, setup).await?;
    let secret = match waiting.and_then(|sealed| key.decrypt(setup.user_id, &sealed)) {
        Some(secret) => secret,
        None => insert(connection, now, key, setup).await?,
    };
    let app = app(&secret, setup.email).ok_or_else(|| failure("the secret is unusable"))?;
    let url = app.to_url().map_err(|error| failure(&error.to_string()))?;
    Ok(NewSecret { text: in_groups(&app.secret().to_base32()), url })
}

/// The secret that waits for its first code in this session.
async fn waiting(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    setup: Setup<'_>,
) -> QueryResult<Option<Vec<u8>>> {
    totp_secrets::table
        .find((setup.user_id, false))
        .filter(totp_secrets::session_id.eq(setup.session_id))
        .filter(totp_secrets::created_at.gt(now - SETUP_LIFE))
        .select(totp_secrets::secret)
        .first(connection)
        .await
        .optional()
}

async fn insert(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    Setup { user_id, session_id, .. }: Setup<'_>,
) -> QueryResult<Vec<u8>> {
    let mut secret = vec![0; SECRET_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(|error| failure(&error.to_string()))?;
    let sealed = key.encrypt(user_id, &secret).ok_or_else(|| failure("the secret can't be encrypted"))?;
    let values = (
        totp_secrets::secret.eq(&sealed),
        totp_secrets::last_step.eq(0),
        totp_secrets::created_at.eq(now),
        totp_secrets::session_id.eq(session_id),
    );
    diesel::insert_into(totp_secrets::table)
        .values((totp_secrets::user_id.eq(user_id), totp_secrets::is_confirmed.eq(false), values))
        .on_conflict((totp_secrets::user_id, totp_secrets::is_confirmed))
        .do_update()
        .set(values)
        .execute(connection)
        .await?;
    Ok(secret)
}

/// Whether a secret waits for its first code in this session.
pub(super) async fn is_waiting(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    setup: Setup<'_>,
) -> QueryResult<bool> {
    Ok(waiting(connection, now, setup).await?.is_some())
}

/// Accepts a code of the waiting secret, which then replaces the user's former app. Returns `false` for a wrong code.
pub(super) async fn confirm(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    user_id: i64,
    code: &str,
) -> QueryResult<bool> {
    if !accept(connection, now, key, (user_id, false), code).await? {
        return Ok(false);
    }
    diesel::delete(totp_secrets::table.find((user_id, true))).execute(connection).await?;
    let waiting = totp_secrets::table.find((user_id, false));
    let confirmed = diesel::update(waiting).set(totp_secrets::is_confirmed.eq(true)).execute(connection).await?;
    Ok(confirmed == 1)
}

/// Accepts a code of the user's app, once. Of two requests with one code, the second finds its step used.
pub(super) async fn check(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    user_id: i64,
    code: &str,
) -> QueryResult<bool> {
    accept(connection, now, key, (user_id, true), code).await
}

async fn accept(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    key: &FactorKey,
    (user_id, is_confirmed): (i64, bool),
    code: &str,
) -> QueryResult<bool> {
    let Some((sealed, last_step)) = stored(connection, user_id, is_confirmed).await? else { return Ok(false) };
    let Some(secret) = key.decrypt(user_id, &sealed) else {
        tracing::error!(user_id, "the secret of an authenticator app can't be decrypted: was SECRET_KEY changed?");
        return Ok(false);
    };
    let Some(app) = app(&secret, "-") else { return Ok(false) };
    let Some(step) = u64::try_from(now.timestamp()).ok().and_then(|seconds| app.check(code, seconds)) else {
        return Ok(false);
    };
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    if step <= last_step {
        return Ok(false);
    }
    let unused = totp_secrets::table.find((user_id, is_confirmed)).filter(totp_secrets::last_step.lt(step));
    Ok(diesel::update(unused).set(totp_secrets::last_step.eq(step)).execute(connection).await? == 1)
}

async fn stored(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    is_confirmed: bool,
) -> QueryResult<Option<(Vec<u8>, i64)>> {
    let row = totp_secrets::table.find((user_id, is_confirmed));
    row.select((totp_secrets::secret, totp_secrets::last_step)).first(connection).await.optional()
}

pub(super) async fn remove(connection: &mut AsyncPgConnection, user_id: i64) -> QueryResult<bool> {
    let theirs = totp_secrets::table.filter(totp_secrets::user_id.eq(user_id));
    let removed: Vec<bool> =
        diesel::delete(theirs).returning(totp_secrets::is_confirmed).get_results(connection).await?;
    Ok(removed.contains(&true))
}

/// The app's side of a secret. Colons separate the parts of its name, so an address must have none.
fn app(secret: &[u8], email: &str) -> Option<Totp> {
    Builder::new()
        .with_secret(Secret::from(secret.to_vec()))
        .with_skew(SKEW_STEPS)
        .with_issuer(Some(ISSUER))
        .with_account_name(email.replace(':', " "))
        .build()
        .ok()
}

fn in_groups(text: &str) -> String {
    let groups: Vec<String> = text.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into()).collect();
    groups.join(" ")
}

fn failure(what: &str) -> diesel::result::Error {
    diesel::result::Error::SerializationError(what.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret and times of RFC 6238, appendix B, of whose eight digits the last six count.
    #[test]
    fn codes_are_those_of_the_rfc_one_step_early_or_late() {
        let app = app(b"12345678901234567890", "jane@example.com").expect("a valid secret");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let step = seconds / 30;
            assert_eq!(app.check(code, seconds), Some(step), "{code}");
            assert_eq!(app.check(code, seconds + 30), Some(step), "one step late");
            assert_eq!(app.check(code, seconds - 30), Some(step), "one step early");
            assert_eq!(app.check(code, seconds + 60), None, "two steps late");
        }
        assert_eq!(in_groups("ABCDEFGHIJ"), "ABCD EFGH IJ");
    }

    #[test]
    fn the_url_names_product_and_login() {
        let app = app(b"12345678901234567890", "o'neil+x@example.com").expect("a valid secret");
        let url = app.to_url().expect("a URL");
        assert!(url.starts_with("otpauth://totp/PrimeTrade%20BOL%20portal:"), "{url}");
        assert!(url.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "{url}");
    }
}
