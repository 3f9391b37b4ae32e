//! The role that `serve` connects as: created by the owner, and a member of `portal_server`.

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use rand::TryRngCore as _;

use crate::config::DatabaseUrl;
use crate::db::migrations::{Failure, alone};

/// Iterations of PBKDF2, as Postgres uses them.
const ITERATIONS: std::num::NonZeroU32 = std::num::NonZeroU32::new(4096).expect("not zero");
const SALT_BYTES: usize = 16;

/// Creates the role of `server` if it is missing, with the password of the URL, and makes it a member of
/// `portal_server`. Returns the name if anything changed. Does nothing if both URLs name the same role.
pub(super) async fn admit(owner: &DatabaseUrl, server: &DatabaseUrl) -> Result<Option<String>, Failure> {
    let Some(name) = server.options().get_user() else { return Err("DATABASE_URL: names no user".into()) };
    if owner.options().get_user() == Some(name) {
        return Ok(None);
    }
    let mut connection = alone(owner).await?;
    let is_member = sql::<Bool>("EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = 'portal_server'::regrole AND m.member = to_regrole(quote_ident(")
        .bind::<Text, _>(name)
        .sql(")))");
    if diesel::select(is_member).get_result(&mut connection).await? {
        return Ok(None);
    }
    let password = server.options().get_password().map(verifier).transpose()?;
    // Postgres quotes the values. Another process may create the same role in another database of the cluster.
    let statement = sql::<Text>("(SELECT CASE WHEN to_regrole(quote_ident(t.name)) IS NULL THEN format('DO $admit$ BEGIN CREATE ROLE %I LOGIN%s; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $admit$; ', t.name, ' PASSWORD ' || quote_literal(t.password)) ELSE '' END \
         || format('GRANT portal_server TO %1$I; GRANT CONNECT ON DATABASE %2$I TO %1$I', t.name, current_database()) FROM (SELECT ")
        .bind::<Text, _>(name)
        .sql(" AS name, ")
        .bind::<Nullable<Text>, _>(password)
        .sql(" AS password) t)");
    let statement: String = diesel::select(statement).get_result(&mut connection).await?;
    connection.batch_execute(&statement).await.map_err(|error| {
        format!(
            "the role {name} of DATABASE_URL can't be set up ({error}). As a superuser, create it with LOGIN and a password, \
             and run: GRANT portal_server TO {name}"
        )
    })?;
    Ok(Some(name.to_owned()))
}

/// Returns the SCRAM verifier of a password ([RFC 5803](https://www.rfc-editor.org/rfc/rfc5803)), so that the password
/// appears in no log of the server.
fn verifier(password: &[u8]) -> Result<String, Failure> {
    if !password.is_ascii() {
        return Err("DATABASE_URL: use a password of ASCII characters, or create the role yourself".into());
    }
    let mut salt = [0; SALT_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut salt)?;
    Ok(verifier_with(password, &salt))
}

fn verifier_with(password: &[u8], salt: &[u8]) -> String {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, salt, password, &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored = digest::digest(&digest::SHA256, hmac::sign(&key, b"Client Key").as_ref());
    let server = hmac::sign(&key, b"Server Key");
    let [salt, stored, server] = [salt, stored.as_ref(), server.as_ref()].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Postgres 15 stored in `pg_authid` for the same password and salt.
    #[test]
    fn a_verifier_is_the_one_of_postgres() {
        let salt = STANDARD.decode("Z39Z+tqGb9Q3LzLwX/mkKQ==").expect("base64");
        assert_eq!(
            verifier_with(b"pig-iron", &salt),
            "SCRAM-SHA-256$4096:Z39Z+tqGb9Q3LzLwX/mkKQ==$4rQ8nQV0pss4lYZ7h28ut4kQ/8ZHcPLE7X/aErbLSso=:/wTRvFIWnGOpYSo8xiI6nMzxgm5OZNzDXUnkTAABYIU="
        );
    }
}
