//! `/office/carriers`: the carriers and their trucks, that the form of a new BOL offers.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::Viewer;
use crate::bols::lists::carriers::{self, Carrier, Truck, TruckText};
use crate::bols::lists::{ListFilter, MAX_LISTED, add_entry, change_entry};
use crate::db::Database;
use crate::field_errors::FieldErrors;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::refusal;
use crate::web::page::{Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/carriers.html")]
struct CarriersPage {
    layout: Layout,
    /// Whether the input could not be saved.
    problem: bool,
    most: usize,
    new_carrier: CarrierEntry,
    carriers: Vec<CarrierEntry>,
    more_carriers: bool,
    choices: Vec<Choice>,
    new_truck: TruckEntry,
    trucks: Vec<TruckEntry>,
    more_trucks: bool,
    find: String,
}

/// A row of the table and its form, or the form for a new entry.
#[derive(Default)]
struct CarrierEntry {
    id: Option<i64>,
    /// The prefix of the ids of its fields.
    key: String,
    action: String,
    /// The saved values. Those of the form may differ.
    shown_name: String,
    shown_scac: String,
    shown_active: bool,
    name: String,
    scac: String,
    active: bool,
    name_error: String,
    scac_error: String,
    open: bool,
}

#[derive(Default)]
struct TruckEntry {
    id: Option<i64>,
    key: String,
    action: String,
    shown_carrier: String,
    shown_truck: String,
    shown_trailer: String,
    shown_active: bool,
    carrier: String,
    truck_number: String,
    trailer_number: String,
    active: bool,
    carrier_error: String,
    truck_error: String,
    trailer_error: String,
    open: bool,
}

/// A carrier that a new truck can have.
struct Choice {
    value: String,
    label: String,
}

#[derive(serde::Deserialize)]
pub struct Notice {
    #[serde(default)]
    done: String,
    /// The text to find in the longer list.
    #[serde(default)]
    find: String,
}

impl Notice {
    /// Returns a fixed text for a known word. No text of the URL is shown.
    fn text(&self) -> &'static str {
        match self.done.as_str() {
            "carrier-added" => "The carrier is on the list.",
            "carrier-saved" => "The carrier is saved. BOLs that were issued stay as they are.",
            "truck-added" => "The truck is on the list.",
            "truck-saved" => "The truck is saved. BOLs that were issued stay as they are.",
            _ => "",
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct CarrierForm {
    name: String,
    scac: String,
    active: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct TruckForm {
    carrier: String,
    truck_number: String,
    trailer_number: String,
    active: String,
}

impl TruckForm {
    fn text(&self) -> TruckText<'_> {
        TruckText { carrier: &self.carrier, truck_number: &self.truck_number, trailer_number: &self.trailer_number }
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let mut page = CarriersPage::load(&site, &visitor, &db, ListFilter { fragment: &notice.find, first: None }).await?;
    page.layout = page.layout.notice(notice.text());
    Ok(page.respond_to(&request))
}

pub async fn add(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<CarrierForm>,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = add_entry(&user, Carrier::read(&form.name, &form.scac, true)).await else {
        return Ok(done("carrier-added"));
    };
    let messages = refusal(error)?;
    let mut page = CarriersPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    page.new_carrier.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn change(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
    form: Form<CarrierForm>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let changed = change_entry(&user, id, Carrier::read(&form.name, &form.scac, form.active == "true")).await;
    let Err(error) = changed else { return Ok(done("carrier-saved")) };
    let messages = refusal(error)?;
    let mut page = CarriersPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    let entry = page.carriers.iter_mut().find(|entry| entry.id == Some(id)).ok_or(Error::NotFound)?;
    entry.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn add_truck(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<TruckForm>,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = add_entry(&user, Truck::read(&form.text(), true)).await else { return Ok(done("truck-added")) };
    let messages = refusal(error)?;
    let mut page = CarriersPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    page.new_truck.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn change_truck(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
    form: Form<TruckForm>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let changed = change_entry(&user, id, Truck::read(&form.text(), form.active == "true")).await;
    let Err(error) = changed else { return Ok(done("truck-saved")) };
    let messages = refusal(error)?;
    let mut page =
        CarriersPage::load(&site, &visitor, &db, ListFilter { first: Some(id), ..ListFilter::default() }).await?;
    let entry = page.trucks.iter_mut().find(|entry| entry.id == Some(id)).ok_or(Error::NotFound)?;
    entry.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

fn done(word: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/office/carriers?done={word}"))).finish()
}

impl CarriersPage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database, filter: ListFilter<'_>) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let carriers = carriers::all(&mut connection).await?;
        let trucks = carriers::trucks(&mut connection, filter).await?;
        let offered = carriers.rows.iter().filter(|(_, carrier)| carrier.active);
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/carriers"),
            problem: false,
            most: MAX_LISTED,
            new_carrier: CarrierEntry {
                key: "carrier-new".into(),
                action: "/office/carriers".into(),
                ..CarrierEntry::default()
            },
            choices: offered
                .map(|(id, carrier)| Choice { value: id.to_string(), label: carrier.name.clone() })
                .collect(),
            carriers: carriers.rows.into_iter().map(|(id, carrier)| CarrierEntry::new(id, carrier)).collect(),
            more_carriers: carriers.more,
            new_truck: TruckEntry { key: "truck-new".into(), action: "/office/trucks".into(), ..TruckEntry::default() },
            trucks: trucks.rows.into_iter().map(|(id, truck, carrier)| TruckEntry::new(id, truck, carrier)).collect(),
            more_trucks: trucks.more,
            find: filter.fragment.into(),
        })
    }

    fn refused(mut self, request: &HttpRequest) -> HttpResponse {
        self.problem = true;
        with_status(self.respond_to(request), StatusCode::UNPROCESSABLE_ENTITY)
    }
}

impl CarrierEntry {
    fn new(id: i64, carrier: Carrier) -> Self {
        Self {
            id: Some(id),
            key: format!("carrier-{id}"),
            action: format!("/office/carriers/{id}"),
            shown_name: carrier.name.clone(),
            shown_scac: carrier.scac.clone(),
            shown_active: carrier.active,
            name: carrier.name,
            scac: carrier.scac,
            active: carrier.active,
            ..Self::default()
        }
    }

    fn refuse(&mut self, form: CarrierForm, messages: &FieldErrors) {
        self.name = form.name;
        self.scac = form.scac;
        self.active = form.active == "true";
        self.name_error = messages.message("name").unwrap_or_default().into();
        self.scac_error = messages.message("scac").unwrap_or_default().into();
        self.open = true;
    }
}

impl TruckEntry {
    fn new(id: i64, truck: Truck, carrier: String) -> Self {
        Self {
            id: Some(id),
            key: format!("truck-{id}"),
            action: format!("/office/trucks/{id}"),
            shown_carrier: carrier,
            shown_truck: truck.truck_number.clone(),
            shown_trailer: truck.trailer_number.clone(),
            shown_active: truck.active,
            carrier: truck.carrier_id.to_string(),
            truck_number: truck.truck_number,
            trailer_number: truck.trailer_number,
            active: truck.active,
            ..Self::default()
        }
    }

    fn refuse(&mut self, form: TruckForm, messages: &FieldErrors) {
        self.carrier = form.carrier;
        self.truck_number = form.truck_number;
        self.trailer_number = form.trailer_number;
        self.active = form.active == "true";
        self.carrier_error = messages.message("carrier").unwrap_or_default().into();
        self.truck_error = messages.message("truck_number").unwrap_or_default().into();
        self.trailer_error = messages.message("trailer_number").unwrap_or_default().into();
        self.open = true;
    }
}
