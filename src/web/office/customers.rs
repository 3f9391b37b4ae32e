//! `/office/customers`: the companies that buy, and the page of one: details, ship-tos, people, mail, its newest BOLs.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::{Viewer, directory, see_as};
use crate::bols::lists::customers::{self, CustomerRow, Full, ShipTo};
use crate::bols::lists::{ListFilter, MAX_LISTED, Messages};
use crate::bols::search::{self, Search};
use crate::bols::weight::Pounds;
use crate::db::Database;
use crate::db::scope::Scope;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::{Fields, refusal};
use crate::web::page::{self, Layout, timestamp, with_status};
use crate::web::person::PersonRow;
use crate::web::request::Origin;
use crate::web::{Error, Site, auth};

/// BOLs that the page of a customer shows.
const NEWEST: usize = 5;

#[derive(Template, WebTemplate)]
#[template(path = "office/customers.html")]
struct CustomersPage {
    layout: Layout,
    problem: bool,
    open: bool,
    most: usize,
    code: String,
    name: String,
    address: String,
    code_error: String,
    name_error: String,
    address_error: String,
    /// With the date of the last BOL, or nothing.
    customers: Vec<(CustomerRow, String)>,
    more: bool,
    find: String,
}

#[derive(Template, WebTemplate)]
#[template(path = "office/customer.html")]
struct CustomerPage {
    layout: Layout,
    problem: bool,
    customer: Full,
    reminded: String,
    /// Of the form, which may differ from what is saved.
    name: String,
    address: String,
    remind: bool,
    messages: Messages,
    ship_tos: Vec<ShipTo>,
    ship_to: String,
    addresses: Vec<(i64, String)>,
    address_email: String,
    people: Vec<PersonRow>,
    bols: Vec<BolLine>,
}

struct BolLine {
    number: String,
    date: String,
    product: String,
    tons: String,
    is_void: bool,
}

#[derive(Template, WebTemplate)]
#[template(path = "office/customer_active.html")]
struct ActivePage {
    layout: Layout,
    customer: Full,
    logins: usize,
}

#[derive(serde::Deserialize)]
pub struct Asked {
    #[serde(default)]
    find: String,
    #[serde(default)]
    done: String,
}

