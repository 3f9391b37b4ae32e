//! One BOL with its documents and its history. The transaction that reads it also records the view.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::{try_join, try_join5};

use super::access_record::{self, DocumentRef};
use super::document::{self, Document};
use super::history::{History, HistoryPage, history};
use super::lookup_limit;
use crate::accounts::Viewer;
use crate::audit::{Action, Event, Origin, Outcome};
use crate::bols::search::{Owner, Reader};
use crate::bols::{Bol, BolNumber};
use crate::db::schema::{bol_opens, bols, customers};
use crate::db::scope::{self, Scope};
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
    let condition = lookup_limit::condition(scope);
    scope::record_if(db, scope, condition.as_deref(), async |connection: &AsyncPgConnection| {
        let event = Event::new(Action::BolViewed, Outcome::Success, actor, origin);
        // The view comes last: it changes when the BOL was opened.
        let opened_then_viewed = try_join(
            opened_at(connection, reader, number),
            access_record::record_view(&event, number.as_str(), scope.companies(), connection),
        );
        let viewed = try_join5(
            by_number(connection, scope, number),
            document::of_bol(connection, scope, number),
            async {
                match page {
                    Some(page) => history(connection, scope, number, page).await,
                    None => Ok(History::default()),
                }
            },
            related_bols(connection, scope, number),
            opened_then_viewed,
        );
        match viewed.await? {
            (Some((bol, owner)), documents, history, related, (opened_at, true)) => {
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

/// Returns when the reader opened the BOL last.
async fn opened_at(
    mut connection: &AsyncPgConnection,
    reader: Option<Reader>,
    number: &BolNumber,
) -> QueryResult<Option<DateTime<Utc>>> {
    let Some(reader) = reader else { return Ok(None) };
    bol_opens::table
        .inner_join(bols::table.on(bols::id.eq(bol_opens::bol_id)))
        .filter(bol_opens::user_id.eq(reader.user_id))
        .filter(bols::number.eq(number.as_str()))
        .select(bol_opens::opened_at)
        .first(&mut connection)
        .await
        .optional()
}

async fn by_number(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
) -> QueryResult<Option<(Bol, Option<Owner>)>> {
    let mut query = bols::table
        .left_join(customers::table)
        .filter(bols::number.eq(number.as_str()))
        .select((Bol::as_select(), (customers::code, customers::name).nullable()))
        .into_boxed();
    if let Some(companies) = scope.companies() {
        query = query.filter(bols::customer_id.eq_any(companies));
    }
    query.first(&mut connection).await.optional()
}

#[derive(QueryableByName)]
struct RelatedBol {
    #[diesel(sql_type = Text)]
    number: String,
    #[diesel(sql_type = Bool)]
    is_before: bool,
}

async fn related_bols(
    mut connection: &AsyncPgConnection,
    scope: &Scope,
    number: &BolNumber,
) -> QueryResult<RelatedBols> {
    let rows: Vec<RelatedBol> = diesel::sql_query(
        "SELECT other.number, other.id < this.id AS is_before \
         FROM bols this JOIN bols other ON other.id = this.reissue_of OR other.reissue_of = this.id \
         WHERE this.number = $1 AND ($2::bigint[] IS NULL OR this.customer_id = ANY ($2) AND other.customer_id = ANY ($2)) \
         ORDER BY other.id",
    )
    .bind::<Text, _>(number.as_str())
    .bind::<Nullable<Array<BigInt>>, _>(scope.companies())
    .load(&mut connection)
    .await?;
    let mut related = RelatedBols::default();
    for RelatedBol { number, is_before } in rows {
        *(if is_before { &mut related.before } else { &mut related.after }) = Some(number);
    }
    Ok(related)
}
