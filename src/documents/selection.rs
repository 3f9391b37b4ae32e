//! Finds the BOLs that a request names.

use std::collections::HashMap;

use diesel_async::AsyncPgConnection;

use super::access_record::{self, DocumentRef};
use super::lookup_limit;
use crate::accounts::Viewer;
use crate::audit::Origin;
use crate::bols::BolNumber;
use crate::bols::search::{self, Batch, BolSummary, Meaning, Search, Term};
use crate::db::scope;
use crate::db::{Database, DbResult};

/// BOLs that one request names.
pub const MAX_NUMBERS: usize = 500;

/// Returns the BOLs with these numbers and the names of their customers, each once, in the order of the numbers. Returns
/// `None`, and records the refusal, if one is not within the viewer's scope or isn't a number.
pub async fn find(
    db: &Database,
    viewer: &Viewer,
    origin: &Origin,
    numbers: &[String],
) -> DbResult<Option<Vec<(BolSummary, String)>>> {
    let (scope, actor) = (viewer.scope(), viewer.actor());
    let condition = lookup_limit::condition(&scope);
    scope::record_if(db, &scope, condition.as_deref(), async |_: &AsyncPgConnection| Ok(())).await?;
    let mut terms = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Ok(wanted) = number.parse::<BolNumber>() else {
            scope::record(db, &scope, async |connection: &AsyncPgConnection| {
                access_record::deny_text(connection, actor, origin, number).await
            })
            .await?;
            return Ok(None);
        };
        terms.push(Term { typed: number.clone(), meaning: Meaning::Number(wanted) });
    }
    let by_number = Search { terms, ..Search::default() };
    let Batch { rows, owners, .. } = search::batch(db, &scope, &by_number, MAX_NUMBERS).await?;
    let owner = |row: &BolSummary| row.owner(&owners, viewer).unwrap_or_default().to_owned();
    let mut found: HashMap<String, (BolSummary, String)> = rows
        .into_iter()
        .map(|row| {
            let owner = owner(&row);
            (row.number.clone(), (row, owner))
        })
        .collect();
    if let Some(missing) = numbers.iter().find(|number| !found.contains_key(*number)) {
        scope::record(db, &scope, async |connection: &AsyncPgConnection| {
            access_record::deny(connection, &scope, actor, origin, DocumentRef::BolNumber(missing)).await
        })
        .await?;
        return Ok(None);
    }
    Ok(Some(numbers.iter().filter_map(|number| found.remove(number)).collect()))
}
