//! Sends a daily email, at seven in the morning, to users who want one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::load::Load;
use super::{Fresh, news};
use crate::db::schema::users;
use crate::db::{AdvisoryLock, Database, DbResult, try_alone};
use crate::mail::EmailTemplate;
use crate::mail::outbox::{self, To};

/// Users in one transaction.
const AT_ONCE: i64 = 100;
/// More documents than a day has. The email names the first ones and counts the rest.
const MAX_DOCUMENTS: i64 = 20_000;

type Subscriber = (i64, String, String, DateTime<Utc>);

/// Sends some digests of what became visible up to that morning. Returns how many users were handled.
pub async fn digest(db: &Database, now: DateTime<Utc>, morning: DateTime<Utc>) -> DbResult<usize> {
    let mut handled = 0;
    loop {
        let some = some(db, now, morning).await?;
        handled += some;
        if some < AT_ONCE as usize {
            return Ok(handled);
        }
    }
}

async fn some(db: &Database, now: DateTime<Utc>, morning: DateTime<Utc>) -> DbResult<usize> {
    db.transaction(async |connection: &mut AsyncPgConnection| {
        if !try_alone(connection, AdvisoryLock::Notices).await? {
            return Ok(0);
        }
        let subscribers: Vec<Subscriber> = users::table
            .filter(users::notify.eq("daily"))
            .filter(users::active)
            .filter(users::role.eq("customer"))
            .filter(users::password_hash.is_not_null())
            .filter(users::told_until.lt(morning))
            .order(users::id)
            .limit(AT_ONCE)
            .select((users::id, users::email, users::name, users::told_until))
            .for_no_key_update()
            .load(connection)
            .await?;
        for (id, email, name, told_until) in &subscribers {
            let fresh = since(connection, *id, *told_until, morning).await?;
            let news = news(&fresh);
            if !news.is_empty() {
                let template = EmailTemplate::Documents { name: name.clone(), digest: true, news, has_login: true };
                outbox::post(connection, now, To::new(email, Some(*id)), &template).await?;
            }
            diesel::update(users::table.find(id)).set(users::told_until.eq(morning)).execute(connection).await?;
        }
        Ok(subscribers.len())
    })
    .await
}

/// Returns what became visible to a user's companies in that time, and still is.
async fn since(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<Vec<Fresh>> {
    diesel::sql_query(format!(
        "SELECT n.customer_id, c.name AS company, n.bol_id, b.number, b.voided_at IS NOT NULL AS is_void, n.kind, {} \
         FROM memberships m JOIN customers c ON c.id = m.customer_id AND c.active \
         JOIN notices n ON n.customer_id = m.customer_id AND n.visible_at > $2 AND n.visible_at <= $3 \
         JOIN bols b ON b.id = n.bol_id JOIN documents d ON d.id = n.document_id \
         WHERE m.user_id = $1 AND d.state = 'stored' AND d.bol_id = n.bol_id AND d.customer_id = n.customer_id \
         ORDER BY n.id LIMIT $4",
        Load::COLUMNS
    ))
    .bind::<BigInt, _>(user_id)
    .bind::<Timestamptz, _>(after)
    .bind::<Timestamptz, _>(until)
    .bind::<BigInt, _>(MAX_DOCUMENTS)
    .load(connection)
    .await
}
