//! Whose BOL it is: giving it to a customer, or to another one.
//!
//! From the commit on the former customer finds neither the BOL nor its documents: both are selected by the customer they
//! have now. A link that was issued before works until its time is up. Both sides are on record: that the one lost it and
//! that the other got it.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::BolNumber;
use crate::accounts::Viewer;
use crate::accounts::customers::{self, Customer};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::{bols, customers as table};
use crate::db::{Database, DbError, DbResult};

/// BOLs of one selection at the most.
pub const MOST: usize = 1000;

#[derive(Clone, Debug, Queryable)]
pub struct Chosen {
    pub id: i64,
    pub number: String,
    pub bol_date: chrono::NaiveDate,
    pub product: String,
    pub ship_to: String,
    pub net_lb: i32,
    pub owner_id: Option<i64>,
    pub owner_code: Option<String>,
    pub owner_name: Option<String>,
}

type Columns = (
    bols::id,
    bols::number,
    bols::bol_date,
    bols::product,
    bols::ship_to,
    bols::net_lb,
    bols::customer_id,
    diesel::dsl::Nullable<table::code>,
    diesel::dsl::Nullable<table::name>,
);

fn columns() -> Columns {
    (
        bols::id,
        bols::number,
        bols::bol_date,
        bols::product,
        bols::ship_to,
        bols::net_lb,
        bols::customer_id,
        table::code.nullable(),
        table::name.nullable(),
    )
}

