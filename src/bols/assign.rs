//! Assigning BOLs to customers.
//!
//! After the commit, the previous customer finds neither the BOL nor its documents: both are selected by the customer
//! that the BOL has now. A link that was issued before works until it expires. Each of the two customers gets an event.

pub mod undo;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::BolNumber;
use crate::accounts::ActingUser;
use crate::accounts::customers::{self, Customer};
use crate::audit::{self, Action, Actor, Event, Origin, Outcome};
use crate::db::schema::{bols, customers as table};
use crate::db::{Database, DbError, DbResult};

/// BOLs that one request can assign.
pub const MAX_SELECTED: usize = 1000;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = bols, check_for_backend(diesel::pg::Pg))]
pub struct Chosen {
    pub id: i64,
    pub number: String,
    pub bol_date: chrono::NaiveDate,
    pub product: String,
    pub ship_to: String,
    pub net_lb: i32,
    #[diesel(column_name = customer_id)]
    pub owner_id: Option<i64>,
    #[diesel(select_expression = table::code.nullable())]
    pub owner_code: Option<String>,
    #[diesel(select_expression = table::name.nullable())]
    pub owner_name: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    #[error("Choose a customer.")]
    NoCustomer,
    #[error("{0} is inactive. Choose another customer, or activate it first.")]
    Inactive(String),
    #[error("Choose at least one bill of lading.")]
    Nothing,
    #[error("You can assign at most {MAX_SELECTED} bills of lading at once.")]
    TooMany,
    #[error("Another user has just assigned some of these. Nothing was changed. Check the list again.")]
    Changed,
    #[error("BOL {0} doesn't exist. Nothing was assigned.")]
    Missing(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

crate::db::query_error_into!(AssignError);

/// Returns the BOLs of these numbers with their current customers, ordered by number. A missing BOL is an error.
pub async fn chosen(db: &Database, numbers: &[BolNumber]) -> Result<Vec<Chosen>, AssignError> {
    within(numbers)?;
    let found: Vec<Chosen> = bols::table
        .left_join(table::table)
        .filter(bols::number.eq_any(numbers.iter().map(BolNumber::as_str)))
        .order((bols::number_year, bols::number_seq))
        .select(Chosen::as_select())
        .load(&mut db.get().await?)
        .await?;
    all_there(numbers, &found)?;
    Ok(found)
}

/// Returns the customer of this code, if BOLs can be assigned to it.
pub async fn receiver(db: &Database, code: &str) -> Result<Customer, AssignError> {
    active(customers::with_codes(&mut *db.get().await?, &[code.to_owned()]).await?.pop())
}

/// Returns the BOLs without a customer, newest first, and how many there are.
pub async fn unassigned(db: &Database, limit: usize) -> DbResult<(Vec<Chosen>, i64)> {
    let mut connection = db.get().await?;
    let loose = bols::table.left_join(table::table).filter(bols::customer_id.is_null());
    let rows = loose.order((bols::bol_date.desc(), bols::id.desc())).limit(limit as i64).select(Chosen::as_select());
    let rows = rows.load(&mut connection).await?;
    let count = bols::table.filter(bols::customer_id.is_null()).count().get_result(&mut connection).await?;
    Ok((rows, count))
}

/// Encodes the current customer of each BOL, for a hidden field of the confirmation page.
pub fn owners(found: &[Chosen]) -> String {
    let one = |bol: &Chosen| format!("{}={}", bol.number, bol.owner_code.as_deref().unwrap_or_default());
    found.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Assigns the BOLs to the customer, all of them or none. BOLs that it has already stay unchanged.
///
/// `shown` is what [`owners`] returned for the confirmation page, if there was one. If it has changed since, nothing is
/// assigned.
pub async fn assign(
    user: &ActingUser<'_>,
    numbers: &[BolNumber],
    code: &str,
    shown: Option<&str>,
) -> Result<(), AssignError> {
    within(numbers)?;
    user.db
        .transaction(async |connection: &mut AsyncPgConnection| {
            let customer = active(customers::with_codes(connection, &[code.to_owned()]).await?.pop())?;
            let named = bols::table.filter(bols::number.eq_any(numbers.iter().map(BolNumber::as_str)));
            let ids: Vec<i64> = named.select(bols::id).load(connection).await?;
            let found = locked(connection, &ids).await?;
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
                let assignment = Assignment { bol, receiver: Some(&customer), is_undo: false };
                record(connection, &assignment, user.actor(), user.origin).await?;
            }
            Ok(())
        })
        .await
}

/// Locks BOLs in the order of ids, so that overlapping selections can't deadlock. Returns them ordered by number.
async fn locked(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<Vec<Chosen>> {
    let locked = bols::table.filter(bols::id.eq_any(ids)).order(bols::id).select(bols::id).for_no_key_update();
    let ids: Vec<i64> = locked.load(connection).await?;
    bols::table
        .left_join(table::table)
        .filter(bols::id.eq_any(ids))
        .order((bols::number_year, bols::number_seq))
        .select(Chosen::as_select())
        .load(connection)
        .await
}

/// Assigns a BOL to a customer if it has none, in the caller's transaction. Returns the code of its customer, if that
/// is another one.
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
    let mut bol: Chosen = bols::table
        .left_join(table::table)
        .filter(bols::id.eq(bol_id))
        .select(Chosen::as_select())
        .first(connection)
        .await?;
    if given == 0 {
        return Ok(bol.owner_code.filter(|_| bol.owner_id != Some(customer_id)));
    }
    let customer: Customer = table::table.find(customer_id).select(Customer::as_select()).first(connection).await?;
    (bol.owner_id, bol.owner_code, bol.owner_name) = (None, None, None);
    let assignment = Assignment { bol: &bol, receiver: Some(&customer), is_undo: false };
    record(connection, &assignment, actor, origin).await?;
    Ok(None)
}

/// A BOL with its former customer, and its new one.
struct Assignment<'a> {
    bol: &'a Chosen,
    receiver: Option<&'a Customer>,
    /// It takes another assignment back.
    is_undo: bool,
}

async fn record(
    connection: &mut AsyncPgConnection,
    Assignment { bol, receiver, is_undo }: &Assignment<'_>,
    actor: Actor<'_>,
    origin: &Origin,
) -> QueryResult<()> {
    let mut detail = json!({"from": bol.owner_code, "to": receiver.map(|customer| &customer.code)});
    if *is_undo {
        detail["undo"] = true.into();
    }
    let lost = bol.owner_id.zip(bol.owner_code.as_deref());
    let gained = receiver.map(|customer| (customer.id, customer.code.as_str()));
    for (id, code) in lost.into_iter().chain(gained) {
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
        1..=MAX_SELECTED => Ok(()),
        _ => Err(AssignError::TooMany),
    }
}

fn all_there(numbers: &[BolNumber], found: &[Chosen]) -> Result<(), AssignError> {
    match numbers.iter().find(|number| !found.iter().any(|bol| bol.number == number.as_str())) {
        Some(missing) => Err(AssignError::Missing(missing.to_string())),
        None => Ok(()),
    }
}
