//! Logins that the issuer has not answered yet: one row each, used once, within ten minutes, by the browser that began.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::accounts::Token;
use crate::accounts::throttle::network;
use crate::db::schema::sso_logins;

/// How long a login at the issuer may take.
pub const LIFE: TimeDelta = TimeDelta::minutes(10);

/// Open logins of one network, which may be that of a whole company.
const MAX_OF_NETWORK: i64 = 200;

/// A login that has just begun, as the issuer gets to know it.
pub struct Begun {
    pub state: Token,
    pub nonce: String,
    /// The S256 challenge of the secret that only this portal knows (PKCE, RFC 7636).
    pub challenge: String,
}

/// What was kept while the user was at the issuer.
#[derive(Debug)]
pub struct Running {
    pub nonce: String,
    pub verifier: String,
    /// The logged-in user who confirms who they are. `None`: a login.
    pub confirms: Option<i64>,
    /// The page after the login.
    pub next: String,
    pub created_at: DateTime<Utc>,
}

/// Why an answer belongs to no running login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFault {
    /// Never begun, or answered before.
    Unknown,
    Expired,
    /// Another browser began it (login CSRF).
    OtherBrowser,
}

#[derive(Insertable)]
#[diesel(table_name = sso_logins)]
struct NewLogin<'a> {
    state_hash: Vec<u8>,
    browser_hash: Vec<u8>,
    nonce: &'a str,
    verifier: &'a str,
    confirms: Option<i64>,
    next: &'a str,
    created_at: DateTime<Utc>,
    network: Option<IpNet>,
}

/// Stores a login that begins. `None`: too many of this network are open.
pub async fn begin(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    browser: &Token,
    (next, confirms, address): (&str, Option<i64>, Option<IpAddr>),
) -> QueryResult<Option<Begun>> {
    let abandoned = sso_logins::table.filter(sso_logins::created_at.le(now - LIFE));
    diesel::delete(abandoned).execute(connection).await?;
    let network = address.map(network).map(IpNet::from);
    let open = sso_logins::table.filter(sso_logins::network.is_not_distinct_from(network));
    if open.count().get_result::<i64>(connection).await? >= MAX_OF_NETWORK {
        return Ok(None);
    }
    let (state, nonce, verifier) = (Token::generate()?, Token::generate()?, Token::generate()?);
    let row = NewLogin {
        state_hash: state.hash(),
        browser_hash: browser.hash(),
        nonce: nonce.as_str(),
        verifier: verifier.as_str(),
        confirms,
        next,
        created_at: now,
        network,
    };
    diesel::insert_into(sso_logins::table).values(row).execute(connection).await?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_str()));
    Ok(Some(Begun { state, nonce: nonce.as_str().to_owned(), challenge }))
}

/// Removes the login that an answer belongs to, and returns what was kept. Of two equal answers, one finds it.
pub async fn take(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    state: &Token,
    browser: Option<&Token>,
) -> QueryResult<Result<Running, StateFault>> {
    type Row = (Vec<u8>, String, String, Option<i64>, String, DateTime<Utc>);
    let row: Option<Row> = diesel::delete(sso_logins::table.find(state.hash()))
        .returning((
            sso_logins::browser_hash,
            sso_logins::nonce,
            sso_logins::verifier,
            sso_logins::confirms,
            sso_logins::next,
            sso_logins::created_at,
        ))
        .get_result(connection)
        .await
        .optional()?;
    let Some((browser_hash, nonce, verifier, confirms, next, created_at)) = row else {
        return Ok(Err(StateFault::Unknown));
    };
    if browser.is_none_or(|browser| browser.hash() != browser_hash) {
        return Ok(Err(StateFault::OtherBrowser));
    }
    if created_at <= now - LIFE {
        return Ok(Err(StateFault::Expired));
    }
    Ok(Ok(Running { nonce, verifier, confirms, next, created_at }))
}
