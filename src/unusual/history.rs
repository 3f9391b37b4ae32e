//! What a login usually does. Reads the events of single logins, by the index on their addresses.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Cidr, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;

use super::finding::Reason;
use super::tally::{Activity, Login};
use super::thresholds::Thresholds;
use crate::audit::Action;

/// The time whose hours with fetches say what is usual.
pub(super) const USUAL_TIME: TimeDelta = TimeDelta::days(28);
/// Fewer hours with fetches than this are no history.
pub(super) const MIN_USUAL_HOURS: i64 = 5;
/// Fewer documents than this are never more than usual: three after a quiet month are no alarm.
pub(super) const MIN_DOCUMENTS: i64 = 20;
/// How long a network stays known.
pub(super) const NETWORK_MEMORY: TimeDelta = TimeDelta::days(90);

#[derive(Clone, Copy, Debug, QueryableByName)]
struct Usual {
    #[diesel(sql_type = BigInt)]
    hours: i64,
    #[diesel(sql_type = BigInt)]
    documents: i64,
}

impl Usual {
    /// Compares a number of documents with the mean of the hours.
    fn compare(self, documents: i64, times: i64) -> Option<Reason> {
        let Self { hours, documents: total } = self;
        let is_more = hours >= MIN_USUAL_HOURS && documents.saturating_mul(hours) >= total.saturating_mul(times);
        is_more.then(|| Reason::MoreThanUsual { documents, usual: (total + hours / 2) / hours, hours, times })
    }
}

/// Returns whether the login fetched many times its usual number of documents in an hour.
pub(super) async fn more_than_usual(
    connection: &mut AsyncPgConnection,
    login: &Login,
    documents: i64,
    hour: DateTime<Utc>,
    thresholds: &Thresholds,
) -> QueryResult<Option<Reason>> {
    if documents < MIN_DOCUMENTS {
        return Ok(None);
    }
    // The fetch of a link belongs to the event that issued the link.
    let fetches = Action::DOWNLOADS.into_iter().filter(|action| *action != Action::LinkFetched).map(Action::as_str);
    let usual: Usual = diesel::sql_query(
        "SELECT count(*) AS hours, coalesce(sum(documents), 0)::bigint AS documents FROM ( \
             SELECT count(DISTINCT coalesce(document_id, -id)) AS documents FROM audit_events \
             WHERE lower(user_email) = $1 AND user_id = $2 AND occurred_at >= $3 AND occurred_at < $4 \
                 AND outcome = 'success' AND action = ANY ($5) \
             GROUP BY date_trunc('hour', occurred_at, 'UTC')) AS hours",
    )
    .bind::<Text, _>(&login.email)
    .bind::<BigInt, _>(login.id)
    .bind::<Timestamptz, _>(hour - USUAL_TIME)
    .bind::<Timestamptz, _>(hour)
    .bind::<Array<Text>, _>(fetches.collect::<Vec<_>>())
    .get_result(connection)
    .await?;
    Ok(usual.compare(documents, thresholds.unusual_times.into()))
}

#[derive(QueryableByName)]
struct NewNetwork {
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = Cidr)]
    network: IpNet,
}

/// Returns the networks of the hour that a login has not used before, by login. A login that has used none is new
/// itself.
///
/// ORDER BY and LIMIT have Postgres follow the index of each login from its newest event, and stop at the first match.
pub(super) async fn new_networks(
    connection: &mut AsyncPgConnection,
    hour: DateTime<Utc>,
    logins: &BTreeMap<Login, Activity>,
) -> QueryResult<BTreeMap<i64, Vec<IpNet>>> {
    let used: Vec<_> = logins
        .iter()
        .flat_map(|(login, activity)| activity.networks.iter().map(move |network| (login, *network)))
        .collect();
    let found: Vec<NewNetwork> = diesel::sql_query(
        "SELECT used.user_id, used.network FROM unnest($1, $2, $3) AS used (email, user_id, network) \
         LEFT JOIN LATERAL (SELECT true AS is_used FROM audit_events e WHERE lower(e.user_email) = used.email \
             AND e.user_id = used.user_id AND e.occurred_at >= $4 AND e.occurred_at < $5 AND e.outcome = 'success' \
             AND e.ip <<= used.network ORDER BY e.occurred_at DESC LIMIT 1) AS before ON true \
         LEFT JOIN LATERAL (SELECT true AS is_used FROM audit_events e WHERE lower(e.user_email) = used.email \
             AND e.user_id = used.user_id AND e.occurred_at >= $4 AND e.occurred_at < $5 AND e.outcome = 'success' \
             AND e.ip IS NOT NULL ORDER BY e.occurred_at DESC LIMIT 1) AS any_network ON true \
         WHERE before.is_used IS NULL AND any_network.is_used ORDER BY used.user_id, used.network",
    )
    .bind::<Array<Text>, _>(used.iter().map(|(login, _)| login.email.as_str()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(used.iter().map(|(login, _)| login.id).collect::<Vec<_>>())
    .bind::<Array<Cidr>, _>(used.iter().map(|(_, network)| *network).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(hour - NETWORK_MEMORY)
    .bind::<Timestamptz, _>(hour)
    .load(connection)
    .await?;
    let mut new: BTreeMap<i64, Vec<IpNet>> = BTreeMap::new();
    for NewNetwork { user_id, network } in found {
        new.entry(user_id).or_default().push(network);
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_is_the_mean_of_enough_hours() {
        let more = |hours, total, documents| Usual { hours, documents: total }.compare(documents, 10);
        // Five hours with 14 documents: 2.8 on average.
        assert_eq!(more(5, 14, 27), None);
        assert_eq!(more(5, 14, 28), Some(Reason::MoreThanUsual { documents: 28, usual: 3, hours: 5, times: 10 }));
        assert_eq!((more(4, 4, 1000), more(0, 0, 1000)), (None, None));
    }
}
