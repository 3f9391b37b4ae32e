//! The number of BOLs of each company. Triggers keep it, so that no page of the list counts.
//!
//! A change adds rows to `bol_counts`, and the number is the sum of a company's rows. No writer waits for another one.
//! [`run`] replaces the rows of a company by their sum from time to time.

use std::time::Duration;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

use crate::db::query_name::COUNT_BOLS;
use crate::db::{Database, DbResult};

const INTERVAL: Duration = Duration::from_secs(60);

/// Returns the number of BOLs of these companies together, or of all BOLs, assigned or not.
pub(super) async fn of(mut connection: &AsyncPgConnection, companies: Option<&[i64]>) -> QueryResult<i64> {
    let counted: Option<i64> = Kept(companies).get_result(&mut connection).await?;
    Ok(counted.unwrap_or_default())
}

/// The sum of the rows of these companies, or of all BOLs.
struct Kept<'a>(Option<&'a [i64]>);

impl QueryFragment<Pg> for Kept<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(COUNT_BOLS);
        push_sum(&mut out, &self.0)
    }
}

/// Writes a query of the number of BOLs of these companies, or of all. It has one row, with NULL for 0.
pub(super) fn push_sum<'b>(out: &mut AstPass<'_, 'b, Pg>, companies: &'b Option<&[i64]>) -> QueryResult<()> {
    out.push_sql("SELECT sum(bols) FROM bol_counts WHERE customer_id ");
    let Some(companies) = companies else {
        out.push_sql("IS NULL");
        return Ok(());
    };
    out.push_sql("= ANY (");
    out.push_bind_param::<Array<BigInt>, _>(companies)?;
    out.push_sql(")");
    Ok(())
}

impl Query for Kept<'_> {
    type SqlType = Nullable<BigInt>;
}

impl QueryId for Kept<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Adds up the rows of each company until the future is dropped.
pub async fn run(db: Database) {
    loop {
        sleep(INTERVAL).await;
        if let Err(error) = add_up(&db).await {
            tracing::warn!(%error, "can't add up the numbers of BOLs");
        }
    }
}

/// Replaces the rows of each company by one. Two processes may do it at once: each adds up the rows that it removed.
pub async fn add_up(db: &Database) -> DbResult<usize> {
    let query = diesel::sql_query(
        "WITH several AS (SELECT customer_id FROM bol_counts GROUP BY customer_id HAVING count(*) > 1 LIMIT 1000), \
         removed AS (DELETE FROM bol_counts c USING several s WHERE c.customer_id IS NOT DISTINCT FROM s.customer_id \
                     RETURNING c.customer_id, c.bols) \
         INSERT INTO bol_counts (customer_id, bols) SELECT customer_id, sum(bols) FROM removed GROUP BY customer_id",
    );
    Ok(query.execute(&mut *db.get().await?).await?)
}
