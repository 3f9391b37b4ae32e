//! `/office/customers`: the list of customers, and the page of one: details, ship-tos, logins, email addresses, new BOLs.

use actix_web::http::StatusCode;
use actix_web::web::{Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::accounts::{directory, see_as};
use crate::bols::lists::customers::{self, CustomerRow, Full, ShipTo};
use crate::bols::lists::paging::{self, ListPage, Placed};
use crate::bols::search::{self, Search};
use crate::bols::weight::Pounds;
use crate::db::scope::Scope;
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::{self, Fresh, OfficeStaff};
use crate::web::context::{Context, PublicContext};
use crate::web::flash::{Done, Flash, customer as flash, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Fields, refusal};
use crate::web::list_query::{ListName, ListQuery};
use crate::web::login_session::LoginSession;
use crate::web::page::{self, Layout, Pager, html, html_with_status, timestamp};
use crate::web::person::{self, PersonRow};

const HERE: &str = "/office/customers";
const CUSTOMERS: ListName = ListName { list: "customers", entry: "customer" };
/// Number of BOLs on the page of a customer.
const SHOWN_BOLS: usize = 5;

#[derive(Template)]
#[template(path = "office/customers.html")]
struct CustomersPage {
    layout: Layout,
    open: bool,
    code: String,
    name: String,
    address: String,
    errors: FieldErrors,
    /// Each with the date of its last BOL.
    customers: Vec<(CustomerRow, Option<String>)>,
    pager: Pager,
    find: String,
}

#[derive(Template)]
#[template(path = "office/customer.html")]
struct CustomerPage {
    layout: Layout,
    customer: Full,
    reminded: Option<String>,
    /// The form's fields, which may differ from the saved details.
    name: String,
    address: String,
    remind: bool,
    errors: FieldErrors,
    ship_tos: Vec<ShipTo>,
    ship_to: String,
    addresses: Vec<(i64, String)>,
    address_email: String,
    people: Vec<PersonRow>,
    bols: Vec<BolRow>,
}

struct BolRow {
    number: String,
    date: String,
    product: String,
    tons: String,
    is_void: bool,
}

#[derive(Template)]
#[template(path = "office/customer_active.html")]
struct ActivePage {
    layout: Layout,
    customer: Full,
    logins: usize,
}

/// `GET /office/customers?find=…`: a fragment of a name or a code.
pub async fn page(context: Context<OfficeStaff>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let query = ListQuery::of_request(&request, HERE, &[CUSTOMERS]);
    let page = CustomersPage::load(&context, &query).await?;
    let status = if query.is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(html_with_status(&page, status))
}

/// `POST /office/customers`: `code`, `name`, `address`.
pub async fn add(context: Context<OfficeStaff>, fields: Fields) -> Result<HttpResponse, Error> {
    let user = context.acting();
    let (code, name, address) = (fields.one("code"), fields.one("name"), fields.one("address"));
    let errors = match context.change(customers::add(&user, code, name, address)).await {
        Ok(code) => return Ok(to_customer(&code, flash::ADDED)),
        Err(error) => refusal(error)?,
    };
    let page = CustomersPage::load(&context, &ListQuery::read(HERE, &[CUSTOMERS], "")).await?;
    let page = CustomersPage {
        open: true,
        code: code.into(),
        name: name.into(),
        address: address.into(),
        layout: page.layout.not_saved(&errors, str::to_owned),
        errors,
        ..page
    };
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// `GET /office/customers/{code}`
pub async fn customer(
    context: Context<OfficeStaff>,
    code: Path<String>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let mut page = CustomerPage::load(&context, &code).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST /office/customers/{code}`: `name`, `address`, `remind`.
pub async fn save(context: Context<OfficeStaff>, code: Path<String>, fields: Fields) -> Result<HttpResponse, Error> {
    let code = checked(&code)?;
    let user = context.acting();
    let (name, address, remind) = (fields.one("name"), fields.one("address"), fields.one("remind") == "true");
    let Err(error) = context.change(customers::change(&user, code, name, address, remind)).await else {
        return Ok(to_customer(code, flash::SAVED));
    };
    let errors = refusal(error)?;
    let page = CustomerPage::load(&context, code).await?;
    let page = CustomerPage { name: name.into(), address: address.into(), remind, ..page };
    Ok(page.refused(errors))
}

/// `POST /office/customers/{code}/{change}`: `active`, `ship-tos`, `ship-to`, `addresses` or `address`.
pub async fn change(
    context: Context<OfficeStaff>,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let (code, change) = path.into_inner();
    let code = checked(&code)?;
    let user = context.acting();
    let id = || fields.one("id").parse::<i64>().map_err(|_| Error::BadRequest);
    let is_active = fields.one("active") == "true";
    let (changed, flash) = match change.as_str() {
        "active" => {
            let flash = if is_active { flash::ACTIVATED } else { flash::DEACTIVATED };
            (context.change(customers::set_active(&user, code, is_active)).await, flash)
        }
        "ship-tos" => {
            let added = customers::add_ship_to(&user, code, fields.one("ship_to"));
            (context.change(added).await, flash::SHIP_TOS_SAVED)
        }
        "ship-to" => {
            let offered = customers::offer_ship_to(&user, code, id()?, is_active);
            (context.change(offered).await, flash::SHIP_TOS_SAVED)
        }
        "addresses" => {
            let added = customers::add_address(&user, code, fields.one("address_email"));
            (context.change(added).await, flash::ADDRESSES_SAVED)
        }
        "address" => {
            let removed = customers::remove_address(&user, code, id()?);
            (context.change(removed).await, flash::ADDRESSES_SAVED)
        }
        _ => return Err(Error::NotFound),
    };
    let Err(error) = changed else { return Ok(to_customer(code, flash)) };
    let errors = refusal(error)?;
    let page = CustomerPage::load(&context, code).await?;
    let (ship_to, address_email) = (fields.one("ship_to").into(), fields.one("address_email").into());
    Ok(CustomerPage { ship_to, address_email, ..page }.refused(errors))
}

/// `POST /office/customers/{code}/second-factor`: `required`, `true` or missing.
pub async fn require_factor(
    context: Context<Fresh<OfficeStaff>>,
    code: Path<String>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let customer = customers::one(&mut *context.db.get().await?, checked(&code)?).await?.ok_or(Error::NotFound)?;
    let required = context.acting().require_factor(customer.id, fields.one("required") == "true").await;
    required.map_err(person::error)?;
    Ok(to_customer(&customer.code, flash::FACTOR_SAVED))
}

/// `GET /office/customers/{code}/state`: asks for confirmation before a customer's logins lose access to their BOLs.
pub async fn ask_active(context: Context<OfficeStaff>, code: Path<String>) -> Result<HttpResponse, Error> {
    let mut connection = context.db.get().await?;
    let customer = customers::one(&mut connection, checked(&code)?).await?.ok_or(Error::NotFound)?;
    let logins = directory::members(&mut connection, customer.id).await?.len();
    let page = ActivePage { layout: context.layout(HERE), customer, logins };
    Ok(html(&page))
}

/// `POST /office/customers/{code}/see-as`
pub async fn begin_to_see_as(
    context: Context<Fresh<OfficeStaff>>,
    session: LoginSession,
    code: Path<String>,
) -> Result<HttpResponse, Error> {
    let customer = customers::one(&mut *context.db.get().await?, checked(&code)?).await?.ok_or(Error::NotFound)?;
    // The logins of an inactive customer see nothing either.
    if !customer.active {
        return Err(Error::NotFound);
    }
    let seen = (customer.id, customer.code.as_str());
    let token = see_as::begin(&context.db, &context.viewer, &context.origin, seen).await?;
    session.start(&token.ok_or(Error::LoginRequired)?)?;
    Ok(see_other("/bols", None))
}

/// `POST /see-as/end`: the only change allowed while viewing as a customer.
pub async fn stop_seeing_as(
    request: HttpRequest,
    context: PublicContext,
    session: LoginSession,
) -> Result<HttpResponse, Error> {
    let viewer = auth::current(&request)?.ok_or(Error::LoginRequired)?;
    let Some((code, token)) = see_as::end(&context.db, &viewer, &context.origin).await? else {
        return Ok(see_other("/", None));
    };
    session.start(&token.ok_or(Error::LoginRequired)?)?;
    Ok(to_customer(code, flash::VIEWED_AS))
}

fn to_customer(code: &str, flash: Flash) -> HttpResponse {
    see_other(&format!("{HERE}/{code}"), Some(flash))
}

/// Refuses what can't be a customer's code.
fn checked(code: &str) -> Result<&str, Error> {
    let fits = code.len() <= 16 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(code) } else { Err(Error::NotFound) }
}

fn with_last_bol(row: CustomerRow) -> (CustomerRow, Option<String>) {
    let last = row.last_bol.map(page::date);
    (row, last)
}

impl CustomersPage {
    async fn load(context: &Context<OfficeStaff>, query: &ListQuery) -> Result<Self, Error> {
        let listed: ListPage<CustomerRow> =
            paging::load(&mut *context.db.get().await?, &query.find, query.place(CUSTOMERS)).await?;
        let layout = context.layout(HERE);
        Ok(Self {
            layout: if query.is_wrong { layout.no_such_page() } else { layout },
            open: listed.rows.is_empty() && query.find.is_empty(),
            code: String::new(),
            name: String::new(),
            address: String::new(),
            errors: FieldErrors::default(),
            pager: query.pager(CUSTOMERS, &listed),
            customers: listed.rows.into_iter().map(|Placed { row, .. }| with_last_bol(row)).collect(),
            find: query.find.clone(),
        })
    }
}

impl CustomerPage {
    async fn load(context: &Context<OfficeStaff>, code: &str) -> Result<Self, Error> {
        let Context { site, db, .. } = context;
        let mut connection = db.get().await?;
        let customer = customers::one(&mut connection, checked(code)?).await?.ok_or(Error::NotFound)?;
        let ship_tos = customers::ship_tos_of(&mut connection, customer.id).await?;
        let addresses = customers::addresses(&mut connection, customer.id).await?;
        let people = directory::members(&mut connection, customer.id).await?;
        drop(connection);
        let newest = Search { customer: Some(customer.id), ..Search::default() };
        let found = search::search(db, &Scope::All, &newest).await?;
        let bols = found.rows.into_iter().take(SHOWN_BOLS).map(|(row, _)| BolRow {
            date: page::date(row.bol_date),
            tons: Pounds(row.net_lb).short_tons(),
            is_void: row.voided_at.is_some(),
            product: row.product,
            number: row.number,
        });
        let now = site.clock.now();
        Ok(Self {
            layout: context.layout(HERE),
            reminded: customer.reminded_at.map(|at| timestamp(at, site.time_zone).text),
            name: customer.details.name.clone(),
            address: customer.details.address.clone(),
            remind: customer.details.remind,
            errors: FieldErrors::default(),
            ship_tos,
            ship_to: String::new(),
            addresses,
            address_email: String::new(),
            people: people.into_iter().map(|person| PersonRow::new(person, now, site.time_zone)).collect(),
            bols: bols.collect(),
            customer,
        })
    }

    /// Whether the form with this field is shown first: what was typed there is wrong, or was not saved.
    fn is_first(&self, field: &str) -> bool {
        let typed = if field == "ship_to" { &self.ship_to } else { &self.address_email };
        self.errors.message(field).is_some() || self.layout.problem.is_some() && !typed.is_empty()
    }

    fn refused(self, errors: FieldErrors) -> HttpResponse {
        let id = |field: &str| match field {
            "address_email" => format!("besides-{field}"),
            "ship_to" => field.to_owned(),
            _ => format!("details-{field}"),
        };
        let page = Self { layout: self.layout.not_saved(&errors, id), errors, ..self };
        html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY)
    }
}
