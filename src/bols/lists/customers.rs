//! Customers: the companies that BOLs are issued to, their ship-to addresses, and the addresses that get emails besides
//! their logins.
//!
//! A code never changes: scripts, exports and the audit log identify a customer by it.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Date, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::json;

use super::SaveError;
use super::paging::{ListSql, Paged};
use crate::accounts::ActingUser;
use crate::accounts::customers::NewCustomer;
use crate::audit::{self, Action, Event, Outcome};
use crate::bols::field_reader::FieldReader;
use crate::db::schema::{customers, notice_addresses, ship_tos};
use crate::field_errors::FieldErrors;
use crate::mail;

/// Ship-to addresses that the page of a customer shows.
const MAX_SHIP_TOS: i64 = 200;
/// The maximum of a customer's addresses that get emails besides its logins.
const MAX_ADDRESSES: i64 = 20;

/// A row of the list of customers.
#[derive(Clone, Debug, QueryableByName)]
pub struct CustomerRow {
    #[diesel(sql_type = Text)]
    pub code: String,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Bool)]
    pub active: bool,
    #[diesel(sql_type = BigInt)]
    pub logins: i64,
    #[diesel(sql_type = Nullable<Date>)]
    pub last_bol: Option<NaiveDate>,
}

/// Everything that the page of one customer shows.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = customers, check_for_backend(diesel::pg::Pg))]
pub struct Full {
    pub id: i64,
    pub code: String,
    pub active: bool,
    pub reminded_at: Option<DateTime<Utc>>,
    /// The customer's logins must have a second factor.
    pub factor_required: bool,
    #[diesel(embed)]
    pub details: Details,
}

/// The part that the office can change.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, AsChangeset, serde::Serialize)]
#[diesel(table_name = customers, check_for_backend(diesel::pg::Pg))]
pub struct Details {
    pub name: String,
    /// Street and city, a line each.
    pub address: String,
    /// Whether the customer is reminded of BOLs that none of its users has fetched.
    pub remind: bool,
}

impl Details {
    pub fn read(name: &str, address: &str, remind: bool) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let name = reader.line("name", name, 200, Some("Enter the name of the company."));
        let address = reader.address("address", address, None);
        reader.finish(Self { name, address, remind })
    }
}

impl Paged for CustomerRow {
    const SQL: ListSql = ListSql {
        from: "customers c",
        columns: "c.code, c.name, c.active, \
                  (SELECT count(*) FROM memberships m WHERE m.customer_id = c.id) AS logins, \
                  (SELECT max(b.bol_date) FROM bols b WHERE b.customer_id = c.id) AS last_bol",
        id: "c.id",
        active: "c.active",
        order: ["c.name", "c.code"],
        searched: &["c.code", "c.name"],
    };
}

pub async fn one(connection: &mut AsyncPgConnection, code: &str) -> QueryResult<Option<Full>> {
    customers::table.filter(customers::code.eq(code)).select(Full::as_select()).first(connection).await.optional()
}

/// Whether a text can be the code of a customer: 2 to 16 of A-Z, 0-9 and -, beginning with a letter or a digit.
pub(in crate::bols) fn is_customer_code(text: &str) -> bool {
    (2..=16).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

/// Adds a customer. Returns its code in capitals.
pub async fn add(user: &ActingUser<'_>, code: &str, name: &str, address: &str) -> Result<String, SaveError> {
    let code = code.trim().to_uppercase();
    let details = Details::read(name, address, false);
    if !is_customer_code(&code) {
        let mut errors = FieldErrors::one("code", CODE);
        errors.append(details.err().unwrap_or_default());
        return Err(errors.into());
    }
    let details = details?;
    let added = user.db.transaction(async |connection: &mut AsyncPgConnection| -> Result<(), SaveError> {
        let new = NewCustomer { code: &code, name: &details.name, address: &details.address };
        let id = new.insert(connection).await?.id;
        let event =
            Event::new(Action::CustomerCreated, Outcome::Success, user.actor(), user.origin).with_customer(id, &code);
        Ok(audit::record(connection, &event.detail(json!({"code": code, "name": details.name}))).await?)
    });
    added.await?;
    Ok(code)
}

const CODE: &str = "Use 2 to 16 characters: A-Z, 0-9 and -, beginning with a letter or digit.";

/// Locks the customer, makes the change, and records the details that `change` returns, if any.
async fn change_with(
    user: &ActingUser<'_>,
    code: &str,
    change: impl AsyncFnOnce(&mut AsyncPgConnection, &Full) -> QueryResult<Option<serde_json::Value>>,
) -> Result<(), SaveError> {
    let changed = user.db.transaction(async |connection: &mut AsyncPgConnection| {
        let before: Full = customers::table
            .filter(customers::code.eq(code))
            .select(Full::as_select())
            .for_no_key_update()
            .first(connection)
            .await?;
        let Some(detail) = change(connection, &before).await? else { return Ok(()) };
        let event = Event::new(Action::CustomerChanged, Outcome::Success, user.actor(), user.origin);
        Ok(audit::record(connection, &event.with_customer(before.id, &before.code).detail(detail)).await?)
    });
    changed.await
}

pub async fn change(
    user: &ActingUser<'_>,
    code: &str,
    name: &str,
    address: &str,
    remind: bool,
) -> Result<(), SaveError> {
    let after = Details::read(name, address, remind)?;
    change_with(user, code, async |connection, before| {
        if before.details == after {
            return Ok(None);
        }
        diesel::update(customers::table.find(before.id)).set(&after).execute(connection).await?;
        Ok(Some(json!({"before": before.details, "after": after})))
    })
    .await
}

/// Activates or deactivates a customer. An inactive one gets no new BOLs, and its users see none of its BOLs.
pub async fn set_active(user: &ActingUser<'_>, code: &str, active: bool) -> Result<(), SaveError> {
    change_with(user, code, async |connection, before| {
        if before.active == active {
            return Ok(None);
        }
        diesel::update(customers::table.find(before.id)).set(customers::active.eq(active)).execute(connection).await?;
        Ok(Some(json!({"before": {"active": before.active}, "after": {"active": active}})))
    })
    .await
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = ship_tos, check_for_backend(diesel::pg::Pg))]
pub struct ShipTo {
    pub id: i64,
    pub address: String,
    /// Offered on the form of a new BOL.
    pub active: bool,
}

