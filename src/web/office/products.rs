//! `/office/products`: the products and their lots, that the form of a new BOL offers.

use std::collections::HashSet;

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::Viewer;
use crate::bols::lists::products::{self, Lot, LotText, Product};
use crate::bols::lists::{ListFilter, MAX_LISTED, add_entry, change_entry};
use crate::db::Database;
use crate::field_errors::FieldErrors;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::refusal;
use crate::web::page::{Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/products.html")]
struct ProductsPage {
    layout: Layout,
    /// Whether the input could not be saved.
    problem: bool,
    most: usize,
    new_product: ProductEntry,
    products: Vec<ProductEntry>,
    more_products: bool,
    choices: Vec<Choice>,
    new_lot: LotEntry,
    lots: Vec<LotEntry>,
    more_lots: bool,
    find: String,
}

/// A row of the table and its form, or the form for a new entry.
#[derive(Default)]
struct ProductEntry {
    id: Option<i64>,
    /// The prefix of the ids of its fields.
    key: String,
    action: String,
    /// The saved values. Those of the form may differ.
    shown_name: String,
    shown_active: bool,
    name: String,
    active: bool,
    name_error: String,
    open: bool,
}

#[derive(Default)]
struct LotEntry {
    id: Option<i64>,
    key: String,
    action: String,
    shown_number: String,
    shown_product: String,
    shown_chemistry: String,
    shown_active: bool,
    number: String,
    product: String,
    chemistry: String,
    active: bool,
    number_error: String,
    product_error: String,
    chemistry_error: String,
    open: bool,
}

/// A product that a lot can have. A retired one is offered only to the lots that have it.
struct Choice {
    value: String,
    label: String,
    active: bool,
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
            "product-added" => "The product is on the list.",
            "product-saved" => "The product is saved. BOLs that were issued stay as they are.",
            "lot-added" => "The lot is on the list.",
            "lot-saved" => "The lot is saved. BOLs that were issued stay as they are.",
            _ => "",
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ProductForm {
    name: String,
    active: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct LotForm {
    number: String,
    product: String,
    chemistry: String,
    active: String,
}

impl LotForm {
    fn text(&self) -> LotText<'_> {
        LotText { number: &self.number, product: &self.product, chemistry: &self.chemistry }
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let mut page = ProductsPage::load(&site, &visitor, &db, ListFilter { fragment: &notice.find, first: None }).await?;
    page.layout = page.layout.notice(notice.text());
    Ok(page.respond_to(&request))
}

pub async fn add(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<ProductForm>,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = add_entry(&user, Product::read(&form.name, true)).await else { return Ok(done("product-added")) };
    let messages = refusal(error)?;
    let mut page = ProductsPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    page.new_product.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn change(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
    form: Form<ProductForm>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let changed = change_entry(&user, id, Product::read(&form.name, form.active == "true")).await;
    let Err(error) = changed else { return Ok(done("product-saved")) };
    let messages = refusal(error)?;
    let mut page = ProductsPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    let entry = page.products.iter_mut().find(|entry| entry.id == Some(id)).ok_or(Error::NotFound)?;
    entry.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn add_lot(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<LotForm>,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = add_entry(&user, Lot::read(&form.text(), true)).await else { return Ok(done("lot-added")) };
    let messages = refusal(error)?;
    let mut page = ProductsPage::load(&site, &visitor, &db, ListFilter::default()).await?;
    page.new_lot.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

pub async fn change_lot(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
    form: Form<LotForm>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let user = site.acting(&db, &visitor, &origin.0);
    let changed = change_entry(&user, id, Lot::read(&form.text(), form.active == "true")).await;
    let Err(error) = changed else { return Ok(done("lot-saved")) };
    let messages = refusal(error)?;
    let mut page =
        ProductsPage::load(&site, &visitor, &db, ListFilter { first: Some(id), ..ListFilter::default() }).await?;
    let entry = page.lots.iter_mut().find(|entry| entry.id == Some(id)).ok_or(Error::NotFound)?;
    entry.refuse(form.into_inner(), &messages);
    Ok(page.refused(&request))
}

fn done(word: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/office/products?done={word}"))).finish()
}

impl ProductsPage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database, filter: ListFilter<'_>) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let products = products::all(&mut connection).await?;
        let lots = products::lots(&mut connection, filter).await?;
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/products"),
            problem: false,
            most: MAX_LISTED,
            new_product: ProductEntry {
                key: "product-new".into(),
                action: "/office/products".into(),
                ..ProductEntry::default()
            },
            choices: choices(&products.rows, &lots.rows),
            products: products.rows.into_iter().map(|(id, product)| ProductEntry::new(id, product)).collect(),
            more_products: products.more,
            new_lot: LotEntry { key: "lot-new".into(), action: "/office/lots".into(), ..LotEntry::default() },
            lots: lots.rows.into_iter().map(|(id, lot, product)| LotEntry::new(id, lot, product)).collect(),
            more_lots: lots.more,
            find: filter.fragment.into(),
        })
    }

    fn refused(mut self, request: &HttpRequest) -> HttpResponse {
        self.problem = true;
        with_status(self.respond_to(request), StatusCode::UNPROCESSABLE_ENTITY)
    }
}

/// Returns every product of the page, and others that a lot of the page has: saving that lot must not lose its product.
fn choices(products: &[(i64, Product)], lots: &[(i64, Lot, Option<String>)]) -> Vec<Choice> {
    let choice = |id: i64, name: &str, active| {
        let label = if active { name.to_owned() } else { format!("{name} (retired)") };
        Choice { value: id.to_string(), label, active }
    };
    let mut known: HashSet<i64> = products.iter().map(|(id, _)| *id).collect();
    let mut choices: Vec<Choice> =
        products.iter().map(|(id, product)| choice(*id, &product.name, product.active)).collect();
    for (_, lot, name) in lots {
        if let (Some(id), Some(name)) = (lot.product_id, name)
            && known.insert(id)
        {
            choices.push(Choice { value: id.to_string(), label: name.clone(), active: false });
        }
    }
    choices
}

impl ProductEntry {
    fn new(id: i64, product: Product) -> Self {
        Self {
            id: Some(id),
            key: format!("product-{id}"),
            action: format!("/office/products/{id}"),
            shown_name: product.name.clone(),
            shown_active: product.active,
            name: product.name,
            active: product.active,
            ..Self::default()
        }
    }

    fn refuse(&mut self, form: ProductForm, messages: &FieldErrors) {
        self.name = form.name;
        self.active = form.active == "true";
        self.name_error = messages.message("name").unwrap_or_default().into();
        self.open = true;
    }
}

impl LotEntry {
    fn new(id: i64, lot: Lot, product: Option<String>) -> Self {
        Self {
            id: Some(id),
            key: format!("lot-{id}"),
            action: format!("/office/lots/{id}"),
            shown_number: lot.number.clone(),
            shown_product: product.unwrap_or_default(),
            shown_chemistry: lot.chemistry.clone(),
            shown_active: lot.active,
            number: lot.number,
            product: lot.product_id.map(|id| id.to_string()).unwrap_or_default(),
            chemistry: lot.chemistry,
            active: lot.active,
            ..Self::default()
        }
    }

    fn refuse(&mut self, form: LotForm, messages: &FieldErrors) {
        self.number = form.number;
        self.product = form.product;
        self.chemistry = form.chemistry;
        self.active = form.active == "true";
        self.number_error = messages.message("number").unwrap_or_default().into();
        self.product_error = messages.message("product").unwrap_or_default().into();
        self.chemistry_error = messages.message("chemistry").unwrap_or_default().into();
        self.open = true;
    }
}
