//! `/office/bols/new`: the form of a new BOL, its preview, and issuing it.
//!
//! The fields and their places on the form come from [`crate::bols::fields`].

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, HeaderValue, RETRY_AFTER};
use actix_web::web::{Form, Query};
use askama::Template;
use uuid::Uuid;

use crate::bols::choices::{self, Choices};
use crate::bols::fields::{FORM, Field, Fieldset};
use crate::bols::{BolNumber, Copied, Draft, FilledIn, Filling, fill_in};
use crate::field_errors::FieldErrors;
use crate::issuing::IssueError;
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{bol as flash, see_other};
use crate::web::page::{Layout, html_with_status};
use crate::web::problem::Problem;

const HERE: &str = "/office/bols/new";

/// Names and values of the fields as sent, in their order.
type Pairs = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "office/new_bol.html")]
struct NewBolPage {
    layout: Layout,
    draft: Draft,
    errors: FieldErrors,
    /// The codes of the warnings that the button confirms.
    warnings: Vec<String>,
    choices: Choices,
    /// The request key: sending the form twice issues one BOL.
    key: String,
    /// The code of the customer whose last load filled in blank fields.
    filled_for: String,
    /// What was copied from the customer's last load.
    copied: Option<Copied>,
    /// The user has just used the button that copies.
    is_copying: bool,
}

impl NewBolPage {
    fn form(&self) -> &'static [Fieldset] {
        &FORM
    }

    fn value(&self, name: &str) -> &str {
        self.draft.get(name)
    }

    fn error(&self, name: &str) -> Option<&str> {
        self.errors.message(name)
    }

    /// Says what was copied.
    fn copied(&self) -> Option<String> {
        let Copied { number, fields } = self.copied.as_ref()?;
        let check = if FORM.iter().any(|fieldset| self.rechecks(fieldset)) { " Check what is marked." } else { "" };
        let fields = if fields.len() == 1 { "1 field".into() } else { format!("{} fields", fields.len()) };
        Some(format!("Filled in {fields} from {number}.{check}"))
    }

    fn rechecks(&self, fieldset: &Fieldset) -> bool {
        fieldset.rows.iter().flat_map(|row| row.fields()).any(|field| self.recheck(field).is_some())
    }

    /// What to check about a copied value that often changes.
    fn recheck(&self, field: &Field) -> Option<String> {
        let Copied { number, fields } = self.copied.as_ref()?;
        let text = field.recheck.filter(|_| fields.contains(&field.name))?;
        Some(format!("From {number}. {text}"))
    }

    /// The ids of the texts that describe a field.
    fn described_by(&self, field: &Field) -> Option<String> {
        let texts = [
            (self.recheck(field).is_some(), "copied"),
            (self.error(field.name).is_some(), "error"),
            (field.hint.is_some(), "hint"),
        ];
        let ids = texts.iter().filter(|(is_shown, _)| *is_shown).map(|(_, text)| format!("{}-{text}", field.name));
        let ids: Vec<String> = ids.collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// Whether a folded part of the form opens, because it has a mistake.
    fn is_open(&self, fieldset: &Fieldset) -> bool {
        fieldset.rows.iter().flat_map(|row| row.fields()).any(|field| self.error(field.name).is_some())
    }

    /// What a folded part of the form holds: a load prints it, so it is in sight.
    fn values(&self, fieldset: &Fieldset) -> String {
        let fields = fieldset.rows.iter().flat_map(|row| row.fields()).filter_map(|field| {
            let value = self.value(field.name).lines().next().unwrap_or_default().trim();
            let choice = field.kind.choices().iter().find(|choice| choice.value == value);
            let value = choice.map_or(value, |choice| choice.label);
            (!value.is_empty()).then(|| format!("{}: {value}", field.form_label()))
        });
        fields.collect::<Vec<_>>().join(" · ")
    }

    /// Whether the cursor starts in the first field.
    fn is_fresh(&self) -> bool {
        !self.is_copying && self.layout.problem.is_none()
    }

    /// The number of the void BOL that the new one replaces.
    fn reissued(&self) -> Option<&str> {
        Some(self.value("reissue_of")).filter(|number| !number.is_empty())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.draft.get(name).trim().eq_ignore_ascii_case(value)
    }

    /// The code that was sent, if the list doesn't offer it. The form shows it beside its message.
    fn unknown_customer(&self) -> Option<&str> {
        let code = self.draft.get("customer").trim();
        let is_known = self.choices.customers.iter().any(|customer| self.is("customer", &customer.code));
        (!code.is_empty() && !is_known).then_some(code)
    }

    /// The warnings that were confirmed before, and those that the button confirms.
    fn confirm(&self) -> String {
        let before = self.draft.get("confirm").split([',', ' ']).filter(|code| !code.is_empty());
        let mut codes: Vec<&str> = before.chain(self.warnings.iter().map(String::as_str)).collect();
        codes.dedup();
        codes.join(",")
    }
}

