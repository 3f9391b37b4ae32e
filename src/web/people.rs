//! `/people`: a customer's own administrators look after who belongs to their company.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use super::auth::{CompanyAdmins, Visitor};
use super::forms::Fields;
use super::page::{Layout, with_status};
use super::person::{PersonRow, refusal};
use super::request::Origin;
use super::{Error, Site};
use crate::accounts::Viewer;
use crate::accounts::directory::{self, Person};
use crate::accounts::people::NewPerson;
use crate::db::Database;

#[derive(Template, WebTemplate)]
#[template(path = "account/people.html")]
struct PeoplePage {
    layout: Layout,
    problem: String,
    companies: Vec<CompanyPeople>,
}

struct CompanyPeople {
    id: i64,
    code: String,
    name: String,
    people: Vec<PersonRow>,
    email: String,
    person_name: String,
    is_admin: bool,
    email_error: String,
    name_error: String,
    company_error: String,
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
            "invited" => "Invited. A mail with what to do next is on its way.",
            "resent" => "A new link is on its way by mail. The one of before doesn't work any more.",
            "left" => "Removed. This person doesn't see your bills of lading any more.",
            "saved" => "Saved.",
            _ => "",
        }
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<CompanyAdmins>,
    site: Data<Site>,
    db: Data<Database>,
    notice: Query<Notice>,
) -> Result<HttpResponse, Error> {
    let mut page = PeoplePage::load(&site, &visitor, &db).await?;
    page.layout.notice = notice.text();
    Ok(page.respond_to(&request))
}

/// `POST /people`: `email`, `name`, `customer`.
pub async fn invite(
    request: HttpRequest,
    visitor: Visitor<CompanyAdmins>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let code = fields.one("customer");
    // A company of somebody else is one that isn't there.
    if !visitor.administered().any(|company| company.code == code) {
        return Err(Error::NotFound);
    }
    let companies = [code.to_owned()];
    let (email, name, is_admin) = (fields.one("email"), fields.one("name"), fields.one("is_admin") == "true");
    let person = NewPerson { email, name, role: "", companies: &companies, is_admin };
    let error = match site.acting(&db, &visitor, &origin.0).invite(&person, &site.links).await {
        Ok(()) => return Ok(done("invited")),
        Err(error) => refusal(error)?,
    };
    let mut page = PeoplePage::load(&site, &visitor, &db).await?;
    "No invitation was sent. See the message beside the field.".clone_into(&mut page.problem);
    if let Some(company) = page.companies.iter_mut().find(|company| company.code == code) {
        (company.email, company.person_name, company.is_admin) = (email.into(), name.into(), is_admin);
        company.email_error = error.of("email").into();
        company.name_error = error.of("name").into();
        company.company_error = error.of("customer").into();
    }
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

/// `POST /people/{id}/{change}`: one small change each.
pub async fn change(
    request: HttpRequest,
    visitor: Visitor<CompanyAdmins>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let (id, change) = path.into_inner();
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let acting = site.acting(&db, &visitor, &origin.0);
    let company = || fields.one("customer_id").parse::<i64>().map_err(|_| Error::BadRequest);
    let (changed, word) = match change.as_str() {
        "invite" => (acting.resend(id, &site.links).await, "resent"),
        "leave" => (acting.leave(id, company()?).await.map(drop), "left"),
        "admin" => (acting.set_admin(id, company()?, fields.one("is_admin") == "true").await, "saved"),
        _ => return Err(Error::NotFound),
    };
    let error = match changed {
        // Who has just given up the last of it has no such page any more.
        Ok(()) if id == visitor.user_id && change != "invite" => {
            return Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/bols")).finish());
        }
        Ok(()) => return Ok(done(word)),
        Err(error) => refusal(error)?,
    };
    let mut page = PeoplePage::load(&site, &visitor, &db).await?;
    page.problem = error.to_string();
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

fn done(word: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/people?done={word}"))).finish()
}

impl PeoplePage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let mut companies = Vec::new();
        for company in viewer.administered() {
            let people = directory::members(&mut connection, company.id).await?;
            let row = |person: Person| {
                let is_known =
                    person.companies.split(' ').all(|code| viewer.administered().any(|own| own.code == code));
                let row = PersonRow::new(person, site.clock.now(), site.time_zone);
                // Whoever belongs to others too is known here by the address that was typed, not by the name others gave.
                if is_known { row } else { PersonRow { name: row.email.clone(), ..row } }
            };
            companies.push(CompanyPeople {
                id: company.id,
                code: company.code.clone(),
                name: company.name.clone(),
                people: people.into_iter().map(row).collect(),
                email: String::new(),
                person_name: String::new(),
                is_admin: false,
                email_error: String::new(),
                name_error: String::new(),
                company_error: String::new(),
            });
        }
        Ok(Self { layout: Layout::new(site, Some(viewer), "/people"), problem: String::new(), companies })
    }
}
