//! Fills the access log of the sample data with a year of events, if the log is empty.
//!
//! An event that is dated back counts as such in every verification, but only behind what is sealed already. In an empty
//! log nothing is, and the events are in the order of their dates. The role that serves may not set a date at all, so
//! only the owner of the log can do this. Each event says in its detail that it is a sample.

use diesel::QueryableByName;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Date, Jsonb};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};

use crate::samples::{SampleSet, first_day, history};

#[derive(QueryableByName)]
struct Possible {
    #[diesel(sql_type = Bool)]
    possible: bool,
}

const POSSIBLE: &str = "SELECT NOT EXISTS (SELECT FROM audit_events) AND NOT EXISTS (SELECT FROM audit_leaves) \
    AND has_column_privilege('audit_events', 'occurred_at', 'INSERT') AS possible";

/// Makes the partitions of these months.
const MONTHS: &str = "SELECT audit_prepare_months($1, 13)";

/// Sorted, so that the events get their numbers in the order of their dates.
const EVENTS: &str =
    "INSERT INTO audit_events (occurred_at, action, outcome, user_id, user_email, user_role, customer_id,
        customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256, ip, user_agent,
        request_id, detail)
    SELECT e.at, e.action, e.outcome, u.id, e.email, u.role, c.id, c.code, b.id, e.number, d.id, d.kind, d.file_name,
        d.object_key, d.sha256, e.ip, e.user_agent, 'sample-' || e.n, '{\"sample\": true}'::jsonb || e.detail
        || CASE WHEN e.action = 'LINK_FETCHED' THEN jsonb_build_object('bytes', d.size_bytes, 'size', d.size_bytes)
           ELSE '{}'::jsonb END
    FROM jsonb_to_recordset($1) AS e (n bigint, at timestamptz, action text, outcome text, email text, number text,
        file_name text, ip inet, user_agent text, detail jsonb)
    LEFT JOIN users u ON u.email = e.email
    LEFT JOIN bols b ON b.number = e.number AND e.outcome = 'success'
    LEFT JOIN customers c ON c.id = b.customer_id
    LEFT JOIN documents d ON d.bol_id = b.id AND d.file_name = e.file_name
    WHERE e.at < clock_timestamp() ORDER BY e.n";

/// Returns the number of events, or `None` if the log isn't empty or belongs to another role.
pub async fn insert(connection: &mut AsyncPgConnection, set: &SampleSet, prefix: &str) -> QueryResult<Option<usize>> {
    let Possible { possible } = diesel::sql_query(POSSIBLE).get_result(connection).await?;
    if !possible {
        return Ok(None);
    }
    diesel::sql_query(MONTHS).bind::<Date, _>(first_day()).execute(connection).await?;
    let events = history(set, prefix).into_iter().zip(0..).map(|(event, n)| {
        json!({
            "n": n, "at": event.at, "action": event.action, "outcome": event.outcome, "email": event.email,
            "number": event.number, "file_name": event.file_name, "ip": event.ip, "user_agent": event.user_agent,
            "detail": event.detail,
        })
    });
    let events = Value::Array(events.collect());
    diesel::sql_query(EVENTS).bind::<Jsonb, _>(events).execute(connection).await.map(Some)
}
