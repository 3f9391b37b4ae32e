//! `/office/upload`: one file or a thousand, each with its own outcome.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use uuid::Uuid;

use crate::accounts::customers;
use crate::field_errors::FieldErrors;
use crate::intake::journal::{self, Entry};
use crate::intake::{FileName, Outcome, Receipt};
use crate::units::file_size;
use crate::web::Error;
use crate::web::auth::{DocumentsUpload, OfficeStaff, Scoped};
use crate::web::context::Context;
use crate::web::flash::{Done, see_other};
use crate::web::form_field::FormField;
use crate::web::forms::{Choice, choices, kinds};
use crate::web::page::{Layout, html, html_with_status, non_empty};
use crate::web::problem::Problem;
use crate::web::request::wants_json;
use crate::web::upload_stream::{Ending, Stack};

const HERE: &str = "/office/upload";

#[derive(Template)]
#[template(path = "office/upload.html")]
struct UploadPage {
    layout: Layout,
    script: String,
    kinds: Vec<Choice>,
    customers: Vec<Choice>,
    max_mb: u64,
    batch: String,
    has_results: bool,
    counts: Vec<Count>,
    results: Vec<ResultRow>,
    more: bool,
}

struct Count {
    label: &'static str,
    count: i64,
}

struct ResultRow {
    file_name: String,
    outcome: &'static str,
    label: &'static str,
    reason: String,
    bol_number: Option<String>,
    size: String,
}

impl ResultRow {
    fn new(file_name: &str, size: i64, outcome: Outcome, reason: &str, bol_number: &str) -> Self {
        Self {
            file_name: file_name.into(),
            outcome: outcome.as_str(),
            label: outcome.label(),
            reason: reason.into(),
            bol_number: non_empty(bol_number.into()),
            size: file_size(size),
        }
    }
}

impl From<&Entry> for ResultRow {
    fn from(entry: &Entry) -> Self {
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == entry.outcome);
        let outcome = outcome.unwrap_or(Outcome::Rejected);
        Self::new(&entry.file_name, entry.size_bytes, outcome, &entry.reason, &entry.bol_number)
    }
}

impl From<&Receipt> for ResultRow {
    fn from(receipt: &Receipt) -> Self {
        let size = i64::try_from(receipt.size).unwrap_or(i64::MAX);
        let number = receipt.bol_number.as_deref().unwrap_or_default();
        Self::new(&receipt.file_name, size, receipt.outcome, &receipt.reason, number)
    }
}

#[derive(serde::Deserialize)]
pub struct BatchQuery {
    #[serde(default)]
    batch: String,
    #[serde(flatten)]
    done: Done,
}

/// `GET /office/upload?batch=…`: the form, and the outcomes of a batch.
pub async fn page(context: Context<OfficeStaff>, query: Query<BatchQuery>) -> Result<HttpResponse, Error> {
    let mut page = UploadPage::new(&context).await?;
    page.layout = page.layout.flash(&query.done, &[]);
    if query.batch.is_empty() || query.batch.len() > journal::MAX_BATCH_BYTES || query.batch.contains('\0') {
        return Ok(html(&page));
    }
    let stack = journal::stack(&context.db, context.viewer.user_id, &query.batch).await?;
    let total: i64 = stack.counts.iter().map(|(_, count)| count).sum();
    page.more = total > stack.entries.len() as i64;
    let lines = stack.entries.iter().map(ResultRow::from).collect();
    let count = |outcome: &str| stack.counts.iter().find(|(known, _)| known == outcome).map_or(0, |(_, count)| *count);
    page.show(lines, count);
    Ok(html(&page))
}

/// `POST /office/upload`: reads the form as a stream, and settles each file before it reads the next.
pub async fn upload(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    form: Multipart,
) -> Result<HttpResponse, Error> {
    let context = context.admitted();
    let mut stack = Stack::new(&context);
    let (status, broken) = match stack.take(form).await {
        Err(broken) if stack.receipts.is_empty() => return Err(broken.to_error()),
        Err(broken) => (broken.to_error().status_code(), Some(broken.message())),
        Ok(_) if stack.receipts.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, Some("Choose at least one file.")),
        Ok(Ending::AllTooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Ok(Ending::AllPutOff) => (StatusCode::SERVICE_UNAVAILABLE, None),
        Ok(Ending::Whole) => (StatusCode::OK, None),
    };
    let mut answer = if wants_json(&request) && !stack.receipts.is_empty() {
        if let Some(broken) = broken {
            stack.receipts.push(Receipt::rejected(&FileName::cleaned("the rest"), 0, broken));
        }
        HttpResponse::build(status).json(&stack.receipts)
    } else if status == StatusCode::OK && stack.is_noted {
        see_other(&format!("{HERE}?batch={}", stack.batch), None)
    } else if wants_json(&request) {
        return Err(Error::Invalid("Send at least one file, in the field files.".into()));
    } else {
        let mut page = UploadPage::new(&context).await?;
        if let Some(message) = broken {
            page.layout = page.layout.problem(Problem::new(message));
        }
        let count =
            |outcome: &str| stack.receipts.iter().filter(|found| found.outcome.as_str() == outcome).count() as i64;
        page.show(stack.receipts.iter().map(ResultRow::from).collect(), count);
        html_with_status(&page, status)
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    Ok(answer)
}

impl UploadPage {
    async fn new(context: &Context<OfficeStaff>) -> Result<Self, Error> {
        let Context { site, db, .. } = context;
        let customers = customers::all(&mut *db.get().await?).await?;
        let active = customers.into_iter().filter(|customer| customer.active);
        let active = active.map(|customer| (customer.code.clone(), format!("{} ({})", customer.name, customer.code)));
        Ok(Self {
            layout: context.layout(HERE),
            script: site.assets.href("upload.js"),
            kinds: kinds("Detect automatically", ""),
            customers: choices("The BOL's customer", active, ""),
            max_mb: site.max_upload_bytes / 1_000_000,
            batch: Uuid::now_v7().simple().to_string(),
            has_results: false,
            counts: Vec::new(),
            results: Vec::new(),
            more: false,
        })
    }

    fn show(&mut self, results: Vec<ResultRow>, count: impl Fn(&str) -> i64) {
        self.has_results = !results.is_empty();
        self.results = results;
        self.counts = Outcome::ALL
            .into_iter()
            .map(|outcome| Count { label: outcome.label(), count: count(outcome.as_str()) })
            .filter(|count| count.count > 0)
            .collect();
    }
}
