//! Entering the official weight of a BOL.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{IssueError, Issuer, RequestKey, Warning, invalid, lock_bol, request_key};
use crate::audit::Action;
use crate::bols::weight::{Pounds, Variance};
use crate::bols::{BolNumber, draft};
use crate::db::schema::bols;

/// A scale's certified weight rarely differs by more from that of the terminal's scale.
const MAX_VARIANCE_PERCENT: i64 = 5;

impl Issuer<'_> {
    /// Enters the certified weight in pounds, or corrects it. The stamped copy becomes the next version. `confirmed` are the
    /// codes of confirmed warnings.
    ///
    /// With a `key`, the same request changes nothing the second time.
    pub async fn weigh(
        &self,
        number: &BolNumber,
        pounds: &str,
        confirmed: &str,
        key: Option<RequestKey<'_>>,
    ) -> Result<(), IssueError> {
        let pounds = parse_pounds(pounds)?;
        let (user_id, weighed_by) = (self.user.viewer.user_id, &self.user.viewer.name);
        self.user
            .db
            .transaction_outside(async |connection: &mut AsyncPgConnection| {
                if self.has_done(connection, key).await? {
                    return Ok(());
                }
                let mut bol = lock_bol(connection, number).await?;
                if bol.voided_at.is_some() {
                    return Err(IssueError::Refused("This BOL is void, so it can't be weighed."));
                }
                if bol.official_weight_lb == Some(pounds) {
                    return Err(invalid("official_weight_lb", "This is already the official weight."));
                }
                let has_confirmed = |warning: &Warning| confirmed.split([',', ' ']).any(|code| code == warning.code);
                if let Some(warning) = far_from_shipped(pounds, bol.net_lb).filter(|warning| !has_confirmed(warning)) {
                    return Err(IssueError::Unconfirmed(vec![warning]));
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
                if let Some(key) = key {
                    request_key::settle(connection, user_id, key, bol.id).await?;
                }
                (bol.official_weight_lb, bol.weighed_at, bol.weighed_by) =
                    (Some(pounds), Some(now), weighed_by.clone());
                let detail = serde_json::json!({"official_weight_lb": pounds, "before": before, "net_lb": bol.net_lb});
                self.store_printed(connection, &bol, Action::BolWeighed, detail).await
            })
            .await
    }
}

/// Warns about a weight that differs from the shipped one by more than [`MAX_VARIANCE_PERCENT`]: a digit may be missing.
fn far_from_shipped(official_lb: i32, net_lb: i32) -> Option<Warning> {
    let difference = (i64::from(official_lb) - i64::from(net_lb)).abs();
    (difference * 100 > i64::from(net_lb) * MAX_VARIANCE_PERCENT).then(|| {
        let variance = Variance::new(official_lb, net_lb);
        Warning::new(
            "variance",
            "official_weight_lb",
            format!(
                "{} lb is {} lb ({} %) off the {} lb that were shipped.",
                Pounds(official_lb),
                variance.pounds(),
                variance.percent(),
                Pounds(net_lb)
            ),
        )
    })
}

fn parse_pounds(text: &str) -> Result<i32, IssueError> {
    let pounds = draft::whole_number(text.trim()).filter(|pounds| (1..=draft::MAX_POUNDS).contains(pounds));
    pounds.ok_or_else(|| invalid("official_weight_lb", "Enter whole pounds, such as 46,060."))
}

#[cfg(test)]
mod tests {
    use super::far_from_shipped;

    #[test]
    fn more_than_five_percent_is_asked_about() {
        for (official, is_far) in
            [(46_060, false), (48_363, false), (48_364, true), (43_757, false), (43_756, true), (4_600, true)]
        {
            assert_eq!(far_from_shipped(official, 46_060).is_some(), is_far, "{official}");
        }
        let warning = far_from_shipped(4_600, 46_060).expect("a warning");
        assert_eq!(warning.message, "4,600 lb is -41,460 lb (-90.01 %) off the 46,060 lb that were shipped.");
    }
}
