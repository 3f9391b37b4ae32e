//! The choices in the form of a new BOL. Issuing a BOL adds its new names to the lists.
//!
//! Editing the lists belongs in [`super::lists`].

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::{try_join3, try_join5};

use super::BolNumber;
use super::bol::Bol;
use super::fields::Printed;
use super::settings::Company;
use crate::accounts::customers::Customer;
use crate::db::schema::{bols, carriers, customers, lots, products, settings, ship_tos, trucks};
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbResult};

/// Entries of each list that the form offers.
const MAX_OFFERED: i64 = 500;

pub struct Choices {
    pub customers: Vec<Customer>,
    pub products: Vec<String>,
    /// Number and chemistry.
    pub lots: Vec<(String, String)>,
    /// Name and SCAC.
    pub carriers: Vec<(String, String)>,
    /// Truck, trailer and carrier.
    pub trucks: Vec<(String, String, String)>,
    /// Ship-to addresses of the chosen customer.
    pub ship_tos: Vec<String>,
    /// The chosen customer's newest load.
    pub last: Option<LastLoad>,
    pub company: Company,
}

/// A customer's newest load.
#[derive(Queryable)]
pub struct LastLoad {
    pub number: String,
    pub printed: Printed,
}

/// Returns what the form offers. `customer` is the code of the chosen customer, or empty.
pub async fn choices(db: &Database, customer: &str) -> DbResult<Choices> {
    scope::read(db, &Scope::All, async |connection: &AsyncPgConnection| {
        let (mut a, mut b, mut c, mut d, mut e) = (connection, connection, connection, connection, connection);
        let lists = try_join5(
            customers::table
                .filter(customers::active)
                .order(customers::name)
                .limit(MAX_OFFERED)
                .select(Customer::as_select())
                .load(&mut a),
            products::table
                .filter(products::active)
                .order(products::name)
                .limit(MAX_OFFERED)
                .select(products::name)
                .load(&mut b),
            lots::table
                .filter(lots::active)
                .order(lots::id.desc())
                .limit(MAX_OFFERED)
                .select((lots::number, lots::chemistry))
                .load(&mut c),
            carriers::table
                .filter(carriers::active)
                .order(carriers::name)
                .limit(MAX_OFFERED)
                .select((carriers::name, carriers::scac))
                .load(&mut d),
            trucks::table
                .inner_join(carriers::table)
                .filter(trucks::active)
                .order(trucks::id.desc())
                .limit(MAX_OFFERED)
                .select((trucks::truck_number, trucks::trailer_number, carriers::name))
                .load(&mut e),
        );
        let (mut f, mut g, mut h) = (connection, connection, connection);
        let of_customer = try_join3(
            ship_tos::table
                .inner_join(customers::table)
                .filter(customers::code.eq(customer))
                .filter(ship_tos::active)
                .order(ship_tos::address)
                .limit(MAX_OFFERED)
                .select(ship_tos::address)
                .load(&mut f),
            last_load(&mut g, customer),
            settings::table.select(Company::as_select()).first(&mut h),
        );
        let ((customers, products, lots, carriers, trucks), (ship_tos, last, company)) =
            futures_util::future::try_join(lists, of_customer).await?;
        Ok(Choices { customers, products, lots, carriers, trucks, ship_tos, last, company })
    })
    .await
}

async fn last_load(connection: &mut &AsyncPgConnection, customer: &str) -> QueryResult<Option<LastLoad>> {
    let id = customers::table.filter(customers::code.eq(customer)).select(customers::id.nullable()).single_value();
    bols::table
        .filter(bols::customer_id.eq(id))
        .order(bols::created_at.desc())
        .select((bols::number, Printed::as_select()))
        .first(connection)
        .await
        .optional()
}

/// Returns the newest loads of the customer with this code. One of them has filled in the form.
pub async fn recent(db: &Database, customer: &str) -> DbResult<Vec<Printed>> {
    const RECENT: i64 = 20;
    let mut connection = db.get().await?;
    let id = customers::table.filter(customers::code.eq(customer)).select(customers::id.nullable()).single_value();
    let query = bols::table.filter(bols::customer_id.eq(id)).order(bols::created_at.desc()).limit(RECENT);
    Ok(query.select(Printed::as_select()).load(&mut connection).await?)
}

/// Returns the BOL with this number, whichever customer has it.
pub async fn bol(db: &Database, number: &BolNumber) -> DbResult<Option<Bol>> {
    let mut connection = db.get().await?;
    let query = bols::table.filter(bols::number.eq(number.as_str())).select(Bol::as_select());
    Ok(query.first(&mut connection).await.optional()?)
}

/// Adds to the lists what a new BOL names for the first time.
///
/// Existing entries stay as they are, except for the trailer of a truck and a missing SCAC.
pub async fn remember(connection: &mut AsyncPgConnection, customer_id: i64, load: &Printed) -> QueryResult<()> {
    diesel::sql_query(
        "WITH product AS (
             INSERT INTO products (name) VALUES ($1) ON CONFLICT (lower(name)) DO NOTHING RETURNING id),
         carrier AS (
             INSERT INTO carriers (name, scac) VALUES ($2, $3) ON CONFLICT (lower(name))
             DO UPDATE SET scac = CASE WHEN carriers.scac = '' THEN excluded.scac ELSE carriers.scac END RETURNING id),
         lot AS (
             INSERT INTO lots (number, product_id, chemistry)
             SELECT $4, coalesce((SELECT id FROM product), (SELECT id FROM products WHERE lower(name) = lower($1))), $5
             WHERE $4 <> '' ON CONFLICT (lower(number)) DO NOTHING),
         truck AS (
             INSERT INTO trucks (carrier_id, truck_number, trailer_number) SELECT id, $6, $7 FROM carrier WHERE $6 <> ''
             ON CONFLICT (carrier_id, lower(truck_number)) DO UPDATE SET trailer_number = excluded.trailer_number
             WHERE excluded.trailer_number NOT IN ('', trucks.trailer_number))
         INSERT INTO ship_tos (customer_id, address) VALUES ($8, $9) ON CONFLICT (customer_id, md5(address)) DO NOTHING",
    )
    .bind::<Text, _>(&load.product)
    .bind::<Text, _>(&load.carrier)
    .bind::<Text, _>(&load.carrier_scac)
    .bind::<Text, _>(&load.lot)
    .bind::<Text, _>(&load.chemistry)
    .bind::<Text, _>(&load.truck_number)
    .bind::<Text, _>(&load.trailer_number)
    .bind::<BigInt, _>(customer_id)
    .bind::<Text, _>(&load.ship_to)
    .execute(connection)
    .await
    .map(drop)
}

/// Returns the code of the customer that has the BOL.
pub async fn customer_of(db: &Database, bol: &Bol) -> DbResult<Option<String>> {
    let Some(id) = bol.customer_id else { return Ok(None) };
    let mut connection = db.get().await?;
    Ok(crate::accounts::customers::code_of(&mut connection, id).await?)
}
