//! Products, and the lots of them with their chemistry.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::paging::{ListSql, Paged};
use super::{MAX_OFFERED, entry};
use crate::bols::field_reader::FieldReader;
use crate::db::schema::{lots, products};
use crate::field_errors::FieldErrors;

pub(super) const NO_PRODUCT: &str = "Choose a product from the list, or none.";

#[derive(
    Clone, Debug, PartialEq, Eq, Queryable, Selectable, QueryableByName, Insertable, AsChangeset, serde::Serialize,
)]
#[diesel(table_name = products, check_for_backend(diesel::pg::Pg))]
pub struct Product {
    pub name: String,
    /// Offered on the form of a new BOL.
    pub active: bool,
}

#[derive(
    Clone, Debug, PartialEq, Eq, Queryable, Selectable, QueryableByName, Insertable, AsChangeset, serde::Serialize,
)]
#[diesel(table_name = lots, treat_none_as_null = true, check_for_backend(diesel::pg::Pg))]
pub struct Lot {
    pub number: String,
    pub product_id: Option<i64>,
    pub chemistry: String,
    pub active: bool,
}

/// A lot as it was typed.
pub struct LotText<'a> {
    pub number: &'a str,
    /// An id, or nothing.
    pub product: &'a str,
    pub chemistry: &'a str,
}

entry!(Product, products);

impl Product {
    /// Reads what was typed.
    pub fn read(name: &str, active: bool) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let name = reader.line("name", name, 200, Some("Enter the name of the product."));
        reader.finish(Self { name, active })
    }
}

entry!(Lot, lots);

impl Lot {
    /// Reads what was typed.
    pub fn read(typed: &LotText<'_>, active: bool) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let number = reader.line("number", typed.number, 100, Some("Enter the number of the lot."));
        let product_id =
            if typed.product.trim().is_empty() { None } else { reader.choice("product", typed.product, NO_PRODUCT) };
        let chemistry = reader.line("chemistry", typed.chemistry, 300, None);
        reader.finish(Self { number, product_id, chemistry, active })
    }
}

impl Paged for Product {
    const SQL: ListSql = ListSql {
        from: "products",
        columns: "name, active",
        id: "id",
        active: "active",
        order: ["name", "''::text"],
        searched: &["name"],
    };
}

/// A lot on the list.
#[derive(Clone, Debug, QueryableByName)]
pub struct LotRow {
    #[diesel(embed)]
    pub lot: Lot,
    #[diesel(sql_type = Nullable<Text>)]
    pub product_name: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    pub product_active: Option<bool>,
}

impl Paged for LotRow {
    const SQL: ListSql = ListSql {
        from: "lots l LEFT JOIN products p ON p.id = l.product_id",
        columns: "l.number, l.product_id, l.chemistry, l.active, p.name AS product_name, p.active AS product_active",
        id: "l.id",
        active: "l.active",
        order: ["l.number", "''::text"],
        searched: &["l.number", "l.chemistry", "p.name"],
    };
}

/// Returns the ids and names of the products that a lot can be of.
pub async fn offered(connection: &mut AsyncPgConnection) -> QueryResult<Vec<(i64, String)>> {
    let offered = products::table.filter(products::active).order((products::name, products::id));
    offered.limit(MAX_OFFERED).select((products::id, products::name)).load(connection).await
}
