//! A checked load: the draft with everything looked up that it names.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::IssueError;
use crate::accounts::customers::{self, Customer};
use crate::bols::{BolNumber, Draft, Printed, settings};
use crate::db::schema::bols;
use crate::field_errors::FieldErrors;

/// A load that can be issued.
pub struct Load {
    pub customer: Customer,
    pub printed: Printed,
    /// The void BOL that this one replaces.
    pub reissue_of: Option<i64>,
}

impl Load {
    /// Looks up what the draft names, and checks every field.
    pub async fn read(connection: &mut AsyncPgConnection, draft: &Draft) -> Result<Self, IssueError> {
        let company = settings::company(connection).await?;
        let code = [draft.customer_code()];
        let customer = customers::with_codes(connection, &code).await?.pop();
        let checked =
            draft.check(customer.as_ref().map(|customer| (customer.name.as_str(), customer.active)), &company);
        let reissue_of = reissued(connection, draft.get("reissue_of").trim()).await?;
        match (checked, reissue_of, customer) {
            (Ok(printed), Ok(reissue_of), Some(customer)) => Ok(Self { customer, printed, reissue_of }),
            (checked, reissue_of, _) => {
                let mut errors = checked.err().unwrap_or_default();
                errors.append(reissue_of.err().unwrap_or_default());
                Err(IssueError::Invalid(errors))
            }
        }
    }
}

/// Returns the id of the BOL to replace. It has to be void.
async fn reissued(connection: &mut AsyncPgConnection, number: &str) -> QueryResult<Result<Option<i64>, FieldErrors>> {
    if number.is_empty() {
        return Ok(Ok(None));
    }
    let missing = || FieldErrors::one("reissue_of", "The BOL to reissue doesn't exist.");
    let Ok(number) = number.parse::<BolNumber>() else { return Ok(Err(missing())) };
    let bol: Option<(i64, Option<DateTime<Utc>>)> = bols::table
        .filter(bols::number.eq(number.as_str()))
        .select((bols::id, bols::voided_at))
        .first(connection)
        .await
        .optional()?;
    Ok(match bol {
        Some((id, Some(_))) => Ok(Some(id)),
        Some(_) => Err(FieldErrors::one("reissue_of", "This BOL isn't void. Void it first, then reissue it.")),
        None => Err(missing()),
    })
}
