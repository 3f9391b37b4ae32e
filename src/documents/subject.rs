//! How the access log identifies a document.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::audit::{Action, Actor, Event, Origin, Outcome};
use crate::db::schema::{bols, customers, documents};

/// The fields of a document, its BOL and its customer that are copied into an event.
#[derive(Clone, Debug, Queryable)]
pub struct DocumentSubject {
    pub id: i64,
    pub kind: String,
    pub file_name: String,
    pub object_key: String,
    pub sha256: Vec<u8>,
    pub bol_id: Option<i64>,
    pub bol_number: Option<String>,
    pub customer_id: Option<i64>,
    pub customer_code: Option<String>,
}

impl DocumentSubject {
    pub async fn find(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Self> {
        documents::table
            .left_join(bols::table)
            .left_join(customers::table.on(documents::customer_id.eq(customers::id.nullable())))
            .filter(documents::id.eq(id))
            .select((
                documents::id,
                documents::kind,
                documents::file_name,
                documents::object_key,
                documents::sha256,
                documents::bol_id,
                bols::number.nullable(),
                documents::customer_id,
                customers::code.nullable(),
            ))
            .first(connection)
            .await
    }

    /// Returns an event with [`Outcome::Success`] about this document.
    pub fn event<'a>(&'a self, action: Action, actor: Actor<'a>, origin: &'a Origin) -> Event<'a> {
        let mut event = Event::new(action, Outcome::Success, actor, origin);
        (event.document_id, event.document_kind) = (Some(self.id), Some(self.kind.as_str()));
        (event.file_name, event.object_key) = (Some(self.file_name.as_str()), Some(self.object_key.as_str()));
        event.sha256 = Some(&self.sha256);
        (event.bol_id, event.bol_number) = (self.bol_id, self.bol_number.as_deref());
        (event.customer_id, event.customer_code) = (self.customer_id, self.customer_code.as_deref());
        event
    }
}
