//! The records of purges: whether each is signed, and whether the retention permits it.

use super::{Difference, Differences, ExpectedRetention};
use crate::audit::retention::Purged;

/// Adds the differences of records, and returns notices about those that are fine.
pub fn compare(purged: &Purged, retention: ExpectedRetention, differences: &mut Differences) -> Vec<String> {
    for (id, fault) in &purged.faults {
        differences.add(Difference::Purge { id: *id, fault: fault.clone() });
    }
    if let Some(required) = retention.required {
        for signed in purged.signed.iter().filter(|signed| !signed.statement.honors(required)) {
            let (id, years) = (signed.event, signed.statement.years);
            differences.add(Difference::PurgedAgainstRetention { id, years, required });
        }
    }
    let mut notices = Vec::new();
    for id in &purged.covered {
        notices.push(format!("event {id} records a purge without a signature; signed purges cover all that it names"));
    }
    let is_permitted = |years| retention.configured.is_some_and(|configured| configured <= years);
    let shorter = purged.shortest_years().filter(|years| !is_permitted(*years));
    if let (Some(years), None) = (shorter, retention.required) {
        let now = match retention.configured {
            Some(configured) => format!("AUDIT_RETENTION_YEARS is {configured} now"),
            None => "AUDIT_RETENTION_YEARS is not set now".to_owned(),
        };
        notices.push(format!(
            "events were purged under a signed retention of {years} years, and {now}; --retention-years checks the years \
             that you agreed on"
        ));
    }
    notices
}