fn read(pairs: &[(String, String)]) -> Filled {
    let Filled { mut draft, mut key, mut filled_for, .. } = Filled::default();
    for (name, value) in pairs {
        match name.as_str() {
            "key" => key.clone_from(value),
            "filled_for" => filled_for = value.replace('\0', ""),
            // Browsers send line breaks as CR LF.
            _ => drop(draft.set(name, value.replace("\r\n", "\n"))),
        }
    }
    Filled { draft, key, filled_for, ..Filled::default() }
}

/// `GET /office/bols/new?customer=&from=&…`: the form, filled in with defaults, with the customer's last load, or with
/// the void BOL `from` to reissue.
pub async fn page(context: Context<OfficeStaff>, query: Query<Pairs>) -> Result<HttpResponse, Error> {
    let value = |name| query.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let Filled { mut draft, filled_for, key, .. } = read(&query);
    let from: Option<BolNumber> = match value("from") {
        "" => None,
        from => Some(from.parse().map_err(|_| Error::NotFound)?),
    };
    let pick = value("pick").replace("\r\n", "\n");
    let filling = Filling { filled_for: &filled_for, from: from.as_ref(), pick: &pick };
    let filled = fill_in(&context.db, &mut draft, filling, context.site.today()).await?;
    let FilledIn { choices, errors, copied } = filled.ok_or(Error::NotFound)?;
    // Links to this page have no key; the form has one.
    let is_copying = !key.is_empty();
    // The key stays the same: the BOL may have been issued without the response reaching the browser.
    let key = key.parse::<Uuid>().unwrap_or_else(|_| Uuid::now_v7()).to_string();
    let filled_for = draft.customer_code();
    let filled = Filled { draft, key, filled_for, errors, copied, is_copying, ..Filled::default() };
    Ok(show(&context, StatusCode::OK, filled, choices))
}

/// `POST /office/bols/preview`: the PDF that issuing would print.
pub async fn preview(context: Context<OfficeStaff>, form: Form<Pairs>) -> Result<HttpResponse, Error> {
    let filled = read(&form);
    match context.issuer().preview(&filled.draft).await {
        Ok(pdf) => Ok(HttpResponse::Ok()
            .content_type("application/pdf")
            .insert_header((CONTENT_DISPOSITION, "inline; filename=\"preview.pdf\""))
            .body(pdf)),
        Err(error) => again(&context, filled, error).await,
    }
}

/// `POST /office/bols`: issues the BOL.
pub async fn issue(context: Context<OfficeStaff>, form: Form<Pairs>) -> Result<HttpResponse, Error> {
    let mut filled = read(&form);
    // Scripts send the form without a key. Each of their requests issues a BOL.
    let key = filled.key.parse::<Uuid>().unwrap_or_else(|_| Uuid::now_v7());
    filled.key = key.to_string();
    let issuer = context.issuer();
    match context.change(issuer.issue(&filled.draft, &format!("form:{key}"))).await {
        Ok(issued) => Ok(see_other(&format!("/bols/{}", issued.number), Some(flash::ISSUED))),
        Err(error) => again(&context, filled, error).await,
    }
}

