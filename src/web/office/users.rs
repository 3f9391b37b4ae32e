//! `/office/users`: the list of logins, invitations, and the page of one login.
//!
//! The office manages the logins of customers; an administrator manages all. A login that the user may not manage
//! gets the same response as one that doesn't exist.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Path, Query};
use askama::Template;
use diesel_async::AsyncPgConnection;

use crate::accounts::customers;
use crate::accounts::directory::{self, Membership, Person};
use crate::accounts::factors::Factors;
use crate::accounts::people::{Authority, NewPerson, PeopleError, Resent};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::{Fresh, OfficeStaff};
use crate::web::context::Context;
use crate::web::flash::{Done, see_other, users as flash};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, Fields, choices};
use crate::web::page::{Layout, html, html_with_status, with_period};
use crate::web::person::{PersonRow, refusal};
use crate::web::problem::Problem;
use crate::web::question::Question;

const HERE: &str = "/office/users";
const CHOOSE: &str = "Choose a customer";

#[derive(Template)]
#[template(path = "office/users.html")]
struct UsersPage {
    layout: Layout,
    invite: InviteForm,
    people: Vec<PersonRow>,
    find: String,
    next_href: Option<String>,
    is_first: bool,
}

/// The form of an invitation, with what was typed.
#[derive(Default)]
struct InviteForm {
    open: bool,
    email: String,
    name: String,
    roles: Vec<Choice>,
    companies: Vec<Choice>,
    is_admin: bool,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "office/user.html")]
struct UserPage {
    layout: Layout,
    person: PersonRow,
    /// It is the user's own login.
    is_self: bool,
    factors: Factors,
    /// Whether the user may remove the factors.
    resets_factors: bool,
    is_customer: bool,
    name: String,
    errors: FieldErrors,
    memberships: Vec<Membership>,
    companies: Vec<Choice>,
    /// The form that adds a company was refused, so it comes first.
    is_join_first: bool,
}

/// The part of the list that the address asks for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// A fragment of a name, an address or a company.
    find: String,
    /// The last address of the page before.
    after: String,
    /// Opens the invitation form with this customer chosen.
    customer: String,
}

pub async fn page(
    context: Context<OfficeStaff>,
    query: Query<ListQuery>,
    done: Query<Done>,
) -> Result<HttpResponse, Error> {
    let mut page = UsersPage::load(&context, &query, std::slice::from_ref(&query.customer)).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    page.invite.open |= !query.customer.is_empty();
    Ok(html(&page))
}

/// `POST /office/users`: `email`, `name`, `role`, `customer` (repeated), `is_admin`.
pub async fn invite(context: Context<Fresh<OfficeStaff>>, fields: Fields) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let companies: Vec<String> =
        fields.all("customer").into_iter().filter(|code| !code.is_empty()).map(Into::into).collect();
    let (email, name, role) = (fields.one("email"), fields.one("name"), fields.one("role"));
    let is_admin = fields.one("is_admin") == "true";
    let person = NewPerson { email, name, role, companies: &companies, is_admin };
    let site = &context.site;
    let acting = context.acting();
    let error = match context.change(acting.invite(&person, site.login_links(), &site.staff_domains)).await {
        Ok(()) => return Ok(see_other(HERE, Some(flash::INVITED))),
        Err(error) => refusal(error)?,
    };
    let mut page = UsersPage::load(&context, &ListQuery::default(), &companies).await?;
    let form = &mut page.invite;
    form.open = true;
    (form.email, form.name, form.is_admin) = (email.into(), name.into(), is_admin);
    for choice in &mut form.roles {
        choice.selected = choice.value == role;
    }
    form.errors = error.into_fields();
    if !form.errors.is_empty() {
        let problem = Problem::new("No invitation was sent.").fields_of_form("new", &form.errors);
        page.layout = page.layout.problem(problem);
    }
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// `GET /office/users/{id}`
pub async fn user(context: Context<OfficeStaff>, id: Path<String>, done: Query<Done>) -> Result<HttpResponse, Error> {
    let mut page = UserPage::load(&context, parse_id(&id)?).await?;
    page.layout = page.layout.flash(&done, flash::ALL);
    Ok(html(&page))
}

/// The company from which a user is to be removed.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct Removal {
    customer_id: String,
}

