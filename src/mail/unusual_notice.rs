//! The contents of emails to administrators about unusual activity.

use serde::{Deserialize, Serialize};

use super::bol_news::{Group, NewsLine};

/// The unusual activity of one login, token or visitor in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusualFinding {
    /// The id of its event in the access log.
    pub event: i64,
    /// Whose activity it is.
    pub who: String,
    /// When the hour began: "Nov 12, 2025, 3:00 PM EST"
    pub hour: String,
    pub reasons: String,
}

pub(super) fn subject(findings: &[UnusualFinding], more: usize) -> String {
    match findings {
        [one] if more == 0 => format!("Unusual activity: {}", one.who),
        many => format!("Unusual activity: {} findings", many.len() + more),
    }
}

/// Each finding with the address of its event.
pub(super) fn groups(findings: &[UnusualFinding], more: usize, origin: &str) -> Vec<Group> {
    let group = |(at, finding): (usize, &UnusualFinding)| Group {
        title: finding.who.clone(),
        lines: vec![NewsLine {
            number: finding.hour.clone(),
            href: format!("{origin}/audit/events/{}", finding.event),
            what: finding.reasons.clone(),
            load: None,
        }],
        more: if at + 1 == findings.len() { more } else { 0 },
    };
    findings.iter().enumerate().map(group).collect()
}
