//! `/people`: a customer's administrators manage the logins of their company.

pub mod service_accounts;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Path, Query};
use askama::Template;

use super::Error;
use super::auth::{CompanyAdmins, Fresh};
use super::context::Context;
use super::flash::{Done, people as flash, see_other};
use super::form_field::FormField;
use super::forms::Fields;
use super::page::{Layout, html, html_with_status, with_period};
use super::person::{self, PersonRow, refusal};
use super::problem::Problem;
use super::question::Question;
use super::token_pages;
use crate::accounts::directory::{self, Person};
use crate::accounts::people::{NewPerson, PeopleError, Resent};
use crate::field_errors::FieldErrors;
use crate::webhooks;

const HERE: &str = "/people";

#[derive(Template)]
#[template(path = "account/people.html")]
struct PeoplePage {
    layout: Layout,
    companies: Vec<CompanyPeople>,
}

struct CompanyPeople {
    id: i64,
    code: String,
    name: String,
    people: Vec<PersonRow>,
    /// The company's logins must have a second factor.
    factor_required: bool,
    email: String,
    person_name: String,
    is_admin: bool,
    errors: FieldErrors,
    /// The form was refused, so it comes first.
    is_first: bool,
}

pub async fn page(context: Context<CompanyAdmins>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut page = PeoplePage::load(&context).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// `POST /people`: `email`, `name`, `customer`.
pub async fn invite(context: Context<Fresh<CompanyAdmins>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let code = fields.one("customer");
    // A company that the user doesn't administer gets the same response as one that doesn't exist.
    if !context.viewer.administered().any(|company| company.code == code) {
        return Err(Error::NotFound);
    }
    let companies = [code.to_owned()];
    let (email, name, is_admin) = (fields.one("email"), fields.one("name"), fields.one("is_admin") == "true");
    let person = NewPerson { email, name, role: "", companies: &companies, is_admin };
    let site = &context.site;
    let acting = context.acting();
    let error = match context.change(acting.invite(&person, site.login_links(), &site.staff_domains)).await {
        Ok(()) => return Ok(see_other(HERE, Some(flash::INVITED))),
        Err(error) => refusal(error)?,
    };
    let mut page = PeoplePage::load(&context).await?;
    let errors = match error {
        PeopleError::Refused(why) => FieldErrors::one("", why),
        error => error.into_fields(),
    };
    if !errors.is_empty() {
        let problem = Problem::new("No invitation was sent.").fields_of_form(code, &errors);
        page.layout = page.layout.problem(problem);
    }
    if let Some(company) = page.companies.iter_mut().find(|company| company.code == code) {
        (company.email, company.person_name, company.is_admin) = (email.into(), name.into(), is_admin);
        company.errors = errors;
        company.is_first = true;
    }
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// `POST /people/second-factor`: `customer`, and `required`, `true` or missing.
pub async fn require_factor(context: Context<Fresh<CompanyAdmins>>, fields: Fields) -> Result<HttpResponse, Error> {
    let company = context.viewer.administered().find(|company| company.code == fields.one("customer"));
    let company = company.ok_or(Error::NotFound)?;
    let required = context.acting().require_factor(company.id, fields.one("required") == "true").await;
    required.map_err(person::error)?;
    Ok(see_other(HERE, Some(flash::FACTOR_SAVED)))
}

/// The company from which a person is to be removed.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Removal {
    customer_id: String,
}

/// `GET /people/{id}/{change}`: asks before a person is removed (`leave`) or a service account disabled (`disable`). Other
/// changes need no question.
pub async fn ask_change(
    context: Context<CompanyAdmins>,
    path: Path<(String, String)>,
    removal: Query<Removal>,
) -> Result<HttpResponse, Error> {
    let (id, change) = path.into_inner();
    if change == "disable" {
        return ask_disable(&context, &id).await;
    }
    let (Ok(id), Ok(customer), "leave") = (id.parse::<i64>(), removal.customer_id.parse::<i64>(), change.as_str())
    else {
        return Ok(see_other(HERE, None));
    };
    let company = context.viewer.administered().find(|company| company.id == customer).ok_or(Error::NotFound)?;
    let people = directory::members(&mut *context.db.get().await?, customer).await?;
    let person = people.into_iter().find(|person| person.id == id).ok_or(Error::NotFound)?;
    let webhooks = webhooks::made_by(&mut *context.db.get().await?, id, customer).await?;
    let who = if person.name.is_empty() { person.email.clone() } else { person.name.clone() };
    let mut consequences = vec![
        format!(
            "{} no longer sees the bills of lading of {} This takes effect at once.",
            person.email,
            with_period(&company.name)
        ),
        "The access log keeps what this person has done. You can invite the person again.".into(),
    ];
    if webhooks > 0 {
        consequences.push("Webhooks that this person added stay on. Look at their addresses under Webhooks.".into());
    }
    Ok(html(&Question {
        layout: context.layout(HERE),
        title: format!("Remove {who} from {}?", company.name),
        consequences,
        action: format!("{HERE}/{id}/leave"),
        fields: vec![("customer_id", customer.to_string())],
        button: format!("Remove {who}"),
        back: (HERE.into(), "People".into()),
    }))
}

/// Asks before a service account is disabled.
async fn ask_disable(context: &Context<CompanyAdmins>, id: &str) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let owner = token_pages::owner(context, id).await?;
    if !owner.is_service {
        return Ok(see_other(HERE, None));
    }
    Ok(html(&Question {
        layout: context.layout(HERE),
        title: format!("Disable the service account {}?", owner.name),
        consequences: vec![
            "All its tokens are revoked at once, and programs that use them are refused.".into(),
            "Only the terminal office can enable it again, without the tokens.".into(),
        ],
        action: format!("{HERE}/{id}/disable"),
        fields: Vec::new(),
        button: "Disable service account".into(),
        back: (format!("{HERE}/service-accounts/{id}/tokens"), owner.name),
    }))
}

