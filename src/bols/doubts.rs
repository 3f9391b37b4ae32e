//! What is possible but seldom right: shown as a warning, and accepted once somebody has confirmed it.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::bol::Printed;
use super::draft::seals;
use super::weight::Pounds;
use crate::db::schema::bols;

/// The federal limit for a vehicle on the Interstate System (23 U.S.C. 127(a)(2)), in pounds.
const MOST_GROSS: i32 = 80_000;
/// A trailer doesn't come back loaded anew within the hour.
const TRAILER_AGAIN: TimeDelta = TimeDelta::hours(1);
/// Loads are written up on the day, or a few days around it.
const DATE_NEAR: i64 = 14;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Doubt {
    /// What to send back in `confirm`.
    pub code: &'static str,
    pub field: &'static str,
    pub message: String,
}

pub async fn about(
    connection: &mut AsyncPgConnection,
    load: &Printed,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> QueryResult<Vec<Doubt>> {
    let found = [
        overweight(load),
        far_off(load, today),
        trailer_again(connection, load, now).await?,
        seal_again(connection, load).await?,
    ];
    Ok(found.into_iter().flatten().collect())
}

fn overweight(load: &Printed) -> Option<Doubt> {
    let gross = load.gross_lb.unwrap_or(load.net_lb);
    (gross > MOST_GROSS).then(|| Doubt {
        code: "overweight",
        field: if load.gross_lb.is_some() { "gross_lb" } else { "net_lb" },
        message: format!("{} lb is more than the {} lb that a truck may weigh.", Pounds(gross), Pounds(MOST_GROSS)),
    })
}

fn far_off(load: &Printed, today: NaiveDate) -> Option<Doubt> {
    let days = (load.bol_date - today).num_days();
    (days.abs() > DATE_NEAR).then(|| Doubt {
        code: "date",
        field: "bol_date",
        message: format!("The date is {} days {}.", days.abs(), if days > 0 { "ahead" } else { "back" }),
    })
}

async fn trailer_again(
    connection: &mut AsyncPgConnection,
    load: &Printed,
    now: DateTime<Utc>,
) -> QueryResult<Option<Doubt>> {
    if load.trailer_number.is_empty() {
        return Ok(None);
    }
    let found: Option<String> = bols::table
        .filter(upper_of(bols::trailer_number).eq(load.trailer_number.to_uppercase()))
        .filter(bols::trailer_number.ne(""))
        .filter(bols::created_at.gt(now - TRAILER_AGAIN))
        .filter(bols::voided_at.is_null())
        .order(bols::created_at.desc())
        .select(bols::number)
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(|number| Doubt {
        code: "trailer",
        field: "trailer_number",
        message: format!("Trailer {} left with {number} less than an hour ago.", load.trailer_number),
    }))
}

#[derive(QueryableByName)]
struct Sealed {
    #[diesel(sql_type = Text)]
    number: String,
    #[diesel(sql_type = Text)]
    seal_numbers: String,
}

async fn seal_again(connection: &mut AsyncPgConnection, load: &Printed) -> QueryResult<Option<Doubt>> {
    let wanted: Vec<String> = seals(&load.seal_numbers.to_uppercase());
    if wanted.is_empty() {
        return Ok(None);
    }
    let found: Option<Sealed> = diesel::sql_query(
        r"SELECT number, seal_numbers FROM bols
          WHERE regexp_split_to_array(upper(seal_numbers), '[\s,;]+') && $1 AND voided_at IS NULL
          ORDER BY id DESC LIMIT 1",
    )
    .bind::<Array<Text>, _>(&wanted)
    .get_result(connection)
    .await
    .optional()?;
    Ok(found.map(|found| {
        let theirs = seals(&found.seal_numbers.to_uppercase());
        let again = wanted.iter().find(|seal| theirs.contains(seal)).map(String::as_str).unwrap_or_default();
        Doubt {
            code: "seal",
            field: "seal_numbers",
            message: format!("Seal {again} is on {} already. Every seal is used once.", found.number),
        }
    }))
}

diesel::define_sql_function!(
    #[sql_name = "upper"]
    fn upper_of(text: Text) -> Text
);