#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    #[error("Choose a customer.")]
    NoCustomer,
    #[error("{0} is not active. Choose another customer, or make it active first.")]
    Inactive(String),
    #[error("Choose at least one bill of lading.")]
    Nothing,
    #[error("Up to {MOST} bills of lading can be assigned at once.")]
    TooMany,
    #[error("Somebody has assigned some of these meanwhile. Nothing was changed: look again.")]
    Changed,
    #[error("There is no BOL {0}. Nothing was assigned.")]
    Missing(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(AssignError);

/// The BOLs of these numbers with the customers they have now, by number. All of them are there, or it is an error.
pub async fn chosen(db: &Database, numbers: &[BolNumber]) -> Result<Vec<Chosen>, AssignError> {
    within(numbers)?;
    let found: Vec<Chosen> = bols::table
        .left_join(table::table)
        .filter(bols::number.eq_any(numbers.iter().map(BolNumber::as_str)))
        .order((bols::number_year, bols::number_seq))
        .select(columns())
        .load(&mut db.get().await?)
        .await?;
    all_there(numbers, &found)?;
    Ok(found)
}

/// The customer of this code, if BOLs can be given to it.
pub async fn receiver(db: &Database, code: &str) -> Result<Customer, AssignError> {
    active(customers::with_codes(&mut *db.get().await?, &[code.to_owned()]).await?.pop())
}

/// BOLs without a customer, the newest first.
pub async fn unassigned(db: &Database, limit: usize) -> DbResult<(Vec<Chosen>, i64)> {
    let mut connection = db.get().await?;
    let loose = bols::table.left_join(table::table).filter(bols::customer_id.is_null());
    let rows = loose.order((bols::bol_date.desc(), bols::id.desc())).limit(limit as i64).select(columns());
    let rows = rows.load(&mut connection).await?;
    let count = bols::table.filter(bols::customer_id.is_null()).count().get_result(&mut connection).await?;
    Ok((rows, count))
}

/// Whose the BOLs are at this moment, as a page may carry it to the question's answer.
pub fn owners(found: &[Chosen]) -> String {
    let one = |bol: &Chosen| format!("{}={}", bol.number, bol.owner_code.as_deref().unwrap_or_default());
    found.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Gives the BOLs to the customer, all of them or none. Those that are its own already are left alone. `shown`: whose they
/// were when the question was asked, if it was; if that has changed, nothing is done.
pub async fn assign(
    db: &Database,
    numbers: &[BolNumber],
    code: &str,
    shown: Option<&str>,
    viewer: &Viewer,
    origin: &Origin,
) -> Result<(), AssignError> {
    within(numbers)?;
    db.transaction(async |connection: &mut AsyncPgConnection| {
        let customer = active(customers::with_codes(connection, &[code.to_owned()]).await?.pop())?;
        // In the order of their ids, so that two selections that overlap don't wait for each other.
        let ids: Vec<i64> = bols::table
            .filter(bols::number.eq_any(numbers.iter().map(BolNumber::as_str)))
            .order(bols::id)
            .select(bols::id)
            .for_no_key_update()
            .load(connection)
            .await?;
        let found: Vec<Chosen> = bols::table
            .left_join(table::table)
            .filter(bols::id.eq_any(&ids))
            .order((bols::number_year, bols::number_seq))
            .select(columns())
            .load(connection)
            .await?;
        all_there(numbers, &found)?;
        if shown.is_some_and(|shown| shown != owners(&found)) {
            return Err(AssignError::Changed);
        }
        let others: Vec<&Chosen> = found.iter().filter(|bol| bol.owner_id != Some(customer.id)).collect();
        diesel::update(bols::table.filter(bols::id.eq_any(others.iter().map(|bol| bol.id))))
            .set(bols::customer_id.eq(customer.id))
            .execute(connection)
            .await?;
        for bol in &others {
            record(connection, bol, &customer, viewer.actor(), origin).await?;
        }
        Ok(())
    })
    .await
}

/// Gives a BOL to a customer if it has none, in the transaction of whoever files a document with it. Gives whose it is
/// then: a code, if it is another's.
pub async fn give_if_unowned(
    connection: &mut AsyncPgConnection,
    bol_id: i64,
    customer_id: i64,
    actor: Actor<'_>,
    origin: &Origin,
) -> QueryResult<Option<String>> {
    let given = diesel::update(bols::table.find(bol_id).filter(bols::customer_id.is_null()))
        .set(bols::customer_id.eq(customer_id))
        .execute(connection)
        .await?;
    let mut bol: Chosen =
        bols::table.left_join(table::table).filter(bols::id.eq(bol_id)).select(columns()).first(connection).await?;
    if given == 0 {
        return Ok(bol.owner_code.filter(|_| bol.owner_id != Some(customer_id)));
    }
    let customer: Customer = table::table.find(customer_id).select(Customer::as_select()).first(connection).await?;
    (bol.owner_id, bol.owner_code, bol.owner_name) = (None, None, None);
    record(connection, &bol, &customer, actor, origin).await?;
    Ok(None)
}

async fn record(
    connection: &mut AsyncPgConnection,
    bol: &Chosen,
    customer: &Customer,
    actor: Actor<'_>,
    origin: &Origin,
) -> QueryResult<()> {
    let detail = json!({"from": bol.owner_code, "to": customer.code});
    let lost = bol.owner_id.zip(bol.owner_code.as_deref());
    for (id, code) in lost.into_iter().chain([(customer.id, customer.code.as_str())]) {
        let mut event = Event::new(Action::BolAssigned, Outcome::Success, actor, origin).detail(detail.clone());
        (event.bol_id, event.bol_number) = (Some(bol.id), Some(bol.number.as_str()));
        (event.customer_id, event.customer_code) = (Some(id), Some(code));
        audit::record(connection, &event).await?;
    }
    Ok(())
}

fn active(customer: Option<Customer>) -> Result<Customer, AssignError> {
    match customer {
        None => Err(AssignError::NoCustomer),
        Some(customer) if customer.active => Ok(customer),
        Some(customer) => Err(AssignError::Inactive(customer.name)),
    }
}

fn within(numbers: &[BolNumber]) -> Result<(), AssignError> {
    match numbers.len() {
        0 => Err(AssignError::Nothing),
        1..=MOST => Ok(()),
        _ => Err(AssignError::TooMany),
    }
}

fn all_there(numbers: &[BolNumber], found: &[Chosen]) -> Result<(), AssignError> {
    match numbers.iter().find(|number| !found.iter().any(|bol| bol.number == number.as_str())) {
        Some(missing) => Err(AssignError::Missing(missing.to_string())),
        None => Ok(()),
    }
}