/// Returns the ship-to addresses, those that the form offers first.
pub async fn ship_tos_of(connection: &mut AsyncPgConnection, customer_id: i64) -> QueryResult<Vec<ShipTo>> {
    ship_tos::table
        .filter(ship_tos::customer_id.eq(customer_id))
        .order((ship_tos::active.desc(), ship_tos::address))
        .limit(MAX_SHIP_TOS)
        .select(ShipTo::as_select())
        .load(connection)
        .await
}

/// Returns the active ship-to addresses of the customer with this code.
pub async fn active_ship_tos(connection: &mut AsyncPgConnection, code: &str) -> QueryResult<Vec<String>> {
    ship_tos::table
        .inner_join(customers::table)
        .filter(customers::code.eq(code))
        .filter(ship_tos::active)
        .select(ship_tos::address)
        .load(connection)
        .await
}

/// Adds a ship-to address. A retired one is offered again.
pub async fn add_ship_to(user: &ActingUser<'_>, code: &str, typed: &str) -> Result<(), SaveError> {
    let mut reader = FieldReader::default();
    let missing = "Enter the consignee's name, street and city.";
    let address = reader.address("ship_to", typed, Some(missing));
    let address = reader.finish(address)?;
    change_with(user, code, async |connection, customer| {
        let new = "INSERT INTO ship_tos (customer_id, address) VALUES ($1, $2) \
                   ON CONFLICT (customer_id, md5(address)) DO UPDATE SET active = true WHERE NOT ship_tos.active";
        let query = diesel::sql_query(new).bind::<BigInt, _>(customer.id).bind::<Text, _>(&address);
        let added = query.execute(connection).await?;
        Ok((added == 1).then(|| json!({"ship_to": address, "offered": true})))
    })
    .await
}

pub async fn offer_ship_to(user: &ActingUser<'_>, code: &str, id: i64, active: bool) -> Result<(), SaveError> {
    change_with(user, code, async |connection, customer| {
        let row = ship_tos::table.find(id).filter(ship_tos::customer_id.eq(customer.id));
        let address: String = row.select(ship_tos::address).first(connection).await?;
        let changed = diesel::update(row.filter(ship_tos::active.ne(active))).set(ship_tos::active.eq(active));
        Ok((changed.execute(connection).await? == 1).then(|| json!({"ship_to": address, "offered": active})))
    })
    .await
}

/// Returns the addresses that get emails besides the logins, with their ids.
pub async fn addresses(connection: &mut AsyncPgConnection, customer_id: i64) -> QueryResult<Vec<(i64, String)>> {
    notice_addresses::table
        .filter(notice_addresses::customer_id.eq(customer_id))
        .order(notice_addresses::email)
        .select((notice_addresses::id, notice_addresses::email))
        .load(connection)
        .await
}

pub async fn add_address(user: &ActingUser<'_>, code: &str, typed: &str) -> Result<(), SaveError> {
    let wrong = |why: &str| Err(FieldErrors::one("address_email", why).into());
    let Some(email) = mail::read_address(typed) else {
        return wrong("This isn't an email address such as dock@example.com.");
    };
    let mut full = false;
    change_with(user, code, async |connection, customer| {
        let there = notice_addresses::table.filter(notice_addresses::customer_id.eq(customer.id)).count();
        if there.get_result::<i64>(connection).await? >= MAX_ADDRESSES {
            full = true;
            return Ok(None);
        }
        let new = diesel::insert_into(notice_addresses::table)
            .values((notice_addresses::customer_id.eq(customer.id), notice_addresses::email.eq(&email)))
            .on_conflict_do_nothing();
        Ok((new.execute(connection).await? == 1).then(|| json!({"mailed_besides": email, "added": true})))
    })
    .await?;
    if full { wrong(&format!("A customer can have {MAX_ADDRESSES} such addresses. Remove one first.")) } else { Ok(()) }
}

pub async fn remove_address(user: &ActingUser<'_>, code: &str, id: i64) -> Result<(), SaveError> {
    change_with(user, code, async |connection, customer| {
        let row = notice_addresses::table.find(id).filter(notice_addresses::customer_id.eq(customer.id));
        let removed: Option<String> =
            diesel::delete(row).returning(notice_addresses::email).get_result(connection).await.optional()?;
        Ok(removed.map(|email| json!({"mailed_besides": email, "added": false})))
    })
    .await
}
