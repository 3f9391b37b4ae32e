//! BOLs whose PDF no user of their customer has fetched.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Timestamptz;

use super::expression::expression;

/// When BOLs became visible to their customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisibleBetween {
    pub after: DateTime<Utc>,
    /// Included.
    pub until: DateTime<Utc>,
}

/// Whether a BOL of an active customer became visible then and was never fetched, as an expression. The dashboard counts
/// the same BOLs (`notices::reminder`).
#[derive(Debug)]
pub(super) struct IsUnfetched(pub Option<VisibleBetween>);

expression!(IsUnfetched, diesel::sql_types::Bool);

impl QueryFragment<Pg> for IsUnfetched {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some(visible) = &self.0 else {
            out.push_sql("false");
            return Ok(());
        };
        out.push_sql("(bols.voided_at IS NULL AND bols.document_kinds @> '{bol}' AND bols.visible_since > ");
        out.push_bind_param::<Timestamptz, _>(&visible.after)?;
        out.push_sql(" AND bols.visible_since <= ");
        out.push_bind_param::<Timestamptz, _>(&visible.until)?;
        out.push_sql(
            " AND EXISTS (SELECT FROM customers c WHERE c.id = bols.customer_id AND c.active) \
             AND NOT EXISTS (SELECT FROM bol_opens o WHERE o.bol_id = bols.id AND o.fetched_for = bols.customer_id))",
        );
        Ok(())
    }
}
