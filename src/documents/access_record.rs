//! Records each access to a BOL or a document.
//!
//! One statement selects the subject and inserts the event, so the log records what the same transaction saw. The
//! caller's scope is part of the query. A subject outside of it is not found, and the response doesn't reveal why.
//!
//! The statement also counts the rows that it stored. A trigger or a rule that swallows the event is a failure, not a
//! subject that doesn't exist.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::lifecycle::version;
use super::{Kind, lookup_limit};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::query_name::{RECORD_LINK, VIEW_BOL};
use crate::db::scope::Scope;

/// The maximum length of a text that is recorded because it isn't a BOL number, in characters.
const MAX_ASKED_CHARS: usize = 100;

/// How a request names a document: the current PDF of a BOL, by number or id, the current version of another kind, or
/// one version of any document.
#[derive(Clone, Copy, Debug)]
pub enum DocumentRef<'a> {
    BolNumber(&'a str),
    Current {
        number: &'a str,
        kind: Kind,
    },
    BolId(i64),
    Document(i64),
    /// The photo of this id, unless the document isn't one.
    Photo(i64),
}

/// Records the view of a BOL. Returns `false`, and writes nothing, if no such BOL is within the scope.
pub async fn record_view(
    event: &Event<'_>,
    number: &str,
    companies: Option<&[i64]>,
    mut connection: &AsyncPgConnection,
) -> QueryResult<bool> {
    let (found, written): (i64, i64) = InsertView { event, number, companies }.get_result(&mut connection).await?;
    if written == found { Ok(found == 1) } else { Err(audit::not_stored()) }
}

/// The document of a link that was recorded.
#[derive(Clone, Debug, Queryable)]
pub struct RecordedDocument {
    pub document_id: i64,
    pub object_key: String,
    pub file_name: String,
    pub size_bytes: i64,
    /// What it was made of: a photo, or a quarantined PDF.
    pub original_id: Option<i64>,
    pub bol_number: Option<String>,
}

/// Records an access to a stored document, and returns the document. Returns `None`, and writes nothing, if no such
/// document is within the scope.
pub async fn record_link(
    event: &Event<'_>,
    document: DocumentRef<'_>,
    companies: Option<&[i64]>,
    mut connection: &AsyncPgConnection,
) -> QueryResult<Option<RecordedDocument>> {
    let statement = InsertLink { event, document, companies };
    let found: Option<(RecordedDocument, i64)> = statement.get_result(&mut connection).await.optional()?;
    match found {
        Some((_, written)) if written != 1 => Err(audit::not_stored()),
        found => Ok(found.map(|(document, _)| document)),
    }
}

/// Records a request for something that doesn't exist or isn't within the scope, and counts it. The event doesn't reveal
/// which.
pub async fn deny(
    connection: &AsyncPgConnection,
    scope: &Scope,
    actor: Actor<'_>,
    origin: &Origin,
    document: DocumentRef<'_>,
) -> QueryResult<()> {
    let mut event = Event::new(Action::AccessDenied, Outcome::Denied, actor, origin);
    match document {
        DocumentRef::BolNumber(number) | DocumentRef::Current { number, .. } => event.bol_number = Some(number),
        DocumentRef::BolId(id) => event = event.detail(serde_json::json!({"bol_id": id})),
        DocumentRef::Document(id) | DocumentRef::Photo(id) => event.document_id = Some(id),
    }
    audit::record(connection, &event).await?;
    lookup_limit::count(connection, scope, actor, origin).await
}

/// Records a request for a BOL by a text that can't be a BOL number. The text is cut to [`MAX_ASKED_CHARS`].
pub async fn deny_text(
    connection: &AsyncPgConnection,
    actor: Actor<'_>,
    origin: &Origin,
    asked: &str,
) -> QueryResult<()> {
    let asked: String = asked.chars().filter(|c| !c.is_control()).take(MAX_ASKED_CHARS).collect();
    let event = Event::new(Action::AccessDenied, Outcome::Denied, actor, origin);
    audit::record(connection, &event.detail(serde_json::json!({"asked": asked}))).await
}

