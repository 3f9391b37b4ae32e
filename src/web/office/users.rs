//! `/office/users`: everybody with a login, inviting them, and the page of one.
//!
//! The office looks after the people of its customers, an administrator after everybody. What is out of reach is a page
//! that isn't there.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::directory::{self, Membership, Person};
use crate::accounts::people::{Authority, NewPerson, PeopleError};
use crate::accounts::{Role, Viewer, customers};
use crate::db::Database;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::{Choice, Fields, choices};
use crate::web::page::{Layout, with_status};
use crate::web::person::{PersonRow, refusal};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/users.html")]
struct UsersPage {
    layout: Layout,
    problem: bool,
    invite: InviteForm,
    people: Vec<PersonRow>,
    find: String,
    next_href: String,
    is_first: bool,
}

/// What was typed into the form of an invitation.
#[derive(Default)]
struct InviteForm {
    open: bool,
    email: String,
    name: String,
    roles: Vec<Choice>,
    companies: Vec<Choice>,
    is_admin: bool,
    email_error: String,
    name_error: String,
    role_error: String,
    company_error: String,
}

#[derive(Template, WebTemplate)]
#[template(path = "office/user.html")]
struct UserPage {
    layout: Layout,
    problem: String,
    person: PersonRow,
    /// It is the visitor's own login.
    is_self: bool,
    is_customer: bool,
    name: String,
    name_error: String,
    memberships: Vec<Membership>,
    companies: Vec<Choice>,
    company_error: String,
}

#[derive(serde::Deserialize)]
pub struct Wanted {
    #[serde(default)]
    find: String,
    #[serde(default)]
    after: String,
    /// A customer to invite somebody of.
    #[serde(default)]
    customer: String,
    #[serde(default)]
    done: String,
}

/// Known words only: nothing of the address is shown.
fn notice(done: &str) -> &'static str {
    match done {
        "invited" => "Invited. A link to set a password is on its way by mail.",
        "resent" => "A new link is on its way by mail. The one of before doesn't work any more.",
        "disabled" => "The login is disabled, and its sessions are ended.",
        "enabled" => "The login is enabled.",
        "saved" => "Saved.",
        "joined" => "The company is added.",
        "gone" => "The company is taken away, and the invitation with it: nobody had used the login.",
        "left" => "The company is taken away, as of now.",
        _ => "",
    }
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Error> {
    let mut page =
        UsersPage::load(&site, &visitor, &db, &wanted.find, &wanted.after, std::slice::from_ref(&wanted.customer))
            .await?;
    page.layout.notice = notice(&wanted.done);
    page.invite.open |= !wanted.customer.is_empty();
    Ok(page.respond_to(&request))
}

pub async fn invite(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let companies: Vec<String> =
        fields.all("customer").into_iter().filter(|code| !code.is_empty()).map(Into::into).collect();
    let (email, name, role) = (fields.one("email"), fields.one("name"), fields.one("role"));
    let is_admin = fields.one("is_admin") == "true";
    let person = NewPerson { email, name, role, companies: &companies, is_admin };
    let error = match site.acting(&db, &visitor, &origin.0).invite(&person, &site.links).await {
        Ok(()) => return Ok(to("/office/users?done=invited")),
        Err(error) => refusal(error)?,
    };
    let mut page = UsersPage::load(&site, &visitor, &db, "", "", &companies).await?;
    page.problem = true;
    let form = &mut page.invite;
    form.open = true;
    (form.email, form.name, form.is_admin) = (email.into(), name.into(), is_admin);
    for choice in &mut form.roles {
        choice.selected = choice.value == role;
    }
    form.email_error = error.of("email").into();
    form.name_error = error.of("name").into();
    form.role_error = error.of("role").into();
    form.company_error = error.of("customer").into();
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

pub async fn user(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    id: Path<String>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Error> {
    let mut page = UserPage::load(&site, &visitor, &db, number(&id)?).await?;
    page.layout.notice = notice(&wanted.done);
    Ok(page.respond_to(&request))
}

/// `POST /office/users/{id}/{change}`: one small change each.
pub async fn change(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let (id, change) = path.into_inner();
    let id = number(&id)?;
    let acting = site.acting(&db, &visitor, &origin.0);
    let is_admin = fields.one("is_admin") == "true";
    let company = || fields.one("customer_id").parse::<i64>().map_err(|_| Error::BadRequest);
    let (changed, word) = match change.as_str() {
        "invite" => (acting.resend(id, &site.links).await, "resent"),
        "disable" => (acting.set_active(id, false).await, "disabled"),
        "enable" => (acting.set_active(id, true).await, "enabled"),
        "name" => (acting.rename(id, fields.one("name")).await, "saved"),
        "join" => (acting.join(id, fields.one("customer"), is_admin).await, "joined"),
        "leave" => {
            let left = acting.leave(id, company()?).await;
            if matches!(left, Ok(false)) {
                return Ok(to("/office/users?done=gone"));
            }
            (left.map(drop), "left")
        }
        "admin" => (acting.set_admin(id, company()?, is_admin).await, "saved"),
        _ => return Err(Error::NotFound),
    };
    let error = match changed {
        Ok(()) => return Ok(to(&format!("/office/users/{id}?done={word}"))),
        Err(error) => refusal(error)?,
    };
    let mut page = UserPage::load(&site, &visitor, &db, id).await?;
    match &error {
        PeopleError::Refused(why) => page.problem.clone_from(why),
        _ => "Nothing was changed. See the message beside the field.".clone_into(&mut page.problem),
    }
    if change == "name" {
        page.name = fields.one("name").into();
    }
    page.name_error = error.of("name").into();
    page.company_error = error.of("customer").into();
    Ok(with_status(page.respond_to(&request), StatusCode::UNPROCESSABLE_ENTITY))
}

fn number(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::NotFound)
}

fn to(target: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, target)).finish()
}

