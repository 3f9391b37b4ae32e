//! What is new to a user: BOLs that appeared or changed since the user last opened them.
//!
//! "New" begins at the user's first log-in, and again when the user marks all BOLs as read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::BolSummary;
use super::expression::expression;
use crate::accounts::Viewer;
use crate::bols::DocumentKind;
use crate::db::schema::{bol_opens, documents};
use crate::db::scope::Scope;

/// The user for whom a list tells what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    pub user_id: i64,
    /// BOLs that last changed before are not new.
    pub read_until: DateTime<Utc>,
}

/// What is new about a BOL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The kinds of the documents that are new. Empty if the BOL itself is new, or no document explains the change.
    pub documents: Vec<DocumentKind>,
}

/// Whether a BOL is new to the reader, as an expression. Without a reader, none is.
#[derive(Debug)]
pub(super) struct IsNew(pub Option<Reader>);

expression!(IsNew, diesel::sql_types::Bool);

impl QueryFragment<Pg> for IsNew {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(reader) = &self.0 else {
            out.push_sql("false");
            return Ok(());
        };
        out.push_sql("(bols.changed_at > ");
        out.push_bind_param::<Timestamptz, _>(&reader.read_until)?;
        out.push_sql(" AND NOT EXISTS (SELECT FROM bol_opens o WHERE o.user_id = ");
        out.push_bind_param::<BigInt, _>(&reader.user_id)?;
        out.push_sql(" AND o.bol_id = bols.id AND o.opened_at >= bols.changed_at))");
        Ok(())
    }
}

impl Reader {
    /// Returns the viewer as a reader; `None` for the terminal's own staff.
    pub fn of(viewer: &Viewer) -> Option<Self> {
        let reader = Self { user_id: viewer.user_id, read_until: viewer.read_until };
        (!viewer.can_see_all_customers()).then_some(reader)
    }

    /// Returns what is new about the new ones of these rows, by BOL. One more query, and only if a row is new.
    pub(super) async fn news(
        self,
        mut connection: &AsyncPgConnection,
        scope: &Scope,
        rows: &[(BolSummary, bool)],
    ) -> QueryResult<HashMap<i64, News>> {
        let ids: Vec<i64> = rows.iter().filter(|(_, is_new)| *is_new).map(|(row, _)| row.id).collect();
        let mut news: HashMap<i64, News> = ids.iter().map(|id| (*id, News::default())).collect();
        if ids.is_empty() {
            return Ok(news);
        }
        let mut query = documents::table
            .left_join(
                bol_opens::table
                    .on(bol_opens::bol_id.nullable().eq(documents::bol_id).and(bol_opens::user_id.eq(self.user_id))),
            )
            .filter(documents::bol_id.eq_any(ids))
            .filter(documents::state.eq("stored"))
            .filter(documents::stored_at.gt(self.read_until))
            .filter(
                bol_opens::opened_at.nullable().is_null().or(documents::stored_at.gt(bol_opens::opened_at.nullable())),
            )
            .select((documents::bol_id.assume_not_null(), documents::kind, bol_opens::opened_at.nullable().is_null()))
            .distinct()
            .into_boxed();
        if let Some(companies) = scope.companies() {
            query = query.filter(documents::customer_id.eq_any(companies));
        }
        let found: Vec<(i64, String, bool)> = query.load(&mut connection).await?;
        for kind in DocumentKind::ALL {
            for (id, _, _) in found.iter().filter(|(_, name, _)| name == kind.as_str()) {
                news.entry(*id).or_default().documents.push(kind);
            }
        }
        // The first PDF of a BOL that was never opened: all of the BOL is new.
        for (id, _, _) in found.iter().filter(|(_, name, never)| *never && name == DocumentKind::Bol.as_str()) {
            news.insert(*id, News::default());
        }
        Ok(news)
    }
}