/// `GET /office/users/{id}/{change}`: asks before a user is removed from a company (`leave`), disabled (`disable`) or loses
/// the second factors (`reset-factors`).
/// Other changes need no question.
pub async fn ask_change(
    context: Context<OfficeStaff>,
    path: Path<(String, String)>,
    removal: Query<Removal>,
) -> Result<HttpResponse, Error> {
    let (id, change) = path.into_inner();
    let id = parse_id(&id)?;
    let mut connection = context.db.get().await?;
    let person = directory::person(&mut connection, id).await?.ok_or(Error::NotFound)?;
    let who = if person.name.is_empty() { person.email.clone() } else { person.name.clone() };
    let (title, consequence, button, fields) = match change.as_str() {
        "disable" => (
            format!("Disable the login of {who}?"),
            format!(
                "{} can no longer log in, every session ends at once, and API tokens and links sent by email stop working.",
                person.email
            ),
            "Disable login",
            Vec::new(),
        ),
        "reset-factors" if context.viewer.can_administer() => (
            format!("Remove the second factors of {who}?"),
            format!(
                "Do this only if you have made sure that {who} asks for it, for example by calling a number that you know. {} \
                 gets an email, and every session ends.",
                person.email
            ),
            "Remove second factors",
            Vec::new(),
        ),
        "leave" => {
            let customer: i64 = removal.customer_id.parse().map_err(|_| Error::NotFound)?;
            let company = directory::memberships(&mut connection, id).await?.into_iter();
            let company = company.into_iter().find(|one| one.customer_id == customer).ok_or(Error::NotFound)?;
            (
                format!("Remove {who} from {}?", company.name),
                format!(
                    "{} no longer sees the bills of lading of {} This takes effect at once.",
                    person.email,
                    with_period(&company.name)
                ),
                "Remove from company",
                vec![("customer_id", customer.to_string())],
            )
        }
        _ => return Ok(see_other(&format!("{HERE}/{id}"), None)),
    };
    Ok(html(&Question {
        layout: context.layout(HERE),
        title,
        consequences: [consequence]
            .into_iter()
            .chain(
                (change != "reset-factors")
                    .then(|| "The access log keeps what this person has done. You can undo this later.".into()),
            )
            .collect(),
        action: format!("{HERE}/{id}/{change}"),
        fields,
        button: button.into(),
        back: (format!("{HERE}/{id}"), who),
    }))
}

/// `POST /office/users/{id}/{change}`: `invite`, `disable`, `enable`, `name`, `join`, `leave`, `admin` or `reset-factors`.
pub async fn change(
    context: Context<Fresh<OfficeStaff>>,
    path: Path<(String, String)>,
    fields: Fields,
) -> Result<HttpResponse, Error> {
    let context = context.proven();
    let (id, change) = path.into_inner();
    let id = parse_id(&id)?;
    let acting = context.acting();
    let is_admin = fields.one("is_admin") == "true";
    let company = || fields.one("customer_id").parse::<i64>().map_err(|_| Error::BadRequest);
    let (changed, flash) = match change.as_str() {
        "invite" => {
            let resent = context.change(acting.resend(id, context.site.login_links())).await;
            let flash = if matches!(resent, Ok(Resent::TooSoon)) { flash::SENT_BEFORE } else { flash::RESENT };
            (resent.map(drop), flash)
        }
        "disable" => (context.change(acting.set_active(id, false)).await, flash::DISABLED),
        "enable" => (context.change(acting.set_active(id, true)).await, flash::ENABLED),
        "name" => (context.change(acting.rename(id, fields.one("name"))).await, flash::SAVED),
        "join" => (context.change(acting.join(id, fields.one("customer"), is_admin)).await, flash::COMPANY_ADDED),
        "leave" => {
            let left = context.change(acting.leave(id, company()?)).await;
            if matches!(left, Ok(false)) {
                return Ok(see_other(HERE, Some(flash::LOGIN_REMOVED)));
            }
            (left.map(drop), flash::COMPANY_REMOVED)
        }
        "reset-factors" => (context.change(acting.reset_factors(id)).await, flash::FACTORS_RESET),
        "admin" => (context.change(acting.set_admin(id, company()?, is_admin)).await, flash::SAVED),
        _ => return Err(Error::NotFound),
    };
    let error = match changed {
        Ok(()) => return Ok(see_other(&format!("{HERE}/{id}"), Some(flash))),
        Err(error) => refusal(error)?,
    };
    let mut page = UserPage::load(&context, id).await?;
    if change == "name" {
        page.name = fields.one("name").into();
    }
    for choice in page.companies.iter_mut().filter(|_| change == "join") {
        choice.selected = choice.value == fields.one("customer");
    }
    page.is_join_first = change == "join";
    page.refuse(error);
    Ok(html_with_status(&page, StatusCode::UNPROCESSABLE_ENTITY))
}

