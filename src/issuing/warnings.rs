//! What is possible but seldom right: shown as a warning, and accepted once somebody has confirmed it.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};

use super::Load;
use crate::bols::Printed;
use crate::bols::draft::seals;
use crate::bols::weight::Pounds;
use crate::db::schema::{bols, customers, ship_tos};

/// The federal limit for a vehicle on the Interstate System (23 U.S.C. 127(a)(2)), in pounds.
const MOST_GROSS: i32 = 80_000;
/// A trailer doesn't come back loaded anew within the hour.
const TRAILER_AGAIN: TimeDelta = TimeDelta::hours(1);
/// Loads are written up on the day, or a few days around it.
const DATE_NEAR: i64 = 14;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Doubt {
    /// What to send back in `confirm`: the kind of doubt, and what it is about, so that nothing else is confirmed with it.
    pub code: String,
    pub field: &'static str,
    pub message: String,
}

impl Doubt {
    fn new(kind: &str, field: &'static str, message: String) -> Self {
        let about = hex::encode(&Sha256::digest(message.as_bytes())[..4]);
        Self { code: format!("{kind}-{about}"), field, message }
    }
}

pub async fn about(
    connection: &mut AsyncPgConnection,
    load: &Load,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> QueryResult<Vec<Doubt>> {
    let printed = &load.printed;
    let found = [
        overweight(printed),
        far_off(printed, today),
        trailer_again(connection, printed, now).await?,
        seal_again(connection, printed).await?,
        address_of_another(connection, load).await?,
        reissued_already(connection, load).await?,
    ];
    Ok(found.into_iter().flatten().collect())
}

fn overweight(load: &Printed) -> Option<Doubt> {
    let gross = load.gross_lb.unwrap_or(load.net_lb);
    (gross > MOST_GROSS).then(|| {
        Doubt::new(
            "overweight",
            if load.gross_lb.is_some() { "gross_lb" } else { "net_lb" },
            format!("{} lb is more than the {} lb that a truck may weigh.", Pounds(gross), Pounds(MOST_GROSS)),
        )
    })
}

fn far_off(load: &Printed, today: NaiveDate) -> Option<Doubt> {
    let days = (load.bol_date - today).num_days();
    (days.abs() > DATE_NEAR).then(|| {
        Doubt::new(
            "date",
            "bol_date",
            format!("The date is {} days {}.", days.abs(), if days > 0 { "ahead" } else { "back" }),
        )
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
    Ok(found.map(|number| {
        Doubt::new(
            "trailer",
            "trailer_number",
            format!("Trailer {} left with {number} less than an hour ago.", load.trailer_number),
        )
    }))
}

/// It has gone to this address for another customer, and never for this one: as if the customer had been changed last.
async fn address_of_another(connection: &mut AsyncPgConnection, load: &Load) -> QueryResult<Option<Doubt>> {
    let known: Vec<(i64, String)> = ship_tos::table
        .inner_join(customers::table)
        .filter(md5(ship_tos::address).eq(md5(&load.printed.ship_to)))
        .filter(ship_tos::address.eq(&load.printed.ship_to))
        .select((ship_tos::customer_id, customers::name))
        .limit(100)
        .load(connection)
        .await?;
    let is_own = known.iter().any(|(id, _)| *id == load.customer.id);
    Ok(known.into_iter().next().filter(|_| !is_own).map(|(_, name)| {
        Doubt::new(
            "ship_to",
            "ship_to",
            format!("So far this is an address of {name}, and never was one of {}.", load.customer.name),
        )
    }))
}

async fn reissued_already(connection: &mut AsyncPgConnection, load: &Load) -> QueryResult<Option<Doubt>> {
    let Some(of) = load.reissue_of else { return Ok(None) };
    let number: Option<String> = bols::table
        .filter(bols::reissue_of.eq(of))
        .filter(bols::voided_at.is_null())
        .order(bols::id.desc())
        .select(bols::number)
        .first(connection)
        .await
        .optional()?;
    Ok(number
        .map(|number| Doubt::new("reissued", "customer", format!("The void BOL was reissued as {number} already."))))
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
    // `id + 0`, or the planner walks the primary key backwards instead of looking into the index of the seals.
    let found: Option<Sealed> = diesel::sql_query(
        r"SELECT number, seal_numbers FROM bols
          WHERE regexp_split_to_array(upper(seal_numbers), '[\s,;]+') && $1 AND voided_at IS NULL
          ORDER BY id + 0 DESC LIMIT 1",
    )
    .bind::<Array<Text>, _>(&wanted)
    .get_result(connection)
    .await
    .optional()?;
    Ok(found.map(|found| {
        let theirs = seals(&found.seal_numbers.to_uppercase());
        let again = wanted.iter().find(|seal| theirs.contains(seal)).map(String::as_str).unwrap_or_default();
        Doubt::new(
            "seal",
            "seal_numbers",
            format!("Seal {again} is on {} already. Every seal is used once.", found.number),
        )
    }))
}

diesel::define_sql_function!(
    #[sql_name = "upper"]
    fn upper_of(text: Text) -> Text
);
diesel::define_sql_function!(
    /// What the index of addresses is made of.
    fn md5(text: Text) -> Text
);
