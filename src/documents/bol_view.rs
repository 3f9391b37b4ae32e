//! One BOL with its documents and its history. The transaction that reads it also records the view.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join4;

use super::access_record::{self, DocumentRef};
use super::document::{self, Document};
use super::history::{History, HistoryPage, history};
use super::lookup_limit;
use crate::accounts::Viewer;
use crate::audit::{Action, Event, Origin, Outcome};
use crate::bols::search::{Owner, Reader};
use crate::bols::{Bol, BolNumber};
use crate::db::fixed_sql::fixed_sql;
use crate::db::schema::{bols, customers};
use crate::db::scope::{self, PLANNED_ONCE, Scope};
use crate::db::{Database, DbResult};

pub struct Viewed {
    pub bol: Bol,
    pub documents: Vec<Document>,
    pub history: History,
    pub related: RelatedBols,
    /// The current owner.
    pub owner: Option<Owner>,
    /// Since when documents are new to the user: its last look at this BOL, or the time until which it has read all.
    /// `None` for the terminal's own staff, and if the whole BOL is new.
    pub new_since: Option<DateTime<Utc>>,
}

/// The BOLs within the scope that a reissue connects with this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelatedBols {
    /// The void BOL that this one replaces.
    pub before: Option<String>,
    /// The newest BOL that replaces this one.
    pub after: Option<String>,
}

/// Returns a BOL with its documents and a page of its history, if one is asked for, and records the view in the same
/// transaction.
///
/// Returns `None`, and records the refusal, if no such BOL is within the scope. Neither the response nor its timing
/// reveals whether another customer has a BOL with that number.
pub async fn view(
    db: &Database,
    viewer: &Viewer,
    origin: &Origin,
    number: &BolNumber,
    page: Option<HistoryPage>,
) -> DbResult<Option<Viewed>> {
    let (scope, actor, reader) = (&viewer.scope(), viewer.actor(), Reader::of(viewer));
    let condition = match lookup_limit::condition(scope) {
        Some(condition) => format!("{PLANNED_ONCE}; {condition}"),
        None => PLANNED_ONCE.to_owned(),
    };
    scope::record_if(db, scope, Some(&condition), async |connection: &AsyncPgConnection| {
        let event = Event::new(Action::BolViewed, Outcome::Success, actor, origin);
        let viewed = try_join4(
            by_number(connection, scope, number, reader),
            document::of_bol(connection, scope, number),
            async {
                match page {
                    Some(page) => history(connection, scope, number, page).await,
                    None => Ok(History::default()),
                }
            },
            // The view comes last: it changes when the BOL was opened.
            access_record::record_view(&event, number.as_str(), scope.companies(), connection),
        );
        match viewed.await? {
            (Some((bol, owner, before, after, opened_at)), documents, history, true) => {
                let related = RelatedBols { before, after };
                let since = reader.map(|reader| opened_at.map_or(reader.read_until, |at| at.max(reader.read_until)));
                // If every document is new, marks would say nothing.
                let is_old = |since: &DateTime<Utc>| documents.iter().any(|document| document.stored_at < Some(*since));
                let new_since = since.filter(is_old);
                Ok(Some(Viewed { bol, documents, history, related, owner, new_since }))
            }
            _ => {
                access_record::deny(connection, scope, actor, origin, DocumentRef::BolNumber(number.as_str())).await?;
                Ok(None)
            }
        }
    })
    .await
}

/// What one statement reads of a BOL: besides its own columns, the customer that has it now, the BOLs that a reissue
/// connects with it, and when the reader opened it last.
type Row = (Bol, Option<Owner>, Option<String>, Option<String>, Option<DateTime<Utc>>);

async fn by_number(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
    reader: Option<Reader>,
) -> QueryResult<Option<Row>> {
    let companies = scope.companies().map(<[i64]>::to_vec);
    let related = |begin: &'static str| {
        fixed_sql::<Nullable<Text>>(begin)
            .bind::<Nullable<Array<BigInt>>, _>(companies.clone())
            .sql("::bigint[] IS NULL OR other.customer_id = ANY (")
            .bind::<Nullable<Array<BigInt>>, _>(companies.clone())
            .sql(")) ORDER BY other.id DESC LIMIT 1)")
    };
    let before = related("(SELECT other.number FROM bols other WHERE other.id = bols.reissue_of AND (");
    let after = related("(SELECT other.number FROM bols other WHERE other.reissue_of = bols.id AND (");
    let opened = fixed_sql::<Nullable<Timestamptz>>("(SELECT o.opened_at FROM bol_opens o WHERE o.user_id = ")
        .bind::<Nullable<BigInt>, _>(reader.map(|reader| reader.user_id))
        .sql(" AND o.bol_id = bols.id)");
    let mut query = bols::table
        .left_join(customers::table)
        .filter(bols::number.eq(number.as_str()))
        .select((Bol::as_select(), (customers::code, customers::name).nullable(), before, after, opened))
        .into_boxed();
    if let Some(companies) = scope.companies() {
        query = query.filter(bols::customer_id.eq_any(companies));
    }
    query.first(&mut connection).await.optional()
}