/// Shows the form again, with the messages and everything that was typed.
async fn again(context: &Context<OfficeStaff>, mut filled: Filled, error: IssueError) -> Result<HttpResponse, Error> {
    let status = match error {
        IssueError::Invalid(errors) => {
            filled.errors = errors;
            StatusCode::UNPROCESSABLE_ENTITY
        }
        IssueError::Unconfirmed(warnings) => {
            let codes = warnings.iter().map(|warning| warning.code.clone()).collect();
            let mut found = FieldErrors::default();
            for warning in warnings {
                found.add(warning.field, warning.message);
            }
            filled.problem = Some(
                Problem::new("Not issued yet. Is this right?")
                    .label("Not issued yet")
                    .advice("Correct it, or use the button at the end to issue the BOL as it is.")
                    .fields(&found),
            );
            filled.warnings = codes;
            StatusCode::UNPROCESSABLE_ENTITY
        }
        IssueError::KeyReused => {
            // The user went back after issuing, changed the form, and sent it again: that is another load.
            filled.key = Uuid::now_v7().to_string();
            filled.problem = Some(Problem::new("Not issued.").advice(
                "This form was already issued with other values. Check the list of BOLs. If this is another \
                              load, issue it again.",
            ));
            StatusCode::CONFLICT
        }
        IssueError::Storage(cause) => {
            tracing::warn!(%cause, "no BOL was issued");
            filled.problem = Some(Problem::new("Not issued.").advice(
                "The PDF could not be stored, so no BOL was issued and no number was used. Everything you \
                              typed is still here: try again in a minute.",
            ));
            StatusCode::SERVICE_UNAVAILABLE
        }
        IssueError::Db(cause) if cause.is_unreachable() => {
            // A COMMIT whose answer is missing may have succeeded.
            tracing::warn!(%cause, "can't tell whether a BOL was issued");
            filled.problem = Some(Problem::new("Perhaps not issued.").advice(
                "Too many BOLs are being issued at this moment, or the database is away. Everything you typed is \
                              still here: issue it again in a minute. Nothing is issued twice.",
            ));
            StatusCode::SERVICE_UNAVAILABLE
        }
        error => return Err(error.into()),
    };
    let choices = choices::choices(&context.db, &filled.draft.customer_code()).await?;
    let mut response = show(context, status, filled, choices);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    Ok(response)
}

/// The contents of the form, as sent or to be shown.
#[derive(Default)]
struct Filled {
    draft: Draft,
    key: String,
    filled_for: String,
    errors: FieldErrors,
    warnings: Vec<String>,
    problem: Option<Problem>,
    copied: Option<Copied>,
    is_copying: bool,
}

fn show(context: &Context<OfficeStaff>, status: StatusCode, filled: Filled, choices: Choices) -> HttpResponse {
    let Filled { draft, key, filled_for, errors, warnings, problem, copied, is_copying } = filled;
    let problem = problem.or_else(|| context.draft().map(|reason| reason.problem("Not issued yet")));
    let problem = problem.or_else(|| (!errors.is_empty()).then(|| not_issued(&errors)));
    let mut layout = context.layout(HERE).script(&context.site, "new-bol.js");
    if let Some(problem) = problem {
        layout = layout.problem(problem);
    }
    let page = NewBolPage { layout, draft, errors, warnings, choices, key, filled_for, copied, is_copying };
    html_with_status(&page, status)
}

/// The summary of what is wrong. The BOL to reissue has no field to lead to.
fn not_issued(errors: &FieldErrors) -> Problem {
    let mut problem = Problem::new("Not issued: correct what is marked below.").fields(errors);
    for link in &mut problem.links {
        link.href = link.href.take().filter(|href| href != "#reissue_of");
    }
    problem
}