/// `POST /people/{id}/{change}`: `invite`, `leave`, `admin`, or `disable` for a service account.
pub async fn change(
    context: Context<Fresh<CompanyAdmins>>,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let (id, change) = path.into_inner();
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let acting = context.acting();
    let company = || fields.one("customer_id").parse::<i64>().map_err(|_| Error::BadRequest);
    let (changed, flash) = match change.as_str() {
        "invite" => {
            let resent = acting.resend(id, context.site.login_links()).await;
            let flash = if matches!(resent, Ok(Resent::TooSoon)) { flash::SENT_BEFORE } else { flash::RESENT };
            (resent.map(drop), flash)
        }
        "leave" => (acting.leave(id, company()?).await.map(drop), flash::REMOVED),
        "disable" => (acting.set_active(id, false).await, flash::SERVICE_DISABLED),
        "admin" => (acting.set_admin(id, company()?, fields.one("is_admin") == "true").await, flash::SAVED),
        _ => return Err(Error::NotFound),
    };
    let error = match changed {
        // Users who change their own membership may lose access to this page.
        Ok(()) if id == context.viewer.user_id && change != "invite" => {
            return Ok(see_other("/bols", None));
        }
        Ok(()) => return Ok(see_other(HERE, Some(flash))),
        Err(error) => refusal(error)?,
    };
    let mut page = PeoplePage::load(&context).await?;
    page.layout = page.layout.problem(Problem::new(error.to_string()));
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

impl PeoplePage {
    async fn load(context: &Context<CompanyAdmins>) -> Result<Self, Error> {
        let Context { viewer, site, db, .. } = context;
        let mut connection = db.get().await?;
        let mut companies = Vec::new();
        for company in viewer.administered() {
            let people = directory::members(&mut connection, company.id).await?;
            let row = |person: Person| {
                let is_known =
                    person.companies.split(' ').all(|code| viewer.administered().any(|own| own.code == code));
                let row = PersonRow::new(person, site.clock.now(), site.time_zone);
                // People who also belong to other companies are shown by email address, because another company entered
                // their name.
                if is_known { row } else { PersonRow { name: row.email.clone(), ..row } }
            };
            companies.push(CompanyPeople {
                id: company.id,
                code: company.code.clone(),
                name: company.name.clone(),
                people: people.into_iter().map(row).collect(),
                factor_required: company.factor_required,
                email: String::new(),
                person_name: String::new(),
                is_admin: false,
                errors: FieldErrors::default(),
                is_first: false,
            });
        }
        Ok(Self { layout: context.layout(HERE), companies })
    }
}
