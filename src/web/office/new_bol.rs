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
use crate::bols::fields::{FORM, Fieldset};
use crate::bols::{BolNumber, Draft, Filling, fill_in};
use crate::field_errors::FieldErrors;
use crate::issuing::{IssueError, Warning};
use crate::web::Error;
use crate::web::auth::OfficeStaff;
use crate::web::context::Context;
use crate::web::flash::{bol as flash, see_other};
use crate::web::page::{Layout, html_with_status};

const HERE: &str = "/office/bols/new";

/// Names and values of the fields as sent, in their order.
type Pairs = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "office/new_bol.html")]
struct NewBolPage {
    layout: Layout,
    script: String,
    draft: Draft,
    errors: FieldErrors,
    warnings: Vec<Warning>,
    choices: Choices,
    /// The request key: sending the form twice issues one BOL.
    key: String,
    /// The code of the customer whose last load filled in blank fields.
    filled_for: String,
    /// A failure that the input did not cause.
    trouble: Option<&'static str>,
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
        let mut codes: Vec<&str> = before.chain(self.warnings.iter().map(|warning| warning.code.as_str())).collect();
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
    let (choices, errors) = filled.ok_or(Error::NotFound)?;
    // The key stays the same: the BOL may have been issued without the response reaching the browser.
    let key = key.parse::<Uuid>().unwrap_or_else(|_| Uuid::now_v7()).to_string();
    let filled_for = draft.customer_code();
    let filled = Filled { draft, key, filled_for, errors, ..Filled::default() };
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
    match context.issuer().issue(&filled.draft, &format!("form:{key}")).await {
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
            filled.warnings = warnings;
            StatusCode::UNPROCESSABLE_ENTITY
        }
        IssueError::KeyReused => {
            // The user went back after issuing, changed the form, and sent it again: that is another load.
            filled.key = Uuid::now_v7().to_string();
            filled.trouble = Some(
                "This form was already issued with other values. Check the list of BOLs. If this is another \
                              load, issue it again.",
            );
            StatusCode::CONFLICT
        }
        IssueError::Storage(cause) => {
            tracing::warn!(%cause, "no BOL was issued");
            filled.trouble = Some(
                "The PDF could not be stored, so no BOL was issued and no number was used. Everything you \
                              typed is still here: try again in a minute.",
            );
            StatusCode::SERVICE_UNAVAILABLE
        }
        IssueError::Db(cause) if cause.is_unreachable() => {
            tracing::warn!(%cause, "no BOL was issued");
            filled.trouble = Some(
                "Too many BOLs are being issued at this moment, or the database is away. Everything you typed is \
                              still here: try again in a minute. Nothing is issued twice.",
            );
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
    warnings: Vec<Warning>,
    trouble: Option<&'static str>,
}

fn show(context: &Context<OfficeStaff>, status: StatusCode, filled: Filled, choices: Choices) -> HttpResponse {
    let Filled { draft, key, filled_for, errors, warnings, trouble } = filled;
    let (layout, script) = (context.layout(HERE), context.site.assets.href("new-bol.js"));
    let page = NewBolPage { layout, script, draft, errors, warnings, choices, key, filled_for, trouble };
    html_with_status(&page, status)
}
