//! The number of BOLs of each company. Triggers keep it, so that no page of the list counts.
//!
//! A change adds rows to `bol_counts`, and the number is the sum of a company's rows. No writer waits for another one.
//! [`run`] replaces the rows of a company by their sum from time to time.

use std::time::Duration;

use diesel::dsl::sum;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::time::sleep;

use crate::db::schema::bol_counts;
use crate::db::{Database, DbResult};

const INTERVAL: Duration = Duration::from_secs(60);

/// Returns the number of BOLs of these companies together, or of all BOLs, assigned or not.
pub(super) async fn of(mut connection: &AsyncPgConnection, companies: Option<&[i64]>) -> QueryResult<i64> {
    let counted: Option<i64> = match companies {
        Some(ids) => {
            let rows = bol_counts::table.filter(bol_counts::customer_id.eq_any(ids));
            rows.select(sum(bol_counts::bols)).get_result(&mut connection).await?
        }
        None => {
            let rows = bol_counts::table.filter(bol_counts::customer_id.is_null());
            rows.select(sum(bol_counts::bols)).get_result(&mut connection).await?
        }
    };
    Ok(counted.unwrap_or_default())
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
