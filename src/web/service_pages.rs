//! The list of service accounts with the form of a new one: the office's, and that of a company's administrators.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::Error;
use super::auth::Audience;
use super::context::Context;
use super::flash::see_other;
use super::form_field::FormField;
use super::forms::{Choice, Fields};
use super::page::{Layout, html, html_with_status};
use super::person::refusal;
use super::problem::Problem;
use super::token_pages::Place as TokenPlace;
use crate::accounts::people::{self, Authority, NewService, PeopleError, ServiceAccount, ServiceRole};
use crate::field_errors::FieldErrors;

/// Where service accounts are shown.
pub struct Place {
    pub base: &'static str,
    /// The page above, and its name.
    pub back: (&'static str, &'static str),
    /// The pages on which one is disabled.
    pub users: &'static str,
    /// The companies to choose from. The first choice may be empty.
    pub companies: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "tokens/services.html")]
struct ServicesPage {
    layout: Layout,
    place: Place,
    form: ServiceForm,
    accounts: Vec<ServiceAccount>,
}

struct ServiceForm {
    is_open: bool,
    name: String,
    roles: Vec<Choice>,
    companies: Vec<Choice>,
    errors: FieldErrors,
}

impl ServiceForm {
    /// The company, if there is nothing to choose.
    fn only_company(&self) -> Option<&str> {
        match self.companies.as_slice() {
            [company] => Some(&company.value),
            _ => None,
        }
    }
}

/// Where the tokens of one service account are shown.
pub fn tokens_of(place: &Place, id: i64) -> TokenPlace {
    TokenPlace {
        base: format!("{}/{id}/tokens", place.base),
        back: (place.base.into(), "Service accounts".into()),
        here: place.back.0,
        disable: Some(format!("{}/{id}/disable", place.users)),
    }
}

pub async fn show<A: Audience>(context: &Context<A>, place: Place) -> Result<HttpResponse, Error> {
    Ok(html(&ServicesPage::load(context, place, &Fields::default()).await?))
}

/// Adds a service account: `name`, `role`, `customer`. Leads to its tokens.
pub async fn add<A: Audience>(context: &Context<A>, place: Place, fields: &Fields) -> Result<HttpResponse, Error> {
    let new = NewService { name: fields.one("name"), role: fields.one("role"), company: fields.one("customer") };
    let acting = context.acting();
    let error = match context.change(acting.add_service_account(&new)).await {
        Ok(id) => return Ok(see_other(&tokens_of(&place, id).base, None)),
        Err(error) => refusal(error)?,
    };
    let mut page = ServicesPage::load(context, place, fields).await?;
    page.form.is_open = true;
    let problem = match error {
        PeopleError::Fields(errors) => {
            page.form.errors = errors;
            Problem::new("No service account was added.").fields(&page.form.errors)
        }
        error => Problem::new(error.to_string()),
    };
    if !context.is_draft() {
        page.layout = page.layout.problem(problem);
    }
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

impl ServicesPage {
    async fn load<A: Audience>(context: &Context<A>, place: Place, typed: &Fields) -> Result<Self, Error> {
        let authority = Authority::of(&context.viewer);
        let now = context.site.clock.now();
        let accounts = people::service_accounts(&mut *context.db.get().await?, &authority, now).await?;
        let selected = |value: &str, field: &str| value == typed.one(field);
        let roles = ServiceRole::of(&authority).into_iter().map(|role| Choice {
            selected: selected(role.name, "role"),
            value: role.name.into(),
            label: role.label.into(),
        });
        let companies = place.companies.iter().cloned();
        let companies = companies.map(|choice| Choice { selected: selected(&choice.value, "customer"), ..choice });
        Ok(Self {
            layout: context.layout(place.back.0),
            form: ServiceForm {
                is_open: false,
                name: typed.one("name").into(),
                roles: roles.collect(),
                companies: companies.collect(),
                errors: FieldErrors::default(),
            },
            place,
            accounts,
        })
    }
}
