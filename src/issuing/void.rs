//! Voiding a BOL.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{IssueError, Issuer, RequestKey, invalid, lock_bol, request_key};
use crate::audit::Action;
use crate::bols::BolNumber;
use crate::db::schema::bols;
use crate::typefaces;

const MAX_REASON_CHARS: usize = 500;

impl Issuer<'_> {
    /// Voids a BOL. The stamped copy becomes the next version, and the number is never used again.
    ///
    /// With a `key`, the same request changes nothing the second time.
    pub async fn void(&self, number: &BolNumber, reason: &str, key: Option<RequestKey<'_>>) -> Result<(), IssueError> {
        let reason = parse_reason(reason)?;
        let (user_id, voided_by) = (self.user.viewer.user_id, &self.user.viewer.name);
        self.user
            .db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                if self.has_done(connection, key).await? {
                    return Ok(());
                }
                let mut bol = lock_bol(connection, number).await?;
                if bol.voided_at.is_some() {
                    return Err(IssueError::Refused("This BOL is already void."));
                }
                let now = self.user.clock.now();
                diesel::update(bols::table.find(bol.id))
                    .set((bols::voided_at.eq(now), bols::void_reason.eq(&reason), bols::voided_by.eq(voided_by)))
                    .execute(connection)
                    .await?;
                if let Some(key) = key {
                    request_key::settle(connection, user_id, key, bol.id).await?;
                }
                (bol.voided_at, bol.void_reason, bol.voided_by) = (Some(now), reason.clone(), voided_by.clone());
                let detail = serde_json::json!({"reason": reason});
                self.store_printed(connection, &bol, Action::BolVoided, detail).await
            })
            .await
    }
}

/// Returns the reason on one line.
fn parse_reason(reason: &str) -> Result<String, IssueError> {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return Err(invalid("reason", "Enter the reason. The customer will see it."));
    }
    if reason.chars().count() > MAX_REASON_CHARS {
        return Err(invalid("reason", format!("Use at most {MAX_REASON_CHARS} characters.")));
    }
    match typefaces::unprintable(&reason) {
        Some(c) => Err(invalid("reason", typefaces::unprintable_message(c))),
        None => Ok(reason),
    }
}
