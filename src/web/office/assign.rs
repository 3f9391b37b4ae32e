//! `/office/bols/assign`: choose a customer for BOLs, see the consequences, confirm.

use std::collections::HashSet;

use actix_web::http::StatusCode;
use actix_web::web::{Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use crate::accounts::customers::{self, Customer};
use crate::bols::assign::{self, AssignError, MAX_SELECTED};
use crate::bols::search::{self, Selection};
use crate::bols::{BolNumber, lists};
use crate::field_errors::FieldErrors;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{self, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, Fields, choices};
use crate::web::page::{self, Layout, html_with_status};
use crate::web::selection::{Selected, SelectionForm};

#[derive(Template)]
#[template(path = "office/assign.html")]
struct AssignPage {
    layout: Layout,
    bols: Vec<BolRow>,
    customers: Vec<Choice>,
    errors: FieldErrors,
    /// `None` while the customer is being chosen.
    confirmation: Option<Confirmation>,
    question: String,
}

/// The customer that gets the BOLs, and the consequences.
struct Confirmation {
    customer_code: String,
    customer_name: String,
    /// The current owners, which the form sends back.
    owners: String,
    /// Customers that lose a BOL.
    losing: Vec<String>,
    /// How many BOLs have a ship-to address that is none of the customer's.
    foreign: usize,
}

/// A BOL that is to be assigned.
struct BolRow {
    number: String,
    href: String,
    date: String,
    product: String,
    ship_to: String,
    /// Whether the ship-to address is none of the chosen customer's.
    is_foreign: bool,
    owner: String,
}

type Pairs = Vec<(String, String)>;

/// What the form asks for.
struct Assignment {
    numbers: Vec<BolNumber>,
    /// The customer's code; empty while none is chosen.
    customer: String,
    /// The owners of the BOLs when the confirmation was shown.
    owners_shown: Option<String>,
}

impl Assignment {
    fn parse(pairs: &Pairs) -> Result<Self, Error> {
        let values =
            |name: &'static str| pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim());
        let mut numbers: Vec<BolNumber> =
            values("number").map(str::parse).collect::<Result<_, _>>().map_err(|_| Error::NotFound)?;
        numbers.sort();
        numbers.dedup();
        Ok(Self {
            numbers,
            customer: values("customer").next().unwrap_or_default().to_uppercase().replace('\0', ""),
            owners_shown: values("owners").next().map(Into::into),
        })
    }
}

/// `GET /office/bols/assign`: the choice of a customer, then the confirmation. The BOLs are those named by `number`, or
/// the selection of a list.
pub async fn page(
    request: HttpRequest,
    context: Context<OfficeStaff>,
    query: Query<Pairs>,
) -> Result<HttpResponse, Error> {
    let mut assignment = Assignment::parse(&query)?;
    let form = SelectionForm::parse(request.query_string());
    if form.is_from_list() {
        let selection = match form.resolve(&context, Some(MAX_SELECTED)).await? {
            Selected::Bols(selection, _) => selection,
            Selected::Refused(response) => return Ok(response),
        };
        assignment.numbers = numbers(&context, selection).await?;
    }
    let error = match &*assignment.customer {
        "" => None,
        code => assign::receiver(&context.db, code).await.err(),
    };
    show(&context, &assignment, error).await
}

async fn numbers(context: &Context<OfficeStaff>, selection: Selection) -> Result<Vec<BolNumber>, Error> {
    let rows = match selection {
        Selection::These(rows) => rows.into_iter().map(|(row, _)| row).collect(),
        Selection::Matching(search) => {
            search::batch(&context.db, &context.viewer.scope(), &search, MAX_SELECTED).await?.rows
        }
    };
    let mut numbers: Vec<BolNumber> = rows.iter().filter_map(|row| row.number.parse().ok()).collect();
    numbers.sort();
    Ok(numbers)
}

/// `POST /office/bols/assign`: `number` repeated, `customer`, and `owners` as the confirmation showed them.
pub async fn assign(context: Context<OfficeStaff>, form: Form<Pairs>) -> Result<HttpResponse, Error> {
    let assignment = Assignment::parse(&form)?;
    if context.is_draft() {
        return show(&context, &assignment, None).await;
    }
    let Assignment { numbers, customer, owners_shown } = &assignment;
    match assign::assign(&context.acting(), numbers, customer, owners_shown.as_deref()).await {
        Ok(()) => {
            // The page offers to undo what this request has done.
            let query = format!("assignment={}", context.origin.request_id);
            Ok(match &numbers[..] {
                [number] => see_other(&format!("/bols/{number}?{query}"), Some(flash::bol::ASSIGNED)),
                _ => see_other(&format!("/bols?{query}"), Some(flash::bols::ASSIGNED)),
            })
        }
        Err(error) => show(&context, &assignment, Some(error)).await,
    }
}

/// `POST /office/bols/assign/undo`: `assignment`, the request that assigned the BOLs.
pub async fn undo(context: Context<OfficeStaff>, fields: Fields) -> Result<HttpResponse, Error> {
    let undone = assign::undo::undo(&context.acting(), fields.one("assignment")).await?;
    let flash = match undone.kept {
        _ if undone.numbers.is_empty() => flash::not_selected::TOO_LATE,
        0 => flash::bols::RETURNED,
        _ => flash::bols::PARTLY_RETURNED,
    };
    Ok(match &undone.numbers[..] {
        [number] if undone.kept == 0 => see_other(&format!("/bols/{number}"), Some(flash::bol::RETURNED)),
        _ => see_other("/bols", Some(flash)),
    })
}

/// Shows the page with the error, if there is one.
async fn show(
    context: &Context<OfficeStaff>,
    assignment: &Assignment,
    error: Option<AssignError>,
) -> Result<HttpResponse, Error> {
    let status = match error {
        None => StatusCode::OK,
        Some(AssignError::Db(error)) => return Err(error.into()),
        Some(AssignError::Changed) => StatusCode::CONFLICT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let bols = match assign::chosen(&context.db, &assignment.numbers).await {
        Ok(bols) => bols,
        Err(AssignError::Missing(_)) => return Err(Error::NotFound),
        Err(AssignError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(Error::Invalid(error.to_string())),
    };
    let mut customers = customers::all(&mut *context.db.get().await?).await?;
    customers.retain(|customer| customer.active);
    let layout = match context.draft() {
        Some(reason) => context.layout("/bols").problem(reason.problem("Not assigned yet")),
        None => context.layout("/bols"),
    };
    let mut page = AssignPage::new(layout, assignment, bols, &customers, error);
    if let Some(confirmation) = &page.confirmation {
        let known =
            lists::customers::active_ship_tos(&mut *context.db.get().await?, &confirmation.customer_code).await?;
        page.mark_foreign(&known);
    }
    Ok(html_with_status(&page, status))
}

impl AssignPage {
    fn new(
        layout: Layout,
        assignment: &Assignment,
        bols: Vec<assign::Chosen>,
        customers: &[Customer],
        error: Option<AssignError>,
    ) -> Self {
        let receiver = customers.iter().find(|customer| customer.code == assignment.customer);
        let confirmation = receiver.filter(|_| error.is_none()).map(|customer| Confirmation {
            customer_code: customer.code.clone(),
            customer_name: customer.name.clone(),
            owners: assign::owners(&bols),
            losing: former_owners(&bols, customer),
            foreign: 0,
        });
        let what = match &bols[..] {
            [bol] => bol.number.clone(),
            many => format!("{} bills of lading", many.len()),
        };
        let options = customers.iter().map(|customer| (customer.code.clone(), customer.name.clone()));
        let errors = error.map(|error| FieldErrors::one("customer", error.to_string())).unwrap_or_default();
        let layout = layout.not_saved(&errors, str::to_owned);
        Self {
            layout,
            customers: choices("Choose a customer", options, &assignment.customer),
            errors,
            question: match &confirmation {
                None => format!("Assign {what}"),
                Some(confirmation) => format!("Assign {what} to {}?", confirmation.customer_name),
            },
            confirmation,
            bols: bols.into_iter().map(BolRow::from).collect(),
        }
    }
}

impl AssignPage {
    /// Marks the BOLs whose ship-to address is none of these. Without any, there is nothing to compare.
    fn mark_foreign(&mut self, known: &[String]) {
        let normal = |address: &str| address.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let known: HashSet<String> = known.iter().map(|address| normal(address)).collect();
        for bol in &mut self.bols {
            let address = normal(&bol.ship_to);
            bol.is_foreign = !known.is_empty() && !address.is_empty() && !known.contains(&address);
        }
        if let Some(confirmation) = &mut self.confirmation {
            confirmation.foreign = self.bols.iter().filter(|bol| bol.is_foreign).count();
        }
    }
}

/// The names of the customers that lose a BOL to `receiver`.
fn former_owners(bols: &[assign::Chosen], receiver: &Customer) -> Vec<String> {
    let mut names: Vec<String> = bols
        .iter()
        .filter(|bol| bol.owner_id.is_some_and(|owner| owner != receiver.id))
        .filter_map(|bol| bol.owner_name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

impl From<assign::Chosen> for BolRow {
    fn from(bol: assign::Chosen) -> Self {
        Self {
            href: format!("/bols/{}", bol.number),
            date: page::date(bol.bol_date),
            product: bol.product,
            ship_to: bol.ship_to,
            is_foreign: false,
            owner: bol.owner_name.unwrap_or_else(|| "no customer yet".into()),
            number: bol.number,
        }
    }
}
