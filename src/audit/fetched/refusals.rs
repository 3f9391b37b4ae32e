//! Refused links: the log takes one refusal of a link a minute, on whichever instance it is refused.
//!
//! Anyone who holds an expired link can repeat it at any rate, and each event would name the user of the link.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bytea, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Fetch, Tally, record};
use crate::db::schema::link_refusals;
use crate::db::{Database, DbResult};

/// The time in which further refusals of the same link are not recorded.
pub const REFUSAL_INTERVAL: TimeDelta = TimeDelta::seconds(60);
const KEPT: TimeDelta = TimeDelta::days(1);

/// A request with a link that was answered with an error.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// SHA-256 of the link and the status.
    pub id: [u8; 32],
    pub fetch: Fetch,
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = Bytea)]
    refusal: Vec<u8>,
}

/// Records those refusals that no instance has recorded within [`REFUSAL_INTERVAL`]. Each id occurs once.
pub async fn record_refusals(db: &Database, refusals: &[Refusal], now: DateTime<Utc>) -> DbResult<Tally> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let claimed = claim(connection, refusals, now).await?;
        let is_new = |refusal: &&Refusal| claimed.iter().any(|claimed| claimed.refusal == refusal.id);
        let fetches: Vec<Fetch> = refusals.iter().filter(is_new).map(|refusal| refusal.fetch.clone()).collect();
        Ok(record(connection, &fetches).await?)
    })
    .await
}

async fn claim(
    connection: &mut AsyncPgConnection,
    refusals: &[Refusal],
    now: DateTime<Utc>,
) -> QueryResult<Vec<Claimed>> {
    use link_refusals::{recorded_at, table};
    diesel::delete(table.filter(recorded_at.lt(now - KEPT))).execute(connection).await?;
    let ids: Vec<&[u8]> = refusals.iter().map(|refusal| refusal.id.as_slice()).collect();
    // In the order of the key, so that two instances never deadlock.
    diesel::sql_query(
        "INSERT INTO link_refusals (refusal, recorded_at) SELECT id, $2 FROM unnest($1) AS id ORDER BY id \
         ON CONFLICT (refusal) DO UPDATE SET recorded_at = excluded.recorded_at WHERE link_refusals.recorded_at <= $3 \
         RETURNING refusal",
    )
    .bind::<Array<Bytea>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - REFUSAL_INTERVAL)
    .load(connection)
    .await
}
