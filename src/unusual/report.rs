//! Reports what was found: an event for each finding, and one email to each administrator.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::finding::Finding;
use crate::accounts::people::{Administrator, administrators};
use crate::audit::{self, Origin};
use crate::db::schema::unusual_mails;
use crate::local_time;
use crate::mail::outbox::{self, To};
use crate::mail::{EmailTemplate, UnusualFinding};

/// For this long, an administrator gets no second email about the same login and reason.
const ONCE_IN: TimeDelta = TimeDelta::hours(24);
/// The findings that one email lists. It counts the others.
const MAX_LISTED: usize = 50;

/// Records the findings and queues the emails, in the connection's transaction.
pub(super) async fn report(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    zone: Tz,
    findings: Vec<Finding>,
) -> QueryResult<()> {
    let origin = Origin::default();
    let mut recorded = Vec::with_capacity(findings.len());
    for finding in findings {
        recorded.push((audit::record_returning_id(connection, &finding.event(&origin)?).await?, finding));
    }
    let mailed_long_ago = unusual_mails::table.filter(unusual_mails::mailed_at.le(now - ONCE_IN));
    diesel::delete(mailed_long_ago).execute(connection).await?;
    if recorded.is_empty() {
        return Ok(());
    }
    for administrator in administrators(connection).await? {
        mail(connection, now, zone, (&administrator, &recorded)).await?;
    }
    Ok(())
}

/// Queues an email with what the administrator has not read about in the last 24 hours, if there is anything.
async fn mail(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    zone: Tz,
    (administrator, recorded): (&Administrator, &[(i64, Finding)]),
) -> QueryResult<()> {
    let mut findings = Vec::new();
    for (event, finding) in recorded {
        let mut reasons = Vec::new();
        for reason in &finding.reasons {
            if is_news(connection, now, administrator.id, (&finding.subject(), reason.name())).await? {
                reasons.push(reason.clone());
            }
        }
        if !reasons.is_empty() {
            let reasons = Finding { reasons, ..finding.clone() }.reasons_in_words();
            let hour = local_time::to_minute(finding.hour, zone);
            findings.push(UnusualFinding { event: *event, who: finding.who(), hour, reasons });
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let more = findings.len().saturating_sub(MAX_LISTED);
    findings.truncate(MAX_LISTED);
    let Administrator { id, email, name } = administrator;
    let template = EmailTemplate::UnusualActivity { name: name.clone(), findings, more };
    outbox::post(connection, now, To::new(email, Some(*id)), &template).await
}

/// Notes that the administrator gets an email about a reason. Returns whether it is the first one in 24 hours.
async fn is_news(
    connection: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    administrator: i64,
    (subject, reason): (&str, &str),
) -> QueryResult<bool> {
    let row = (
        unusual_mails::user_id.eq(administrator),
        unusual_mails::subject.eq(subject),
        unusual_mails::reason.eq(reason),
        unusual_mails::mailed_at.eq(now),
    );
    let insert = diesel::insert_into(unusual_mails::table).values(row).on_conflict_do_nothing();
    Ok(insert.execute(connection).await? == 1)
}
