//! Carriers, and their trucks with the trailers they come with.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{ListFilter, Listed, ONE_MORE, entry};
use crate::bols::field_reader::FieldReader;
use crate::db::schema::{carriers, trucks};
use crate::field_errors::FieldErrors;

pub(super) const NO_CARRIER: &str = "Choose a carrier from the list.";

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, serde::Serialize)]
#[diesel(table_name = carriers, check_for_backend(diesel::pg::Pg))]
pub struct Carrier {
    pub name: String,
    /// Standard Carrier Alpha Code, or nothing.
    pub scac: String,
    /// Offered on the form of a new BOL.
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset, serde::Serialize)]
#[diesel(table_name = trucks, check_for_backend(diesel::pg::Pg))]
pub struct Truck {
    pub carrier_id: i64,
    pub truck_number: String,
    pub trailer_number: String,
    pub active: bool,
}

/// A truck as it was typed.
pub struct TruckText<'a> {
    /// An id.
    pub carrier: &'a str,
    pub truck_number: &'a str,
    pub trailer_number: &'a str,
}

entry!(Carrier, carriers);

impl Carrier {
    /// Reads what was typed.
    pub fn read(name: &str, scac: &str, active: bool) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let name = reader.line("name", name, 200, Some("Enter the name of the carrier."));
        let scac = scac.trim().to_ascii_uppercase();
        let is_code = (2..=4).contains(&scac.len()) && scac.bytes().all(|b| b.is_ascii_uppercase());
        if !scac.is_empty() && !is_code {
            reader.errors.add("scac", "A SCAC has 2 to 4 letters, such as ABCD.");
        }
        reader.finish(Self { name, scac, active })
    }
}

entry!(Truck, trucks);

impl Truck {
    /// Reads what was typed.
    pub fn read(typed: &TruckText<'_>, active: bool) -> Result<Self, FieldErrors> {
        let mut reader = FieldReader::default();
        let carrier_id = reader.choice("carrier", typed.carrier, NO_CARRIER);
        let truck_number = reader.line("truck_number", typed.truck_number, 60, Some("Enter the number of the truck."));
        let trailer_number = reader.line("trailer_number", typed.trailer_number, 60, None);
        let Some(carrier_id) = carrier_id else { return Err(reader.errors) };
        reader.finish(Self { carrier_id, truck_number, trailer_number, active })
    }
}

/// Returns every entry with its id, active ones first.
pub async fn all(connection: &mut AsyncPgConnection) -> QueryResult<Listed<(i64, Carrier)>> {
    let rows = carriers::table
        .select((carriers::id, Carrier::as_select()))
        .order((carriers::active.desc(), carriers::name))
        .limit(ONE_MORE)
        .load(connection)
        .await?;
    Ok(Listed::new(rows))
}

/// Returns trucks with their ids and the names of their carriers, active ones first.
pub async fn trucks(
    connection: &mut AsyncPgConnection,
    filter: ListFilter<'_>,
) -> QueryResult<Listed<(i64, Truck, String)>> {
    let like = filter.pattern();
    let shown =
        trucks::truck_number.ilike(&like).or(trucks::trailer_number.ilike(&like)).or(carriers::name.ilike(&like));
    let first = trucks::id.eq(filter.first.unwrap_or_default());
    let rows = trucks::table
        .inner_join(carriers::table)
        .select((trucks::id, Truck::as_select(), carriers::name))
        .filter(shown)
        .order((first.desc(), trucks::active.desc(), carriers::name, trucks::truck_number))
        .limit(ONE_MORE)
        .load(connection)
        .await?;
    Ok(Listed::new(rows))
}