fn parse_id(id: &str) -> Result<i64, Error> {
    id.parse().map_err(|_| Error::NotFound)
}

impl UsersPage {
    /// Whether the list is a search result instead of all users.
    fn is_search(&self) -> bool {
        !self.find.is_empty()
    }

    /// `chosen`: the companies chosen in the invitation form.
    async fn load(context: &Context<OfficeStaff>, query: &ListQuery, chosen: &[String]) -> Result<Self, Error> {
        let Context { viewer, site, db, .. } = context;
        let ListQuery { find, after, .. } = query;
        let mut connection = db.get().await?;
        let roles = Authority::of(viewer).roles();
        let mut people = directory::people(&mut connection, roles, find, after).await?;
        let more = people.len() > directory::PAGE;
        people.truncate(directory::PAGE);
        let next_href = match people.last() {
            Some(last) if more => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("find", find).append_pair("after", &last.email);
                Some(format!("{HERE}?{}", query.finish()))
            }
            _ => None,
        };
        let none = if roles.len() > 1 { "None (terminal staff)" } else { CHOOSE };
        let mut companies = company_choices(&mut connection, none).await?;
        for choice in &mut companies {
            choice.selected = chosen.contains(&choice.value);
        }
        let invite = InviteForm {
            roles: role_choices(roles.iter().map(|role| (role.as_str(), role.label()))),
            companies,
            ..InviteForm::default()
        };
        let now = site.clock.now();
        Ok(Self {
            layout: context.layout(HERE),
            invite,
            people: people.into_iter().map(|person| PersonRow::new(person, now, site.time_zone)).collect(),
            find: find.clone(),
            next_href,
            is_first: after.is_empty(),
        })
    }
}

/// The roles that the user may give, with the first one selected.
fn role_choices(roles: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<Choice> {
    let choice = |(at, (value, label)): (usize, (&str, &str))| Choice {
        value: value.into(),
        label: label.into(),
        selected: at == 0,
    };
    roles.enumerate().map(choice).collect()
}

/// An empty choice labeled `none`, then the active customers by name.
async fn company_choices(connection: &mut AsyncPgConnection, none: &str) -> Result<Vec<Choice>, Error> {
    let all = customers::all(connection).await?;
    let known = all.into_iter().filter(|customer| customer.active).map(|customer| {
        let label = format!("{} ({})", customer.name, customer.code);
        (customer.code, label)
    });
    Ok(choices(none, known, ""))
}

impl UserPage {
    /// Says why nothing was changed.
    fn refuse(&mut self, error: PeopleError) {
        let problem = match error {
            PeopleError::Fields(errors) if errors.is_empty() => return,
            PeopleError::Refused(why) => Problem::new(why),
            error => {
                self.errors = error.into_fields();
                let id = |field: &str| if field == "name" { "user-name".into() } else { format!("join-{field}") };
                Problem::new("Nothing was changed.").fields_with_ids(&self.errors, id)
            }
        };
        self.layout = std::mem::take(&mut self.layout).problem(problem);
    }

    async fn load(context: &Context<OfficeStaff>, id: i64) -> Result<Self, Error> {
        let Context { viewer, site, db, .. } = context;
        let mut connection = db.get().await?;
        let person: Option<Person> = directory::person(&mut connection, id).await?;
        let roles = Authority::of(viewer).roles();
        let within = person.filter(|person| roles.iter().any(|role| role.as_str() == person.role));
        let person = within.ok_or(Error::NotFound)?;
        let memberships = directory::memberships(&mut connection, id).await?;
        let companies = company_choices(&mut connection, CHOOSE).await?;
        Ok(Self {
            layout: context.layout(HERE),
            is_join_first: false,
            is_self: id == viewer.user_id,
            factors: Factors::of(&mut connection, id).await?,
            resets_factors: viewer.can_administer() && id != viewer.user_id,
            is_customer: person.is_customer(),
            name: person.name.clone(),
            errors: FieldErrors::default(),
            person: PersonRow::new(person, site.clock.now(), site.time_zone),
            companies: companies
                .into_iter()
                .filter(|choice| !memberships.iter().any(|membership| membership.code == choice.value))
                .collect(),
            memberships,
        })
    }
}
