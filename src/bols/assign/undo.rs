//! Takes an assignment back: each BOL returns to its former customer, or to none.
//!
//! The access log says what one request of a user has assigned, so neither an address nor a form can name other BOLs.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Assignment, Chosen, locked, record};
use crate::accounts::ActingUser;
use crate::accounts::customers::{self, Customer};
use crate::audit::{Action, Outcome};
use crate::db::DbResult;
use crate::db::schema::{audit_events, bols, customers as table};

/// How long an assignment can be taken back.
pub const UNDO_PERIOD: TimeDelta = TimeDelta::hours(1);

/// A BOL that a request has assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub bol_id: i64,
    /// The code of its former customer.
    pub former: Option<String>,
    /// The code of its customer since then.
    pub receiver: String,
}

/// What taking an assignment back has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The numbers of the BOLs that returned, ordered.
    pub numbers: Vec<String>,
    /// How many BOLs stayed, because they were assigned again in the meantime.
    pub kept: usize,
}

/// Returns the BOLs that this request of the user has assigned within [`UNDO_PERIOD`].
async fn assigned(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    request_id: &str,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Assigned>> {
    // Other texts name no request, and Postgres can't read some of them.
    if !request_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(Vec::new());
    }
    let events: Vec<(Option<i64>, Option<String>, serde_json::Value)> = audit_events::table
        .filter(audit_events::action.eq(Action::BolAssigned.as_str()))
        .filter(audit_events::outcome.eq(Outcome::Success.as_str()))
        .filter(audit_events::occurred_at.gt(now - UNDO_PERIOD))
        .filter(audit_events::user_id.eq(user_id))
        .filter(audit_events::request_id.eq(request_id))
        .order(audit_events::bol_id)
        .select((audit_events::bol_id, audit_events::customer_code, audit_events::detail))
        .load(connection)
        .await?;
    // The former customer of each BOL has an event too.
    let assigned = events.into_iter().filter_map(|(bol_id, customer, detail)| {
        let code = |name: &str| detail[name].as_str().map(str::to_owned);
        let receiver = code("to").filter(|receiver| customer.as_ref() == Some(receiver))?;
        let is_undo = detail["undo"] == true;
        (!is_undo).then_some(Assigned { bol_id: bol_id?, former: code("from"), receiver })
    });
    Ok(assigned.collect())
}

/// Returns the numbers of the BOLs that can be taken back, ordered, and the name of their customer.
pub async fn offer(
    connection: &mut AsyncPgConnection,
    user_id: i64,
    request_id: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<(Vec<String>, String)>> {
    let assigned = assigned(connection, user_id, request_id, now).await?;
    let Some(receiver) = assigned.as_slice().first().map(|bol| bol.receiver.clone()) else { return Ok(None) };
    let rows: Vec<(String, String)> = bols::table
        .inner_join(table::table)
        .filter(bols::id.eq_any(assigned.iter().map(|bol| bol.bol_id)))
        .filter(table::code.eq(receiver))
        .order((bols::number_year, bols::number_seq))
        .select((bols::number, table::name))
        .load(connection)
        .await?;
    let Some(name) = rows.as_slice().first().map(|(_, name)| name.clone()) else { return Ok(None) };
    Ok(Some((rows.into_iter().map(|(number, _)| number).collect(), name)))
}

/// Takes back what this request of the user has assigned. BOLs that were assigned again in the meantime stay.
pub async fn undo(user: &ActingUser<'_>, request_id: &str) -> DbResult<Undone> {
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let assigned = assigned(connection, user.viewer.user_id, request_id, user.clock.now()).await?;
            let ids: Vec<i64> = assigned.iter().map(|bol| bol.bol_id).collect();
            let found = locked(connection, &ids).await?;
            let codes: Vec<String> = assigned.iter().filter_map(|bol| bol.former.clone()).collect();
            let former = customers::with_codes(connection, &codes).await?;
            let mut undone = Undone::default();
            for bol in &found {
                let Some(before) = assigned.iter().find(|before| before.bol_id == bol.id) else { continue };
                if bol.owner_code.as_ref() != Some(&before.receiver) {
                    undone.kept += 1;
                    continue;
                }
                let former = former.iter().find(|customer| Some(&customer.code) == before.former.as_ref());
                give_back(connection, bol, former, user).await?;
                undone.numbers.push(bol.number.clone());
            }
            Ok(undone)
        })
        .await
}

async fn give_back(
    connection: &mut AsyncPgConnection,
    bol: &Chosen,
    former: Option<&Customer>,
    user: &ActingUser<'_>,
) -> QueryResult<()> {
    diesel::update(bols::table.find(bol.id))
        .set(bols::customer_id.eq(former.map(|customer| customer.id)))
        .execute(connection)
        .await?;
    let assignment = Assignment { bol, receiver: former, is_undo: true };
    record(connection, &assignment, user.actor(), user.origin).await
}
