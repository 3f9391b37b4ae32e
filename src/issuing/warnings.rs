//! Warnings about unlikely but possible values. The portal issues the BOL after the user confirms each of them.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use sha2::{Digest, Sha256};

use super::load::Load;
use crate::bols::Printed;
use crate::bols::draft::split_seals;
use crate::bols::weight::Pounds;
use crate::db::schema::{bols, customers, ship_tos};

/// The federal limit for a vehicle on the Interstate System (23 U.S.C. 127(a)(2)), in pounds.
const MAX_GROSS_LB: i32 = 80_000;
/// The least time in which a trailer can come back with another load.
const TRAILER_TURNAROUND: TimeDelta = TimeDelta::hours(1);
/// The office issues a BOL on the day of loading, or a few days before or after it.
const MAX_DAYS_FROM_TODAY: i64 = 14;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// The value to send back in `confirm`: the kind, and a hash of the message, so that it confirms only this warning.
    pub code: String,
    pub field: &'static str,
    pub message: String,
}

impl Warning {
    pub(super) fn new(kind: &str, field: &'static str, message: String) -> Self {
        let digest = hex::encode(&Sha256::digest(message.as_bytes())[..4]);
        Self { code: format!("{kind}-{digest}"), field, message }
    }
}

/// Returns every warning about the load.
pub async fn check_warnings(
    connection: &mut AsyncPgConnection,
    load: &Load,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> QueryResult<Vec<Warning>> {
    let printed = &load.printed;
    let warnings = [
        overweight(printed),
        date_far_from_today(printed, today),
        trailer_just_left(connection, printed, now).await?,
        seal_used_before(connection, printed).await?,
        address_of_other_customer(connection, load).await?,
        already_reissued(connection, load).await?,
    ];
    Ok(warnings.into_iter().flatten().collect())
}

fn overweight(load: &Printed) -> Option<Warning> {
    let gross = load.gross_lb.unwrap_or(load.net_lb);
    (gross > MAX_GROSS_LB).then(|| {
        Warning::new(
            "overweight",
            if load.gross_lb.is_some() { "gross_lb" } else { "net_lb" },
            format!("{} lb is more than the {} lb that a truck may weigh.", Pounds(gross), Pounds(MAX_GROSS_LB)),
        )
    })
}

fn date_far_from_today(load: &Printed, today: NaiveDate) -> Option<Warning> {
    let days = (load.bol_date - today).num_days();
    (days.abs() > MAX_DAYS_FROM_TODAY).then(|| {
        Warning::new(
            "date",
            "bol_date",
            format!("The date is {} days {}.", days.abs(), if days > 0 { "in the future" } else { "in the past" }),
        )
    })
}

async fn trailer_just_left(
    connection: &mut AsyncPgConnection,
    load: &Printed,
    now: DateTime<Utc>,
) -> QueryResult<Option<Warning>> {
    if load.trailer_number.is_empty() {
        return Ok(None);
    }
    let found: Option<String> = bols::table
        .filter(upper_of(bols::trailer_number).eq(load.trailer_number.to_uppercase()))
        .filter(bols::trailer_number.ne(""))
        .filter(bols::created_at.gt(now - TRAILER_TURNAROUND))
        .filter(bols::voided_at.is_null())
        .order(bols::created_at.desc())
        .select(bols::number)
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(|number| {
        Warning::new(
            "trailer",
            "trailer_number",
            format!("Trailer {} left with {number} less than an hour ago.", load.trailer_number),
        )
    }))
}

/// Warns when this address belongs to another customer only. The customer may have been changed after the address was
/// filled in.
async fn address_of_other_customer(connection: &mut AsyncPgConnection, load: &Load) -> QueryResult<Option<Warning>> {
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
        Warning::new(
            "ship_to",
            "ship_to",
            format!("This address belongs to {name}. {} has never used it.", load.customer.name),
        )
    }))
}

async fn already_reissued(connection: &mut AsyncPgConnection, load: &Load) -> QueryResult<Option<Warning>> {
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
        .map(|number| Warning::new("reissued", "customer", format!("The void BOL was already reissued as {number}."))))
}

#[derive(QueryableByName)]
struct SealedBol {
    #[diesel(sql_type = Text)]
    number: String,
    #[diesel(sql_type = Text)]
    seal_numbers: String,
}

async fn seal_used_before(connection: &mut AsyncPgConnection, load: &Printed) -> QueryResult<Option<Warning>> {
    let seal_numbers: Vec<String> = split_seals(&load.seal_numbers.to_uppercase());
    if seal_numbers.is_empty() {
        return Ok(None);
    }
    // `id + 0`: with plain `id` the planner walks the primary key backwards instead of using the index of the seals.
    let earlier: Option<SealedBol> = diesel::sql_query(
        r"SELECT number, seal_numbers FROM bols
          WHERE regexp_split_to_array(upper(seal_numbers), '[\s,;]+') && $1 AND voided_at IS NULL
          ORDER BY id + 0 DESC LIMIT 1",
    )
    .bind::<Array<Text>, _>(&seal_numbers)
    .get_result(connection)
    .await
    .optional()?;
    Ok(earlier.map(|earlier| {
        let theirs = split_seals(&earlier.seal_numbers.to_uppercase());
        let again = seal_numbers.iter().find(|seal| theirs.contains(seal)).map(String::as_str).unwrap_or_default();
        Warning::new(
            "seal",
            "seal_numbers",
            format!("Seal {again} is already on {}. Seals are used only once.", earlier.number),
        )
    }))
}

diesel::define_sql_function!(
    #[sql_name = "upper"]
    fn upper_of(text: Text) -> Text
);
diesel::define_sql_function!(
    /// The expression of the index of addresses.
    fn md5(text: Text) -> Text
);
