//! `/office/settings`: the terminal's own company, which BOLs print, the reminder thresholds, what activity is unusual,
//! and the security contact.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Form, Query};
use askama::Template;

use crate::bols::settings::{self, Company, ReminderThresholdsForm, SecurityContact};
use crate::field_errors::FieldErrors;
use crate::unusual::thresholds::{self, ThresholdsForm};
use crate::web::Error;
use crate::web::auth::{Admins, Audience, Fresh, OfficeStaff};
use crate::web::context::Context;
use crate::web::flash::{Done, see_other, settings as flash};
use crate::web::form_field::FormField;
use crate::web::forms::refusal;
use crate::web::page::{Layout, html, html_with_status};

const HERE: &str = "/office/settings";

/// A part of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Company,
    Days,
    Originals,
    Unusual,
    Security,
}

#[derive(Template)]
#[template(path = "office/settings.html")]
struct SettingsPage {
    layout: Layout,
    company: Company,
    days: ReminderThresholdsForm,
    security: SecurityContact,
    unusual: ThresholdsForm,
    /// In the order of the page: the one whose form was refused comes first.
    sections: Vec<Section>,
    errors: FieldErrors,
    /// The office may file quarantined documents as they are.
    releases_originals: bool,
    can_administer: bool,
}

pub async fn page(context: Context<OfficeStaff>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut page = SettingsPage::load(&context, None, None).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST /office/settings`: the fields of [`Company`].
pub async fn save(context: Context<Fresh<OfficeStaff>>, form: Form<Company>) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let user = context.acting();
    let Err(error) = context.change(settings::save(&user, &form)).await else {
        context.site.contact.refresh(&context.db).await?;
        return Ok(see_other(HERE, Some(flash::SAVED)));
    };
    let page = SettingsPage::load(&context, Some(form.into_inner()), None).await?;
    Ok(page.refused(Section::Company, refusal(error)?))
}

/// `POST /office/settings/days`: `unsigned_days`, `collect_days`.
pub async fn save_days(
    context: Context<Fresh<OfficeStaff>>,
    form: Form<ReminderThresholdsForm>,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let user = context.acting();
    let Err(error) = context.change(settings::save_reminder_thresholds(&user, &form)).await else {
        return Ok(see_other(HERE, Some(flash::THRESHOLDS_SAVED)));
    };
    let page = SettingsPage::load(&context, None, Some(form.into_inner())).await?;
    Ok(page.refused(Section::Days, refusal(error)?))
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Releases {
    releases_originals: bool,
}

/// `POST /office/settings/originals`: `releases_originals`, `true` or missing.
pub async fn save_releases(context: Context<Fresh<Admins>>, form: Form<Releases>) -> Result<HttpResponse, Error> {
    settings::save_releases_originals(&context.acting(), form.releases_originals).await?;
    Ok(see_other(HERE, Some(flash::RELEASES_SAVED)))
}

/// `POST /office/settings/unusual`: the fields of [`ThresholdsForm`].
pub async fn save_unusual(context: Context<Fresh<Admins>>, form: Form<ThresholdsForm>) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let user = context.acting();
    let Err(error) = context.change(thresholds::save(&user, &form)).await else {
        return Ok(see_other(HERE, Some(flash::UNUSUAL_SAVED)));
    };
    let page = SettingsPage::load(&context, None, None).await?;
    let page = SettingsPage { unusual: form.into_inner(), ..page };
    Ok(page.refused(Section::Unusual, refusal(error)?))
}

/// `POST /office/settings/security`: `security_contact`.
pub async fn save_security_contact(
    context: Context<Fresh<OfficeStaff>>,
    form: Form<SecurityContact>,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let user = context.acting();
    let Err(error) = context.change(settings::save_security_contact(&user, &form)).await else {
        return Ok(see_other(HERE, Some(flash::SECURITY_CONTACT_SAVED)));
    };
    let page = SettingsPage::load(&context, None, None).await?;
    let page = SettingsPage { security: form.into_inner(), ..page };
    Ok(page.refused(Section::Security, refusal(error)?))
}

impl SettingsPage {
    /// Shows the form of a section again, in the first place.
    fn refused(mut self, section: Section, errors: FieldErrors) -> HttpResponse {
        self.sections.retain(|other| *other != section);
        self.sections.insert(0, section);
        let page = Self { layout: self.layout.not_saved(&errors, str::to_owned), errors, ..self };
        html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Loads the saved settings, except those that were just typed.
    async fn load<A: Audience>(
        context: &Context<A>,
        company: Option<Company>,
        days: Option<ReminderThresholdsForm>,
    ) -> Result<Self, Error> {
        let mut connection = context.db.get().await?;
        let saved = settings::company(&mut connection).await?;
        let reminder_thresholds = settings::reminder_thresholds(&mut connection).await?;
        Ok(Self {
            layout: context.layout(HERE),
            company: company.unwrap_or(saved),
            days: days.unwrap_or_else(|| ReminderThresholdsForm {
                unsigned_days: reminder_thresholds.unsigned_days.to_string(),
                collect_days: reminder_thresholds.collect_days.to_string(),
            }),
            security: settings::typed_security_contact(&mut connection).await?,
            unusual: thresholds::thresholds(&mut connection).await?.into(),
            sections: vec![Section::Company, Section::Days, Section::Originals, Section::Unusual, Section::Security],
            errors: FieldErrors::default(),
            releases_originals: settings::releases_originals(&mut connection).await?,
            can_administer: context.viewer.can_administer(),
        })
    }
}
