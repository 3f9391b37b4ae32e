//! Finds the unusual activity of one hour.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::AsyncPgConnection;
use ipnet::IpNet;

use super::finding::{Finding, Reason};
use super::history::{more_than_usual, new_networks};
use super::hour::{self, Period};
use super::tally::{Rules, TOKEN_WINDOW, Tallies};

/// Returns one finding for each login, visitor and token whose hour was unusual, with all reasons.
pub(super) async fn detect(
    connection: &mut AsyncPgConnection,
    hour: DateTime<Utc>,
    rules: Rules,
) -> QueryResult<Vec<Finding>> {
    let mut tallies = Tallies::new(hour, rules);
    let period = Period { programs_from: hour - TOKEN_WINDOW, from: hour, until: hour + TimeDelta::hours(1) };
    hour::read(connection, period, |entry| tallies.add(entry)).await?;
    let Tallies { logins, visitors, tokens, .. } = tallies;
    let mut new_networks = new_networks(connection, hour, &logins).await?;
    let mut findings = Vec::new();
    let nothing = Finding { login: None, token: None, address: None, hour, reasons: Vec::new() };
    for (login, activity) in logins {
        let documents = activity.documents();
        let usual = more_than_usual(connection, &login, documents, hour, &rules.thresholds).await?;
        let networks = new_networks
            .remove(&login.id)
            .map(|networks| Reason::NewNetwork { networks: networks.iter().map(IpNet::to_string).collect() });
        let (night, denied) = (activity.at_night(&rules), activity.denied_in_a_row(&rules));
        let reasons = [activity.many_documents(&rules), usual, networks, night, denied].into_iter().flatten();
        findings.push(Finding { login: Some(login.email), reasons: reasons.collect(), ..nothing.clone() });
    }
    for (address, activity) in visitors {
        let reasons = activity.denied_in_a_row(&rules).into_iter().collect();
        findings.push(Finding { address: Some(address), reasons, ..nothing.clone() });
    }
    for (token, used) in tokens {
        let reasons = used.reason.into_iter().collect();
        findings.push(Finding { login: Some(used.owner), token: Some(token), reasons, ..nothing.clone() });
    }
    findings.retain(|finding| !finding.reasons.is_empty());
    Ok(findings)
}
