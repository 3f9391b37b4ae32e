//! The companies that buy from the terminal.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::schema::customers;

#[derive(Clone, Debug, Queryable, Selectable, serde::Serialize)]
#[diesel(table_name = customers, check_for_backend(diesel::pg::Pg))]
pub struct Customer {
    pub id: i64,
    pub code: String,
    pub name: String,
    pub active: bool,
}

#[derive(Insertable)]
#[diesel(table_name = customers)]
pub struct NewCustomer<'a> {
    pub code: &'a str,
    pub name: &'a str,
    pub address: &'a str,
}

impl NewCustomer<'_> {
    pub async fn insert(&self, connection: &mut AsyncPgConnection) -> QueryResult<Customer> {
        diesel::insert_into(customers::table)
            .values(self)
            .returning(Customer::as_returning())
            .get_result(connection)
            .await
    }
}

/// Returns code and name of the first active customers, by name.
pub async fn first_active(connection: &mut AsyncPgConnection, limit: usize) -> QueryResult<Vec<(String, String)>> {
    let active = customers::table.filter(customers::active).order((customers::name, customers::id));
    active.select((customers::code, customers::name)).limit(limit as i64).load(connection).await
}

pub async fn all(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Customer>> {
    customers::table.select(Customer::as_select()).order(customers::code).load(connection).await
}

/// Returns the ids of the codes that exist, in no particular order.
pub async fn with_codes(connection: &mut AsyncPgConnection, codes: &[String]) -> QueryResult<Vec<Customer>> {
    customers::table.select(Customer::as_select()).filter(customers::code.eq_any(codes)).load(connection).await
}

pub async fn code_of(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<String>> {
    customers::table.find(id).select(customers::code).first(connection).await.optional()
}