impl UsersPage {
    async fn load(
        site: &Site,
        viewer: &Viewer,
        db: &Database,
        find: &str,
        after: &str,
        chosen: &[String],
    ) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let roles = Authority::of(viewer).roles();
        let mut people = directory::people(&mut connection, roles, find, after).await?;
        let more = people.len() > directory::PAGE;
        people.truncate(directory::PAGE);
        let next_href = match people.last() {
            Some(last) if more => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("find", find).append_pair("after", &last.email);
                format!("/office/users?{}", query.finish())
            }
            _ => String::new(),
        };
        let mut companies = company_choices(&mut connection, "").await?;
        companies.remove(0);
        for choice in &mut companies {
            choice.selected = chosen.contains(&choice.value);
        }
        let invite = InviteForm {
            roles: choices("", roles.iter().map(|role| (role.as_str(), role.label())), Role::Customer.as_str())
                .split_off(1),
            companies,
            ..InviteForm::default()
        };
        let now = site.clock.now();
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/users"),
            problem: false,
            invite,
            people: people.into_iter().map(|person| PersonRow::new(person, now, site.time_zone)).collect(),
            find: find.into(),
            next_href,
            is_first: after.is_empty(),
        })
    }
}

/// Active customers by name, behind an empty choice.
async fn company_choices(
    connection: &mut diesel_async::AsyncPgConnection,
    selected: &str,
) -> Result<Vec<Choice>, Error> {
    let all = customers::all(connection).await?;
    let known = all.into_iter().filter(|customer| customer.active).map(|customer| {
        let label = format!("{} ({})", customer.name, customer.code);
        (customer.code, label)
    });
    Ok(choices("Choose a customer", known, selected))
}

impl UserPage {
    async fn load(site: &Site, viewer: &Viewer, db: &Database, id: i64) -> Result<Self, Error> {
        let mut connection = db.get().await?;
        let person: Option<Person> = directory::person(&mut connection, id).await?;
        let roles = Authority::of(viewer).roles();
        let within = person.filter(|person| roles.iter().any(|role| role.as_str() == person.role));
        let person = within.ok_or(Error::NotFound)?;
        let memberships = directory::memberships(&mut connection, id).await?;
        let companies = company_choices(&mut connection, "").await?;
        Ok(Self {
            layout: Layout::new(site, Some(viewer), "/office/users"),
            problem: String::new(),
            is_self: id == viewer.user_id,
            is_customer: person.role == Role::Customer.as_str(),
            name: person.name.clone(),
            name_error: String::new(),
            person: PersonRow::new(person, site.clock.now(), site.time_zone),
            companies: companies
                .into_iter()
                .filter(|choice| !memberships.iter().any(|membership| membership.code == choice.value))
                .collect(),
            memberships,
            company_error: String::new(),
        })
    }
}
