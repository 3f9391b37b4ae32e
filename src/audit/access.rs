//! An event about a BOL or a document: its subject is selected and the event inserted in one statement, so that what the
//! log says is what the same transaction saw.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::event::{Action, Actor, Event, Origin, Outcome, record};

/// What somebody asks for, as they name it: the current PDF of a BOL, by its number or its id, or a document.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Number(&'a str),
    BolId(i64),
    Document(i64),
}

/// Records that a BOL was looked at; `false`: it isn't there or not within reach, and nothing was written.
pub async fn record_view(
    event: &Event<'_>,
    number: &str,
    companies: Option<&[i64]>,
    mut connection: &AsyncPgConnection,
) -> QueryResult<bool> {
    View { event, number, companies }.execute(&mut connection).await.map(|written| written == 1)
}

/// The document of which a link is to be issued.
#[derive(Clone, Debug, Queryable)]
pub struct Recorded {
    pub document_id: i64,
    pub object_key: String,
    pub file_name: String,
    pub size_bytes: i64,
    pub bol_number: Option<String>,
}

/// Records that a link to a stored document is issued, and gives the document; `None`: it isn't there or not within
/// reach, and nothing was written.
pub async fn record_link(
    event: &Event<'_>,
    asked: Asked<'_>,
    companies: Option<&[i64]>,
    mut connection: &AsyncPgConnection,
) -> QueryResult<Option<Recorded>> {
    Link { event, asked, companies }.get_result(&mut connection).await.optional()
}

/// Records that something was asked for that isn't there, or isn't this person's: the log can't tell either.
pub async fn deny(
    connection: &AsyncPgConnection,
    actor: Actor<'_>,
    origin: &Origin,
    asked: Asked<'_>,
) -> QueryResult<()> {
    let mut event = Event::new(Action::AccessDenied, Outcome::Denied, actor, origin);
    match asked {
        Asked::Number(number) => event.bol_number = Some(number),
        Asked::BolId(id) => event = event.detail(serde_json::json!({"bol_id": id})),
        Asked::Document(id) => event.document_id = Some(id),
    }
    record(connection, &event).await
}

fn push_companies<'b>(out: &mut AstPass<'_, 'b, Pg>, companies: &'b Option<&[i64]>) -> QueryResult<()> {
    if let Some(companies) = companies {
        out.push_sql(" AND s.customer_id = ANY(");
        out.push_bind_param::<Array<BigInt>, _>(companies)?;
        out.push_sql(")");
    }
    Ok(())
}

struct View<'a> {
    event: &'a Event<'a>,
    number: &'a str,
    companies: Option<&'a [i64]>,
}

impl QueryFragment<Pg> for View<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let subject = [
            ("customer_id", "s.customer_id"),
            ("customer_code", "c.code"),
            ("bol_id", "s.id"),
            ("bol_number", "s.number"),
        ];
        self.event.push_insert_select(&mut out, &subject)?;
        out.push_sql(" FROM bols s LEFT JOIN customers c ON c.id = s.customer_id WHERE s.number = ");
        out.push_bind_param::<Text, _>(self.number)?;
        push_companies(&mut out, &self.companies)
    }
}

struct Link<'a> {
    event: &'a Event<'a>,
    asked: Asked<'a>,
    companies: Option<&'a [i64]>,
}

impl QueryFragment<Pg> for Link<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH subject AS (SELECT s.customer_id, c.code, s.bol_id, b.number, s.id, s.kind, s.file_name, s.object_key, s.sha256, \
             s.size_bytes FROM documents s LEFT JOIN bols b ON b.id = s.bol_id LEFT JOIN customers c ON c.id = s.customer_id \
             WHERE s.state = 'stored' AND ",
        );
        match &self.asked {
            Asked::Number(number) => {
                out.push_sql("s.kind = 'bol' AND b.number = ");
                out.push_bind_param::<Text, _>(*number)?;
            }
            Asked::BolId(id) => {
                out.push_sql("s.kind = 'bol' AND s.bol_id = ");
                out.push_bind_param::<BigInt, _>(id)?;
            }
            Asked::Document(id) => {
                out.push_sql("s.id = ");
                out.push_bind_param::<BigInt, _>(id)?;
            }
        }
        push_companies(&mut out, &self.companies)?;
        out.push_sql(" ORDER BY s.version DESC LIMIT 1), written AS (");
        let subject = [
            ("customer_id", "customer_id"),
            ("customer_code", "code"),
            ("bol_id", "bol_id"),
            ("bol_number", "number"),
            ("document_id", "id"),
            ("document_kind", "kind"),
            ("file_name", "file_name"),
            ("object_key", "object_key"),
            ("sha256", "sha256"),
        ];
        self.event.push_insert_select(&mut out, &subject)?;
        out.push_sql(" FROM subject) SELECT id, object_key, file_name, size_bytes, number FROM subject");
        Ok(())
    }
}

impl Query for Link<'_> {
    type SqlType = (BigInt, Text, Text, BigInt, Nullable<Text>);
}

/// Their text depends on what is asked for, so the statement cache has to go by the text.
impl QueryId for View<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryId for Link<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
