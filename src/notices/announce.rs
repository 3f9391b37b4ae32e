//! Announces documents to recipients who want to know at once.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::load::Load;
use super::{Fresh, HOLD, ONCE_IN, Recipient, news, recipients};
use crate::db::schema::notices;
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};
use crate::mail::EmailTemplate;
use crate::mail::outbox::{self, To};

/// Documents announced in one transaction. The next check takes more.
const MAX_DOCUMENTS: i64 = 2000;

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    id: i64,
    /// Whether it is still stored with that BOL, and the BOL still belongs to that company.
    #[diesel(sql_type = Bool)]
    is_visible: bool,
    #[diesel(embed)]
    fresh: Fresh,
}

/// Announces waiting documents, and returns how many notes it handled.
pub async fn announce(db: &Database, now: DateTime<Utc>) -> DbResult<usize> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Notices).await? {
            return Ok(0);
        }
        let waiting = waiting(connection, now).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let ids = waiting.iter().map(|one| one.id);
        diesel::update(notices::table.filter(notices::id.eq_any(ids)))
            .set(notices::told_at.eq(now))
            .execute(connection)
            .await?;
        let fresh: Vec<Fresh> = waiting.iter().filter(|one| one.is_visible).map(|one| one.fresh.clone()).collect();
        send(connection, now, &fresh).await?;
        Ok(waiting.len())
    })
    .await
}

async fn waiting(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Waiting>> {
    diesel::sql_query(format!(
        "SELECT n.id, n.customer_id, c.name AS company, n.bol_id, b.number, b.voided_at IS NOT NULL AS is_void, n.kind, \
                (d.state = 'stored' AND d.bol_id IS NOT DISTINCT FROM n.bol_id \
                 AND d.customer_id IS NOT DISTINCT FROM n.customer_id AND c.active) AS is_visible, {} \
         FROM notices n JOIN bols b ON b.id = n.bol_id JOIN customers c ON c.id = n.customer_id JOIN documents d ON d.id = n.document_id \
         WHERE n.told_at IS NULL AND n.visible_at <= $1 ORDER BY n.id LIMIT $2",
        Load::COLUMNS
    ))
    .bind::<Timestamptz, _>(now - HOLD)
    .bind::<BigInt, _>(MAX_DOCUMENTS)
    .load(connection)
    .await
}

/// Sends one email to each recipient, whatever the number of companies.
async fn send(connection: &mut AsyncPgConnection, now: DateTime<Utc>, fresh: &[Fresh]) -> QueryResult<()> {
    let mut companies: Vec<i64> = fresh.iter().map(|one| one.customer_id).collect();
    companies.sort_unstable();
    companies.dedup();
    let mut people: BTreeMap<String, Vec<Recipient>> = BTreeMap::new();
    for recipient in recipients(connection, &companies, &["immediately"]).await? {
        people.entry(recipient.email.to_lowercase()).or_default().push(recipient);
    }
    for (address, subscriptions) in people {
        let theirs: Vec<&Fresh> = fresh
            .iter()
            .filter(|one| subscriptions.iter().any(|subscription| subscription.customer_id == one.customer_id))
            .collect();
        let unsent = claim_unsent(connection, now, &address, &theirs).await?;
        let items = theirs.into_iter().filter(|one| unsent.contains(&(one.bol_id, one.kind.clone())));
        let news = news(items);
        // A login before an address without one.
        let Some(person) = subscriptions
            .iter()
            .find(|subscription| subscription.user_id.is_some())
            .or(subscriptions.as_slice().first())
        else {
            continue;
        };
        if news.is_empty() {
            continue;
        }
        let has_login = person.user_id.is_some();
        let template = EmailTemplate::Documents { name: person.name.clone(), digest: false, news, has_login };
        outbox::post(connection, now, To::new(&person.email, person.user_id), &template).await?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Noted {
    #[diesel(sql_type = BigInt)]
    bol_id: i64,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// Returns the items that the address has not received recently, and notes them as sent.
async fn claim_unsent(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    address: &str,
    fresh: &[&Fresh],
) -> QueryResult<HashSet<(i64, String)>> {
    let mut pairs: Vec<(i64, &str)> = fresh.iter().map(|one| (one.bol_id, one.kind.as_str())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let (bols, kinds): (Vec<i64>, Vec<&str>) = pairs.into_iter().unzip();
    let noted: Vec<Noted> = diesel::sql_query(
        "INSERT INTO told (address, bol_id, kind, told_at) SELECT $1, pair.bol_id, pair.kind, $4 \
         FROM unnest($2, $3) AS pair (bol_id, kind) \
         ON CONFLICT (address, bol_id, kind) DO UPDATE SET told_at = excluded.told_at WHERE told.told_at <= $5 \
         RETURNING bol_id, kind",
    )
    .bind::<Text, _>(address)
    .bind::<Array<BigInt>, _>(bols)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - ONCE_IN)
    .load(connection)
    .await?;
    Ok(noted.into_iter().map(|one| (one.bol_id, one.kind)).collect())
}
