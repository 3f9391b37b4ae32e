//! `/office/settings`: the terminal itself, as the next BOL prints it.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::Viewer;
use crate::bols::lists::Messages;
use crate::bols::settings::{self, Company, ReminderThresholdsForm};
use crate::db::Database;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::refusal;
use crate::web::page::{Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Default, Template, WebTemplate)]
#[template(path = "office/settings.html")]
struct SettingsPage {
    layout: Layout,
    /// Something was typed that can't be saved.
    problem: bool,
    company: Company,
    name_error: String,
    address_error: String,
    phone_error: String,
    email_error: String,
    days: ReminderThresholdsForm,
    unsigned_error: String,
    collect_error: String,
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
            "days" => "Saved. The first page goes by these days from now on.",
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
    let mut page = SettingsPage::load(&site, &visitor, &db, None, None).await?;
    page.layout.notice = notice.text();
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
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = settings::save(&user, &form).await else {
        return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/office/settings?done=saved")).finish());
    };
    let messages = refusal(error)?;
    let typed = Some(form.into_inner());
    let page = SettingsPage::load(&site, &visitor, &db, typed, None).await?.with(&messages);
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

/// `POST /office/settings/days`: `unsigned_days`, `collect_days`.
pub async fn save_days(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<ReminderThresholdsForm>,
) -> Result<HttpResponse, Error> {
    let user = site.acting(&db, &visitor, &origin.0);
    let Err(error) = settings::save_reminder_thresholds(&user, &form).await else {
        return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/office/settings?done=days")).finish());
    };
    let messages = refusal(error)?;
    let typed = Some(form.into_inner());
    let page = SettingsPage::load(&site, &visitor, &db, None, typed).await?.with(&messages);
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

impl SettingsPage {
    /// With what was typed, where something was.
    async fn load(
        site: &Site,
        viewer: &Viewer,
        db: &Database,
        company: Option<Company>,
        days: Option<ReminderThresholdsForm>,
    ) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let saved = settings::company(&mut connection).await?;
        let reminder_thresholds = settings::reminder_thresholds(&mut connection).await?;
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/settings"),
            problem: false,
            company: company.unwrap_or(saved),
            days: days.unwrap_or_else(|| ReminderThresholdsForm {
                unsigned_days: reminder_thresholds.unsigned_days.to_string(),
                collect_days: reminder_thresholds.collect_days.to_string(),
            }),
            ..Self::default()
        })
    }

    fn with(self, messages: &Messages) -> Self {
        let of = |field| messages.of(field).to_owned();
        Self {
            problem: true,
            name_error: of("company_name"),
            address_error: of("company_address"),
            phone_error: of("company_phone"),
            email_error: of("company_email"),
            unsigned_error: of("unsigned_days"),
            collect_error: of("collect_days"),
            ..self
        }
    }
}
