//! Entering the official weight of a BOL.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{IssueError, Issuer, invalid, lock_bol};
use crate::audit::Action;
use crate::bols::{BolNumber, draft};
use crate::db::schema::bols;

impl Issuer<'_> {
    /// Enters the certified weight in pounds, or corrects it. The stamped copy becomes the next version.
    pub async fn weigh(&self, number: &BolNumber, pounds: &str) -> Result<(), IssueError> {
        let pounds = parse_pounds(pounds)?;
        let weighed_by = &self.user.viewer.name;
        self.user
            .db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                let mut bol = lock_bol(connection, number).await?;
                if bol.voided_at.is_some() {
                    return Err(IssueError::Refused("This BOL is void, so it can't be weighed."));
                }
                if bol.official_weight_lb == Some(pounds) {
                    return Err(invalid("official_weight_lb", "This is already the official weight."));
                }
                let (now, before) = (self.user.clock.now(), bol.official_weight_lb);
                diesel::update(bols::table.find(bol.id))
                    .set((
                        bols::official_weight_lb.eq(pounds),
                        bols::weighed_at.eq(now),
                        bols::weighed_by.eq(weighed_by),
                    ))
                    .execute(connection)
                    .await?;
                (bol.official_weight_lb, bol.weighed_at, bol.weighed_by) =
                    (Some(pounds), Some(now), weighed_by.clone());
                let detail = serde_json::json!({"official_weight_lb": pounds, "before": before, "net_lb": bol.net_lb});
                self.store_printed(connection, &bol, Action::BolWeighed, detail).await
            })
            .await
    }
}

fn parse_pounds(text: &str) -> Result<i32, IssueError> {
    let pounds = draft::whole_number(text.trim()).filter(|pounds| (1..=draft::MAX_POUNDS).contains(pounds));
    pounds.ok_or_else(|| invalid("official_weight_lb", "Enter whole pounds, such as 46,060."))
}