/// Known words only: nothing of the address is shown.
fn notice(done: &str) -> &'static str {
    match done {
        "added" => "The customer is added. Next: invite its people, so that they find their bills of lading.",
        "saved" => "Saved. BOLs that were issued stay as they are.",
        "ship-to" => "The ship-to addresses are saved. BOLs that were issued stay as they are.",
        "address" => "The list of addresses is saved.",
        "active" => "The customer is active again: it gets BOLs, and its people see theirs.",
        "inactive" => "The customer is inactive: it gets no new BOLs, and its people see none.",
        "looked" => "You are yourself again.",
        _ => "",
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Error> {
    let page = CustomersPage::load(&site, &visitor, &db, &asked.find).await?;
    Ok(page.respond_to(&request))
}

pub async fn add(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let (code, name, address) = (fields.one("code"), fields.one("name"), fields.one("address"));
    let messages = match customers::add(&user, code, name, address).await {
        Ok(code) => return Ok(to(&code, "added")),
        Err(error) => refusal(error)?,
    };
    let page = CustomersPage {
        problem: true,
        open: true,
        code: code.into(),
        name: name.into(),
        address: address.into(),
        code_error: messages.of("code").into(),
        name_error: messages.of("name").into(),
        address_error: messages.of("address").into(),
        ..CustomersPage::load(&site, &visitor, &db, "").await?
    };
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

/// `GET /office/customers/{code}`
pub async fn customer(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    code: Path<String>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Error> {
    let mut page = CustomerPage::load(&site, &visitor, &db, &code).await?;
    page.layout.notice = notice(&asked.done);
    Ok(page.respond_to(&request))
}

/// `POST /office/customers/{code}`: `name`, `address`, `remind`.
pub async fn save(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    code: Path<String>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let code = known(&code)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let (name, address, remind) = (fields.one("name"), fields.one("address"), fields.one("remind") == "true");
    let Err(error) = customers::change(&user, code, name, address, remind).await else {
        return Ok(to(code, "saved"));
    };
    let messages = refusal(error)?;
    let page = CustomerPage::load(&site, &visitor, &db, code).await?;
    let page = CustomerPage { name: name.into(), address: address.into(), remind, ..page };
    Ok(page.refused(&request, messages))
}

/// `POST /office/customers/{code}/{change}`: one small change each.
pub async fn change(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let (code, change) = path.into_inner();
    let code = known(&code)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let id = || fields.one("id").parse::<i64>().map_err(|_| Error::BadRequest);
    let is_active = fields.one("active") == "true";
    let (changed, word) = match change.as_str() {
        "active" => {
            let word = if is_active { "active" } else { "inactive" };
            (customers::set_active(&user, code, is_active).await, word)
        }
        "ship-tos" => (customers::add_ship_to(&user, code, fields.one("ship_to")).await, "ship-to"),
        "ship-to" => (customers::offer_ship_to(&user, code, id()?, is_active).await, "ship-to"),
        "addresses" => (customers::add_address(&user, code, fields.one("address_email")).await, "address"),
        "address" => (customers::remove_address(&user, code, id()?).await, "address"),
        _ => return Err(Error::NotFound),
    };
    let Err(error) = changed else { return Ok(to(code, word)) };
    let messages = refusal(error)?;
    let page = CustomerPage::load(&site, &visitor, &db, code).await?;
    let (ship_to, address_email) = (fields.one("ship_to").into(), fields.one("address_email").into());
    Ok(CustomerPage { ship_to, address_email, ..page }.refused(&request, messages))
}

/// `GET /office/customers/{code}/state`: asks before the people of a company lose sight of their BOLs.
pub async fn ask_active(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    code: Path<String>,
) -> Result<HttpResponse, Error> {
    let mut connection = db.get().await?;
    let customer = customers::one(&mut connection, known(&code)?).await?.ok_or(Error::NotFound)?;
    let logins = directory::members(&mut connection, customer.id).await?.len();
    let page = ActivePage { layout: Layout::new(&site, Some(&visitor), "/office/customers"), customer, logins };
    Ok(page.respond_to(&request))
}

/// `POST /office/customers/{code}/see-as`
pub async fn begin_to_see_as(
    visitor: Visitor<OfficeStaff>,
    db: Data<Database>,
    origin: Origin,
    code: Path<String>,
) -> Result<HttpResponse, Error> {
    let customer = customers::one(&mut *db.get().await?, known(&code)?).await?.ok_or(Error::NotFound)?;
    // Its people see nothing either.
    if !customer.active {
        return Err(Error::NotFound);
    }
    see_as::begin(&db, &visitor, &origin.0, customer.id, &customer.code).await?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/bols")).finish())
}

/// `POST /see-as/end`: the one change that somebody who looks as a customer can make.
pub async fn stop_seeing_as(request: HttpRequest, db: Data<Database>, origin: Origin) -> Result<HttpResponse, Error> {
    let viewer = auth::current(&request)?.ok_or(Error::LoginRequired)?;
    let place = match see_as::end(&db, &viewer, &origin.0).await? {
        Some(code) => format!("/office/customers/{code}?done=looked"),
        None => "/".into(),
    };
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
}

fn to(code: &str, word: &str) -> HttpResponse {
    let place = format!("/office/customers/{code}?done={word}");
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}

/// A code can be made of these; whatever else is asked for isn't there.
fn known(code: &str) -> Result<&str, Error> {
    let fits = code.len() <= 16 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(code) } else { Err(Error::NotFound) }
}

fn with_last_bol(line: CustomerRow) -> (CustomerRow, String) {
    let last = line.last_bol.map(page::date).unwrap_or_default();
    (line, last)
}

impl CustomersPage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database, find: &str) -> Result<Self, Error> {
        let wanted = ListFilter { fragment: find, first: None };
        let listed = customers::all(&mut *db.get().await?, wanted).await?;
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/customers"),
            problem: false,
            open: listed.rows.is_empty() && find.is_empty(),
            most: MAX_LISTED,
            code: String::new(),
            name: String::new(),
            address: String::new(),
            code_error: String::new(),
            name_error: String::new(),
            address_error: String::new(),
            customers: listed.rows.into_iter().map(with_last_bol).collect(),
            more: listed.more,
            find: find.into(),
        })
    }
}

impl CustomerPage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database, code: &str) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let customer = customers::one(&mut connection, known(code)?).await?.ok_or(Error::NotFound)?;
        let ship_tos = customers::ship_tos_of(&mut connection, customer.id).await?;
        let addresses = customers::addresses(&mut connection, customer.id).await?;
        let people = directory::members(&mut connection, customer.id).await?;
        drop(connection);
        let newest = Search { customer: Some(customer.id), ..Search::default() };
        let found = search::search(db, &Scope::All, &newest).await?;
        let bols = found.rows.into_iter().take(NEWEST).map(|(row, _)| BolLine {
            date: page::date(row.bol_date),
            tons: Pounds(row.net_lb).short_tons(),
            is_void: row.voided_at.is_some(),
            product: row.product,
            number: row.number,
        });
        let now = site.clock.now();
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/customers"),
            problem: false,
            reminded: customer.reminded_at.map(|at| timestamp(at, site.time_zone).text).unwrap_or_default(),
            name: customer.details.name.clone(),
            address: customer.details.address.clone(),
            remind: customer.details.remind,
            messages: Messages::default(),
            ship_tos,
            ship_to: String::new(),
            addresses,
            address_email: String::new(),
            people: people.into_iter().map(|person| PersonRow::new(person, now, site.time_zone)).collect(),
            bols: bols.collect(),
            customer,
        })
    }

    fn refused(self, request: &HttpRequest, messages: Messages) -> HttpResponse {
        let page = Self { problem: true, messages, ..self };
        with_status(page.respond_to(request), StatusCode::UNPROCESSABLE_ENTITY)
    }
}
