//! Carriers, and their trucks with the trailers they come with.

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::paging::{ListSql, Paged};
use super::{MAX_OFFERED, entry};
use crate::bols::field_reader::FieldReader;
use crate::db::schema::{carriers, trucks};
use crate::field_errors::FieldErrors;

pub(super) const NO_CARRIER: &str = "Choose a carrier from the list.";

#[derive(
    Clone, Debug, PartialEq, Eq, Queryable, Selectable, QueryableByName, Insertable, AsChangeset, serde::Serialize,
)]
#[diesel(table_name = carriers, check_for_backend(diesel::pg::Pg))]
pub struct Carrier {
    pub name: String,
    /// Standard Carrier Alpha Code, or nothing.
    pub scac: String,
    /// Offered on the form of a new BOL.
    pub active: bool,
}

#[derive(
    Clone, Debug, PartialEq, Eq, Queryable, Selectable, QueryableByName, Insertable, AsChangeset, serde::Serialize,
)]
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

impl Paged for Carrier {
    const SQL: ListSql = ListSql {
        from: "carriers",
        columns: "name, scac, active",
        id: "id",
        active: "active",
        order: ["name", "''::text"],
        searched: &["name", "scac"],
    };
}

/// A truck on the list.
#[derive(Clone, Debug, QueryableByName)]
pub struct TruckRow {
    #[diesel(embed)]
    pub truck: Truck,
    #[diesel(sql_type = Text)]
    pub carrier_name: String,
}

impl Paged for TruckRow {
    const SQL: ListSql = ListSql {
        from: "trucks t JOIN carriers c ON c.id = t.carrier_id",
        columns: "t.carrier_id, t.truck_number, t.trailer_number, t.active, c.name AS carrier_name",
        id: "t.id",
        active: "t.active",
        order: ["c.name", "t.truck_number"],
        searched: &["t.truck_number", "t.trailer_number", "c.name", "c.scac"],
    };
}

/// Returns the ids and names of the carriers that a new truck can belong to.
pub async fn offered(connection: &mut AsyncPgConnection) -> QueryResult<Vec<(i64, String)>> {
    let offered = carriers::table.filter(carriers::active).order((carriers::name, carriers::id));
    offered.limit(MAX_OFFERED).select((carriers::id, carriers::name)).load(connection).await
}
