//! Finds the few BOLs that fit among very many.
//!
//! Row security keeps Postgres from using the index on text in a customer's transaction: `LIKE` might reveal rows that
//! the policy hides, so it sees only rows that the policy has let pass, one by one. The function `portal_matching` runs
//! as the owner and reads the index, within the companies that the transaction's signed scope names and no others. It
//! returns ids, and row security applies when the page reads these BOLs.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::condition::{Indexed, Needles};
use super::list::List;
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbResult};

/// More candidates than this are as good as none: reading them costs more than reading the list.
const MAX_CANDIDATES: usize = 2_000;
/// How long each statement may take that looks for candidates.
const TIMEOUT: Duration = Duration::from_millis(200);

#[derive(QueryableByName)]
struct Candidates {
    #[diesel(sql_type = Array<BigInt>)]
    ids: Vec<i64>,
}

/// Returns the BOLs of the list that may fit. Returns `None` if there are more than [`MAX_CANDIDATES`], and if no index
/// serves the search, or not in time.
pub(super) async fn narrow(db: &Database, list: List<'_>) -> DbResult<Option<Vec<i64>>> {
    let needles = Needles::of(list.search);
    let Some(indexed) = needles.indexed() else { return Ok(None) };
    let timeout = format!("SET LOCAL statement_timeout = {}", TIMEOUT.as_millis());
    let found = scope::read_if(db, list.scope, &timeout, async |connection: &AsyncPgConnection| {
        candidates(connection, list, &indexed).await
    })
    .await;
    match found {
        Ok(ids) => Ok(Some(ids).filter(|ids| ids.len() <= MAX_CANDIDATES)),
        // Most likely the timeout. If the database is away, the next statement says so.
        Err(error) if error.is_unreachable() => {
            tracing::info!(%error, "a search reads the list, because its index gave no answer");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn candidates(
    mut connection: &AsyncPgConnection,
    list: List<'_>,
    indexed: &Indexed<'_>,
) -> QueryResult<Vec<i64>> {
    let function = match list.scope {
        Scope::All => "SELECT bols_matching($1, $2, $3, $4, $5, $6) AS ids",
        Scope::Companies { .. } => "SELECT portal_matching($1, $2, $3, $4, $5, $6) AS ids",
    };
    let found: Candidates = diesel::sql_query(function)
        .bind::<Array<Text>, _>(&indexed.patterns)
        .bind::<Array<Text>, _>(indexed.numbers)
        .bind::<Array<Text>, _>(&indexed.or_patterns)
        .bind::<Array<Text>, _>(&indexed.marks)
        .bind::<Nullable<Array<BigInt>>, _>(list.companies())
        .bind::<Integer, _>(MAX_CANDIDATES as i32 + 1)
        .get_result(&mut connection)
        .await?;
    Ok(found.ids)
}
