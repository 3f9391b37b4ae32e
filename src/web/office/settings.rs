//! `/office/settings`: the terminal itself, as the next BOL prints it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::Viewer;
use crate::bols::lists::{Clerk, Messages};
use crate::bols::settings::{self, Company};
use crate::db::Database;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::refusal;
use crate::web::page::{Chrome, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/settings.html")]
struct SettingsPage {
    chrome: Chrome,
    /// Something was typed that can't be saved.
    problem: bool,
    company: Company,
    name_error: String,
    address_error: String,
    phone_error: String,
    email_error: String,
}

#[derive(serde::Deserialize)]
pub struct Notice {
    #[serde(default)]
    done: String,
}

impl Notice {
    /// Known words only: nothing of the address is shown.
    fn text(&self) -> &'static str {
        match self.done.as_str() {
            "saved" => "The settings are saved. The next BOL prints them; those that were issued stay as they are.",
            _ => "",
        }
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let company = settings::company(&mut *db.get().await?).await?;
    let mut page = SettingsPage::new(&site, &visitor, company, None);
    page.chrome.notice = notice.text();
    Ok(page.respond_to(&request))
}

pub async fn save(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<Company>,
) -> Result<HttpResponse, Error> {
    let clerk = Clerk { db: &db, actor: visitor.actor(), origin: &origin.0 };
    let Err(error) = settings::save(&clerk, &form).await else {
        return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/office/settings?done=saved")).finish());
    };
    let messages = refusal(error)?;
    let page = SettingsPage::new(&site, &visitor, form.into_inner(), Some(&messages));
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

impl SettingsPage {
    fn new(site: &Site, viewer: &Viewer, company: Company, messages: Option<&Messages>) -> Self {
        let of = |field| messages.map_or("", |messages| messages.of(field)).to_owned();
        Self {
            chrome: Chrome::new(site, Some(viewer), "/office/settings"),
            problem: messages.is_some(),
            company,
            name_error: of("company_name"),
            address_error: of("company_address"),
            phone_error: of("company_phone"),
            email_error: of("company_email"),
        }
    }
}
