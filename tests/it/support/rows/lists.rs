//! The office's lists, and the settings.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use primetrade::db::schema::{carriers, lots, products, settings, ship_tos, trucks};

use super::super::App;
use super::{find, load_all};

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = products)]
pub struct ProductRow {
    pub id: i64,
    pub name: String,
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = lots)]
pub struct LotRow {
    pub id: i64,
    pub number: String,
    pub product_id: Option<i64>,
    pub chemistry: String,
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = carriers)]
pub struct CarrierRow {
    pub id: i64,
    pub name: String,
    pub scac: String,
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = trucks)]
pub struct TruckRow {
    pub id: i64,
    pub carrier_id: i64,
    pub truck_number: String,
    pub trailer_number: String,
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = ship_tos)]
pub struct ShipToRow {
    pub id: i64,
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = settings)]
pub struct SettingsRow {
    pub company_name: String,
    pub company_address: String,
    pub company_phone: String,
    pub company_email: String,
}

load_all!(ProductRow, products, id);
load_all!(LotRow, lots, id);
load_all!(CarrierRow, carriers, id);
load_all!(TruckRow, trucks, id);
load_all!(ShipToRow, ship_tos, id);

impl App {
    pub async fn products(&self) -> Vec<ProductRow> {
        ProductRow::all(&mut *self.connection().await).await
    }

    pub async fn product(&self, name: &str) -> ProductRow {
        find(self.products().await, &format!("product {name}"), |product| product.name == name)
    }

    pub async fn lots(&self) -> Vec<LotRow> {
        LotRow::all(&mut *self.connection().await).await
    }

    pub async fn lot(&self, number: &str) -> LotRow {
        find(self.lots().await, &format!("lot {number}"), |lot| lot.number == number)
    }

    pub async fn carriers(&self) -> Vec<CarrierRow> {
        CarrierRow::all(&mut *self.connection().await).await
    }

    pub async fn carrier(&self, name: &str) -> CarrierRow {
        find(self.carriers().await, &format!("carrier {name}"), |carrier| carrier.name == name)
    }

    pub async fn trucks(&self) -> Vec<TruckRow> {
        TruckRow::all(&mut *self.connection().await).await
    }

    pub async fn truck(&self, number: &str) -> TruckRow {
        find(self.trucks().await, &format!("truck {number}"), |truck| truck.truck_number == number)
    }

    pub async fn ship_to(&self, first_line: &str) -> ShipToRow {
        let addresses = ShipToRow::all(&mut *self.connection().await).await;
        find(addresses, &format!("address {first_line}"), |ship_to| ship_to.address.starts_with(first_line))
    }

    pub async fn settings(&self) -> SettingsRow {
        let mut connection = self.connection().await;
        settings::table.select(SettingsRow::as_select()).first(&mut *connection).await.unwrap()
    }
}
