//! An event about a BOL or a document: selected and inserted in one statement, so that what the log says is what the
//! same transaction saw.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Inet, Jsonb, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::event::{Action, Actor, Event, Origin, Outcome};
use crate::db::schema::audit_events;

/// An event whose subject is looked up as it is written.
pub struct Access<'a> {
    event: Event<'a>,
    subject: Subject<'a>,
    companies: Option<&'a [i64]>,
}

enum Subject<'a> {
    Bol(&'a str),
    Document(i64),
}

impl<'a> Access<'a> {
    pub fn to_bol(event: Event<'a>, number: &'a str, companies: Option<&'a [i64]>) -> Self {
        Self { event, subject: Subject::Bol(number), companies }
    }

    pub fn to_document(event: Event<'a>, id: i64, companies: Option<&'a [i64]>) -> Self {
        Self { event, subject: Subject::Document(id), companies }
    }

    /// Writes the event; `false`: the subject isn't there or not within reach, and nothing was written.
    pub async fn record(self, mut connection: &AsyncPgConnection) -> QueryResult<bool> {
        self.execute(&mut connection).await.map(|written| written == 1)
    }
}

impl QueryFragment<Pg> for Access<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let event = &self.event;
        out.push_sql(
            "INSERT INTO audit_events (action, outcome, user_id, user_email, user_role, ip, user_agent, request_id, detail, \
             customer_id, customer_code, bol_id, bol_number, document_id, document_kind, file_name, object_key, sha256) SELECT ",
        );
        out.push_bind_param::<Text, _>(event.action)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(event.outcome)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&event.user_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(event.user_email)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&event.user_role)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Inet>, _>(&event.ip)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(event.user_agent)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(event.request_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Jsonb, _>(&event.detail)?;
        match &self.subject {
            Subject::Bol(number) => {
                out.push_sql(
                    ", s.customer_id, c.code, s.id, s.number, NULL, NULL, NULL, NULL, NULL \
                     FROM bols s LEFT JOIN customers c ON c.id = s.customer_id WHERE s.number = ",
                );
                out.push_bind_param::<Text, _>(*number)?;
            }
            Subject::Document(id) => {
                out.push_sql(
                    ", s.customer_id, c.code, b.id, b.number, s.id, s.kind, s.file_name, s.object_key, s.sha256 \
                     FROM documents s LEFT JOIN bols b ON b.id = s.bol_id LEFT JOIN customers c ON c.id = s.customer_id \
                     WHERE s.state = 'stored' AND s.id = ",
                );
                out.push_bind_param::<BigInt, _>(id)?;
            }
        }
        if let Some(companies) = &self.companies {
            out.push_sql(" AND s.customer_id = ANY(");
            out.push_bind_param::<Array<BigInt>, _>(companies)?;
            out.push_sql(")");
        }
        Ok(())
    }
}

/// Its text depends on the subject, so the statement cache has to go by the text.
impl QueryId for Access<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// What somebody asked for in vain, as they named it.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Number(&'a str),
    BolId(i64),
    Document(i64),
}

/// Records that something was asked for that isn't there, or isn't this person's: the log can't tell either.
pub async fn deny(
    mut connection: &AsyncPgConnection,
    actor: Actor<'_>,
    origin: &Origin,
    asked: Asked<'_>,
) -> QueryResult<()> {
    let mut event = Event::new(Action::AccessDenied, Outcome::Denied, actor, origin);
    match asked {
        Asked::Number(number) => event.bol_number = Some(number),
        Asked::BolId(id) => event.detail = serde_json::json!({"bol_id": id}),
        Asked::Document(id) => event.document_id = Some(id),
    }
    diesel::insert_into(audit_events::table).values(&event).execute(&mut connection).await.map(drop)
}
