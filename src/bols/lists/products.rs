//! Products, and the lots of them with their chemistry.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{ListFilter, Listed, ONE_MORE, entry};
use crate::bols::field_reader::FieldReader;
use crate::db::schema::{lots, products};
use crate::field_errors::FieldErrors;

pub(super) const NO_PRODUCT: &str = "Choose a product from the list, or none.";

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, serde::Serialize)]
#[diesel(table_name = products, check_for_backend(diesel::pg::Pg))]
pub struct Product {
    pub name: String,
    /// Offered on the form of a new BOL.
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, serde::Serialize)]
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

/// Returns every entry with its id, active ones first.
pub async fn all(connection: &mut AsyncPgConnection) -> QueryResult<Listed<(i64, Product)>> {
    let rows = products::table
        .select((products::id, Product::as_select()))
        .order((products::active.desc(), products::name))
        .limit(ONE_MORE)
        .load(connection)
        .await?;
    Ok(Listed::new(rows))
}

/// Returns lots with their ids and the names of their products, active ones first.
pub async fn lots(
    connection: &mut AsyncPgConnection,
    filter: ListFilter<'_>,
) -> QueryResult<Listed<(i64, Lot, Option<String>)>> {
    let like = filter.pattern();
    let product = products::name.nullable().ilike(&like).assume_not_null();
    let shown = lots::number.ilike(&like).or(lots::chemistry.ilike(&like)).or(product);
    let first = lots::id.eq(filter.first.unwrap_or_default());
    let rows = lots::table
        .left_join(products::table)
        .select((lots::id, Lot::as_select(), products::name.nullable()))
        .filter(shown)
        .order((first.desc(), lots::active.desc(), lots::number))
        .limit(ONE_MORE)
        .load(connection)
        .await?;
    Ok(Listed::new(rows))
}
