//! Doubts about filing a document with a BOL that it doesn't name.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::Inbox;
use crate::bols::BolNumber;
use crate::db::DbResult;
use crate::db::schema::{bols, customers, documents};

impl Inbox<'_> {
    /// Returns why filing these documents with this BOL may be wrong: one of them names other BOLs that exist, and not
    /// this one. `prefix` is that of the portal's BOL numbers.
    pub async fn objection(&self, ids: &[i64], number: &BolNumber, prefix: &str) -> DbResult<Option<String>> {
        let mut connection = self.db.get().await?;
        let found: Vec<(String, serde_json::Value)> = documents::table
            .filter(documents::id.eq_any(ids))
            .filter(documents::bol_id.is_null())
            .order(documents::id)
            .select((documents::arrived_as, documents::found))
            .load(&mut connection)
            .await?;
        let named = found.into_iter().map(|(file, found)| (file, numbers_in(&found, prefix)));
        let doubtful: Vec<_> = named.filter(|(_, numbers)| !numbers.is_empty() && !numbers.contains(number)).collect();
        let mut wanted: Vec<&str> = doubtful.iter().flat_map(|(_, numbers)| numbers).map(BolNumber::as_str).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        wanted.push(number.as_str());
        let known: Vec<(String, Option<String>)> = bols::table
            .left_join(customers::table)
            .filter(bols::number.eq_any(wanted))
            .select((bols::number, customers::name.nullable()))
            .load(&mut connection)
            .await?;
        let described = |number: &BolNumber| {
            let (number, customer) = known.iter().find(|(known, _)| known == number.as_str())?;
            Some(format!("{number} ({})", customer.as_deref().unwrap_or("no customer yet")))
        };
        Ok(doubtful.iter().find_map(|(file, numbers)| {
            let others: Vec<String> = numbers.iter().filter_map(described).collect();
            let this = described(number)?;
            (!others.is_empty()).then(|| format!("{file} names {}, not {this}.", others.join(" and ")))
        }))
    }
}

/// Returns the BOL numbers that intake found in a document.
fn numbers_in(found: &serde_json::Value, prefix: &str) -> BTreeSet<BolNumber> {
    let values = found.as_object().into_iter().flat_map(|sources| sources.values());
    let texts = values.filter_map(|numbers| numbers.as_array()).flatten().filter_map(|number| number.as_str());
    BolNumber::find_all(&texts.collect::<Vec<_>>().join(" "), prefix)
}
