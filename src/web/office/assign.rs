//! `/office/bols/assign`: choose the customer, see what that means, confirm.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;

use crate::accounts::customers;
use crate::bols::BolNumber;
use crate::bols::assign::{self, AssignError};
use crate::db::Database;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::{Choice, choices};
use crate::web::page::{self, Layout, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

#[derive(Template, WebTemplate)]
#[template(path = "office/assign.html")]
struct AssignPage {
    layout: Layout,
    bols: Vec<Chosen>,
    customers: Vec<Choice>,
    error: String,
    /// Whose they are now, for the answer.
    owners: String,
    customer_code: String,
    customer_name: String,
    losing: Vec<String>,
    question: String,
}

struct Chosen {
    number: String,
    href: String,
    date: String,
    product: String,
    owner: String,
}

type Pairs = Vec<(String, String)>;

struct Wanted {
    numbers: Vec<BolNumber>,
    customer: String,
    /// Whose the BOLs were on the page that asked.
    shown: Option<String>,
}

fn read(pairs: &Pairs) -> Result<Wanted, Error> {
    let of = |name: &'static str| pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim());
    let mut numbers: Vec<BolNumber> =
        of("number").map(str::parse).collect::<Result<_, _>>().map_err(|_| Error::NotFound)?;
    numbers.sort();
    numbers.dedup();
    Ok(Wanted {
        numbers,
        customer: of("customer").next().unwrap_or_default().to_uppercase().replace('\0', ""),
        shown: of("owners").next().map(Into::into),
    })
}

/// The question, or, while no customer is chosen, the choice.
pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    query: Query<Pairs>,
) -> Result<HttpResponse, Error> {
    let wanted = read(&query)?;
    let error = match &*wanted.customer {
        "" => None,
        code => assign::receiver(&db, code).await.err(),
    };
    show(&request, &site, &db, &visitor, &wanted, error).await
}

/// `POST /office/bols/assign`: `number` repeated, `customer`. The page before it has asked.
pub async fn assign(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<Pairs>,
) -> Result<HttpResponse, Error> {
    let wanted = read(&form)?;
    match assign::assign(&db, &wanted.numbers, &wanted.customer, wanted.shown.as_deref(), &visitor, &origin.0).await {
        Ok(()) => {
            let place = match &wanted.numbers[..] {
                [number] => format!("/bols/{number}?done=assigned"),
                _ => "/bols?done=assigned".into(),
            };
            Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
        }
        Err(error) => show(&request, &site, &db, &visitor, &wanted, Some(error)).await,
    }
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    db: &Database,
    visitor: &Visitor<OfficeStaff>,
    wanted: &Wanted,
    error: Option<AssignError>,
) -> Result<HttpResponse, Error> {
    let status = match error {
        None => StatusCode::OK,
        Some(AssignError::Db(error)) => return Err(error.into()),
        Some(AssignError::Changed) => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let found = match assign::chosen(db, &wanted.numbers).await {
        Ok(found) => found,
        Err(AssignError::Missing(_)) => return Err(Error::NotFound),
        Err(AssignError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(Error::Invalid(error.to_string())),
    };
    let all = customers::all(&mut *db.get().await?).await?;
    let active = all.iter().filter(|customer| customer.active);
    let options = active.clone().map(|customer| (customer.code.clone(), customer.name.clone()));
    let receiver = active.clone().find(|customer| customer.code == wanted.customer).filter(|_| error.is_none());
    let mut losing: Vec<String> = found
        .iter()
        .filter(|bol| bol.owner_id.is_some() && bol.owner_id != receiver.map(|customer| customer.id))
        .filter_map(|bol| bol.owner_name.clone())
        .collect();
    losing.sort();
    losing.dedup();
    let name = receiver.map(|customer| customer.name.clone()).unwrap_or_default();
    let what = match &found[..] {
        [bol] => bol.number.clone(),
        many => format!("{} bills of lading", many.len()),
    };
    let page = AssignPage {
        layout: Layout::new(site, Some(visitor), "/bols"),
        customers: choices("Choose a customer", options, &wanted.customer),
        error: error.map(|error| error.to_string()).unwrap_or_default(),
        owners: assign::owners(&found),
        customer_code: wanted.customer.clone(),
        question: if name.is_empty() { format!("Assign {what}") } else { format!("Assign {what} to {name}?") },
        customer_name: name,
        losing,
        bols: found
            .into_iter()
            .map(|bol| Chosen {
                href: format!("/bols/{}", bol.number),
                date: page::date(bol.bol_date),
                product: bol.product,
                owner: bol.owner_name.unwrap_or_else(|| "nobody yet".into()),
                number: bol.number,
            })
            .collect(),
    };
    Ok(with_status(page.respond_to(request), status))
}