fn push_scope<'b>(out: &mut AstPass<'_, 'b, Pg>, companies: &'b Option<&[i64]>) -> QueryResult<()> {
    if let Some(companies) = companies {
        out.push_sql(" AND s.customer_id = ANY(");
        out.push_bind_param::<Array<BigInt>, _>(companies)?;
        out.push_sql(")");
    }
    Ok(())
}

struct InsertView<'a> {
    event: &'a Event<'a>,
    number: &'a str,
    companies: Option<&'a [i64]>,
}

impl QueryFragment<Pg> for InsertView<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(VIEW_BOL);
        out.push_sql(
            "WITH subject AS (SELECT s.customer_id, c.code, s.id, s.number FROM bols s \
             LEFT JOIN customers c ON c.id = s.customer_id WHERE s.number = ",
        );
        out.push_bind_param::<Text, _>(self.number)?;
        push_scope(&mut out, &self.companies)?;
        out.push_sql("), written AS (");
        let subject =
            [("customer_id", "customer_id"), ("customer_code", "code"), ("bol_id", "id"), ("bol_number", "number")];
        self.event.push_insert_select(&mut out, &subject)?;
        out.push_sql(
            " FROM subject RETURNING id) SELECT (SELECT count(*) FROM subject), (SELECT count(*) FROM written)",
        );
        Ok(())
    }
}

impl Query for InsertView<'_> {
    type SqlType = (BigInt, BigInt);
}

struct InsertLink<'a> {
    event: &'a Event<'a>,
    document: DocumentRef<'a>,
    companies: Option<&'a [i64]>,
}

impl QueryFragment<Pg> for InsertLink<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(RECORD_LINK);
        out.push_sql(
            "WITH subject AS (SELECT s.customer_id, c.code, s.bol_id, b.number, s.id, s.kind, s.file_name, s.object_key, s.sha256, \
             s.size_bytes, s.original_id FROM documents s LEFT JOIN bols b ON b.id = s.bol_id LEFT JOIN customers c ON c.id = s.customer_id \
             WHERE s.state = 'stored' AND ",
        );
        match &self.document {
            DocumentRef::BolNumber(number) => {
                out.push_sql("s.kind = 'bol' AND b.number = ");
                out.push_bind_param::<Text, _>(*number)?;
            }
            DocumentRef::Current { number, kind } => {
                out.push_sql("s.kind = ");
                out.push_bind_param::<Text, _>(kind.as_str())?;
                out.push_sql(" AND b.number = ");
                out.push_bind_param::<Text, _>(*number)?;
            }
            DocumentRef::BolId(id) => {
                out.push_sql("s.kind = 'bol' AND s.bol_id = ");
                out.push_bind_param::<BigInt, _>(id)?;
            }
            DocumentRef::Document(id) => {
                out.push_sql("s.id = ");
                out.push_bind_param::<BigInt, _>(id)?;
            }
            DocumentRef::Photo(id) => {
                out.push_sql("s.content_type <> 'application/pdf' AND s.id = ");
                out.push_bind_param::<BigInt, _>(id)?;
            }
        }
        push_scope(&mut out, &self.companies)?;
        out.push_sql(version::CURRENT);
        out.push_sql("), written AS (");
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
        out.push_sql(
            " FROM subject RETURNING id) \
             SELECT id, object_key, file_name, size_bytes, original_id, number, (SELECT count(*) FROM written) FROM subject",
        );
        Ok(())
    }
}

impl Query for InsertLink<'_> {
    type SqlType = ((BigInt, Text, Text, BigInt, Nullable<BigInt>, Nullable<Text>), BigInt);
}

// The SQL depends on the reference and the scope, so diesel caches the statement by its text.
impl QueryId for InsertView<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl QueryId for InsertLink<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
