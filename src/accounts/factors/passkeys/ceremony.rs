//! Challenges that wait for their answer: in Postgres, once, for two minutes, bound to a session or to a browser.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::accounts::Token;
use crate::accounts::throttle::network;
use crate::db::schema::passkey_ceremonies as table;

pub const LIFE: TimeDelta = TimeDelta::minutes(2);
/// Open challenges of one session. A page in each of ten tabs is enough for anyone.
const MAX_OF_SESSION: i64 = 10;
/// Open challenges of one address, which may be that of a whole company with login pages open all day.
const MAX_OF_NETWORK: i64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Register,
    Login,
    /// The second factor of a session that waits for it.
    Factor,
    /// A fresh proof of a logged-in user.
    Confirm,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::Factor => "factor",
            Self::Confirm => "confirm",
        }
    }
}

/// Who may answer.
#[derive(Clone, Copy)]
pub enum Holder<'a> {
    Session(i64),
    /// Before the login: the token in the browser's cookie, and the address that asks.
    Browser(&'a Token, Option<IpAddr>),
}

impl Holder<'_> {
    fn session(self) -> Option<i64> {
        match self {
            Self::Session(id) => Some(id),
            Self::Browser(..) => None,
        }
    }

    fn browser(self) -> Option<Vec<u8>> {
        match self {
            Self::Session(_) => None,
            Self::Browser(token, _) => Some(token.hash()),
        }
    }

    fn network(self) -> Option<IpNet> {
        match self {
            Self::Session(_) => None,
            Self::Browser(_, address) => address.map(network).map(IpNet::from),
        }
    }
}

/// Stores the state of a ceremony, and returns its id. `None`: too many are open. Deletes those that have expired, so the
/// table needs no job.
pub(super) async fn begin(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    (purpose, holder): (Purpose, Holder<'_>),
    state: &impl Serialize,
) -> QueryResult<Option<Token>> {
    diesel::delete(table::table.filter(table::expires_at.le(now))).execute(connection).await?;
    let open = table::table
        .filter(table::session_id.is_not_distinct_from(holder.session()))
        .filter(table::network.is_not_distinct_from(holder.network()));
    let most = if holder.session().is_some() { MAX_OF_SESSION } else { MAX_OF_NETWORK };
    if open.count().get_result::<i64>(connection).await? >= most {
        return Ok(None);
    }
    let id = Token::generate()?;
    let state = serde_json::to_value(state).map_err(|error| Error::SerializationError(Box::new(error)))?;
    let row = (
        table::id_hash.eq(id.hash()),
        table::purpose.eq(purpose.as_str()),
        table::session_id.eq(holder.session()),
        table::browser_hash.eq(holder.browser()),
        table::network.eq(holder.network()),
        table::state.eq(state),
        table::expires_at.eq(now + LIFE),
    );
    diesel::insert_into(table::table).values(row).execute(connection).await?;
    Ok(Some(id))
}

type Error = diesel::result::Error;

/// Uses a ceremony up, and returns its state. `None` if it has expired, was used, or belongs to someone else.
///
/// Of two requests with one id, the second finds none. Not in the transaction of the login: an answer that is refused has
/// used its challenge too.
pub(super) async fn take<S: DeserializeOwned>(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    (purpose, holder): (Purpose, Holder<'_>),
    id: &Token,
) -> QueryResult<Option<S>> {
    let theirs = table::table
        .find(id.hash())
        .filter(table::purpose.eq(purpose.as_str()))
        .filter(table::session_id.is_not_distinct_from(holder.session()))
        .filter(table::browser_hash.is_not_distinct_from(holder.browser()))
        .filter(table::expires_at.gt(now));
    let state: Option<serde_json::Value> =
        diesel::delete(theirs).returning(table::state).get_result(connection).await.optional()?;
    state.map(serde_json::from_value).transpose().map_err(|error| Error::DeserializationError(Box::new(error)))
}
