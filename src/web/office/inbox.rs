//! `/office/inbox`: what waits for a person. Documents without a BOL, BOLs without a customer, and the bin.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama_web::WebTemplate;
use chrono::Datelike;
use chrono_tz::Tz;
use url::form_urlencoded;

use crate::accounts::customers;
use crate::audit::Origin as AuditOrigin;
use crate::bols::weight::{Pounds, grouped};
use crate::bols::{BolNumber, assign};
use crate::db::Database;
use crate::documents::Kind;
use crate::documents::inbox::{self, Desk, FileError, Page, Shelf};
use crate::storage::StorageError;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::forms::{Choice, choices};
use crate::web::page::{self, Chrome, moment, with_status};
use crate::web::request::Origin;
use crate::web::{Error, Site};

const HERE: &str = "/office/inbox";
/// BOLs without a customer that are listed at once.
const LOOSE: usize = 200;
/// Documents of one selection at the most.
const MOST_TICKED: usize = 200;

#[derive(Template, WebTemplate)]
#[template(path = "office/inbox.html")]
struct InboxPage {
    chrome: Chrome,
    script: String,
    tabs: Vec<Tab>,
    show: &'static str,
    rows: Vec<Waiting>,
    bols: Vec<Loose>,
    customers: Vec<Choice>,
    problem: String,
    first_href: String,
    next_href: String,
    /// Where this page begins.
    after: String,
    bulk: Bulk,
}

struct Tab {
    label: &'static str,
    count: String,
    href: &'static str,
    current: bool,
}

struct Waiting {
    id: i64,
    file_name: String,
    detail: String,
    when: String,
    when_iso: String,
    by: String,
    reason: String,
    found: Vec<Found>,
    preview_src: String,
    open_href: String,
    number: String,
    kinds: Vec<Choice>,
    error: String,
    focus: bool,
    checked: bool,
}

struct Found {
    label: String,
    value: String,
}

struct Loose {
    number: String,
    href: String,
    date: String,
    date_iso: String,
    product: String,
    ship_to: String,
    net_tons: String,
}

#[derive(Default)]
struct Bulk {
    number: String,
    kinds: Vec<Choice>,
    error: String,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct View {
    show: String,
    after: String,
    done: String,
}

impl View {
    fn notice(&self) -> &'static str {
        match self.done.as_str() {
            "filed" => "Filed. Whoever has the BOL sees the document from now on.",
            "discarded" => "In the bin, from which it can be put back.",
            "restored" => "Back in the inbox.",
            _ => "",
        }
    }
}

/// What was typed, for showing a form again.
#[derive(Default)]
struct Typed {
    /// Of one document's own form.
    row: Option<(i64, Filing, String)>,
    bulk: Bulk,
    ticked: Vec<i64>,
    problem: String,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Filing {
    number: String,
    kind: String,
    /// The page of the inbox it was on.
    after: String,
}

pub async fn page(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    view: Query<View>,
) -> Result<HttpResponse, Error> {
    show(&request, &site, &db, &visitor, &view, StatusCode::OK, Typed::default()).await
}

/// `POST /office/documents/{id}/file`
pub async fn file(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<i64>,
    form: Form<Filing>,
) -> Result<HttpResponse, Error> {
    let error = match (number(&site, &form.number), kind(&form.kind)) {
        (Ok(number), Ok(kind)) => match desk(&site, &db, &visitor, &origin.0).file(*id, &number, kind).await {
            Ok(()) => return Ok(redirect("", "filed", &form.after)),
            Err(FileError::Gone) => return Err(Error::NotFound),
            Err(FileError::Filed(there)) if there == number.as_str() => return Ok(redirect("", "filed", &form.after)),
            Err(error) => error,
        },
        (Err(message), _) | (_, Err(message)) => {
            let typed = Typed { row: Some((*id, form.into_inner(), message.into())), ..Typed::default() };
            return show(&request, &site, &db, &visitor, &View::default(), StatusCode::UNPROCESSABLE_ENTITY, typed)
                .await;
        }
    };
    let (status, message) = beside(error)?;
    let view = View { after: form.after.clone(), ..View::default() };
    let typed = Typed { row: Some((*id, form.into_inner(), message)), ..Typed::default() };
    show(&request, &site, &db, &visitor, &view, status, typed).await
}

/// `POST /office/documents/{id}/unfile`: back into the inbox, from the page of the BOL.
pub async fn unfile(
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    match desk(&site, &db, &visitor, &origin.0).unfile(*id).await {
        Ok(number) => {
            let place = format!("/bols/{number}?done=unfiled");
            Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
        }
        Err(FileError::Db(error)) => Err(error.into()),
        Err(_) => Err(Error::NotFound),
    }
}

/// `POST /office/inbox`: `document` repeated, and `action`: `file` (with `number` and `kind`), `discard` or `restore`.
pub async fn many(
    request: HttpRequest,
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    form: Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let value = |name| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let ticked = form.iter().filter(|(name, _)| name == "document").map(|(_, id)| id.parse());
    let ticked: Vec<i64> = ticked.collect::<Result<_, _>>().map_err(|_| Error::BadRequest)?;
    let desk = desk(&site, &db, &visitor, &origin.0);
    let (action, typed) = (
        value("action"),
        Filing { number: value("number").into(), kind: value("kind").into(), after: value("after").into() },
    );
    let shelf = if action == "restore" { "bin" } else { "" };
    let view = View { show: shelf.into(), after: typed.after.clone(), ..View::default() };
    let again = |error: String, problem: String, status| {
        let bulk = Bulk { number: typed.number.clone(), kinds: kinds(&typed.kind), error };
        let typed = Typed { bulk, ticked: ticked.clone(), problem, row: None };
        show(&request, &site, &db, &visitor, &view, status, typed)
    };
    if ticked.is_empty() || ticked.len() > MOST_TICKED {
        let message = if ticked.is_empty() { "Tick at least one document." } else { "Up to 200 documents at once." };
        return again(String::new(), message.into(), StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    match action {
        "discard" => {
            desk.discard(&ticked).await?;
            Ok(redirect("", "discarded", &typed.after))
        }
        "restore" => {
            desk.restore(&ticked).await?;
            Ok(redirect("bin", "restored", &typed.after))
        }
        "file" => {
            let (number, kind) = match (number(&site, &typed.number), kind(&typed.kind)) {
                (Ok(number), Ok(kind)) => (number, kind),
                (Err(message), _) | (_, Err(message)) => {
                    return again(message.into(), String::new(), StatusCode::UNPROCESSABLE_ENTITY).await;
                }
            };
            match file_all(&desk, &ticked, &number, kind).await {
                Ok(()) => Ok(redirect("", "filed", &typed.after)),
                Err((filed, error)) => {
                    let (status, message) = beside(error)?;
                    again(message, format!("{filed} of {} were filed; the others wait.", ticked.len()), status).await
                }
            }
        }
        _ => Err(Error::BadRequest),
    }
}

/// One after the other; what is filed already is fine. With the first error, how many were filed: what is wrong with the
/// storage is so for all, what is wrong with one document is told when the others are done.
async fn file_all(desk: &Desk<'_>, ids: &[i64], number: &BolNumber, kind: Kind) -> Result<(), (usize, FileError)> {
    let (mut filed, mut first) = (0, None);
    for id in ids {
        match desk.file(*id, number, kind).await {
            Ok(()) => filed += 1,
            Err(FileError::Gone) => {}
            Err(FileError::Filed(there)) if there == number.as_str() => {}
            Err(error @ (FileError::Storage(_) | FileError::Db(_) | FileError::NoBol(_))) => {
                return Err((filed, error));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), |error| Err((filed, error)))
}

/// `GET /office/documents/{id}/preview`: the first page as a picture.
pub async fn preview(
    visitor: Visitor<OfficeStaff>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    let picture = match desk(&site, &db, &visitor, &origin.0).preview(*id, &site.examiner).await {
        Ok(picture) => picture.ok_or(Error::NotFound)?,
        Err(FileError::Gone | FileError::Filed(_)) => return Err(Error::NotFound),
        Err(FileError::Storage(error)) => return Err(error.into()),
        Err(FileError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(Error::Internal(error.to_string())),
    };
    Ok(HttpResponse::Ok()
        .content_type("image/png")
        // The bytes of a document never change; looking at the page again is not another look into the file.
        .insert_header((CACHE_CONTROL, "private, max-age=600"))
        .body(picture))
}

fn desk<'a>(site: &'a Site, db: &'a Database, visitor: &'a Visitor<OfficeStaff>, origin: &'a AuditOrigin) -> Desk<'a> {
    Desk { db, storage: &site.storage, clock: &site.clock, spool: &site.spool, viewer: visitor, origin }
}

fn number(site: &Site, typed: &str) -> Result<BolNumber, &'static str> {
    let year = site.clock.now().with_timezone(&site.time_zone).year();
    BolNumber::from_short(typed, &site.bol_prefix, year)
        .map_err(|_| "A BOL number looks like PRT-2025-0001; 25-1 or, for this year's, 1 will do.")
}

fn kind(typed: &str) -> Result<Kind, &'static str> {
    typed.parse().map_err(|_| "Choose what kind of document it is.")
}

fn beside(error: FileError) -> Result<(StatusCode, String), Error> {
    match error {
        FileError::NoBol(_) | FileError::Double(_) => Ok((StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
        FileError::Filed(_) => Ok((StatusCode::CONFLICT, error.to_string())),
        FileError::Storage(cause @ StorageError::Missing(_)) => {
            tracing::error!(%cause, "a document in the inbox has no object");
            let message = "Its file is missing in the storage. Tell whoever runs the portal.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, message.into()))
        }
        FileError::Storage(cause) => {
            tracing::warn!(%cause, "a document could not be filed");
            let message = "The storage can't be reached, so it still waits here. Try again in a minute.";
            Ok((StatusCode::SERVICE_UNAVAILABLE, message.into()))
        }
        FileError::Gone => Err(Error::NotFound),
        FileError::Db(error) => Err(error.into()),
    }
}

/// Back to where the clerk was.
fn redirect(shelf: &str, done: &str, after: &str) -> HttpResponse {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("show", shelf), ("after", after), ("done", done)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    HttpResponse::SeeOther().insert_header((LOCATION, format!("{HERE}?{}", query.finish()))).finish()
}

fn kinds(selected: &str) -> Vec<Choice> {
    crate::web::forms::kinds("Kind of document", selected)
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    db: &Database,
    visitor: &Visitor<OfficeStaff>,
    view: &View,
    status: StatusCode,
    typed: Typed,
) -> Result<HttpResponse, Error> {
    let shown = match view.show.as_str() {
        "bols" => "bols",
        "bin" => "bin",
        _ => "documents",
    };
    let shelf = if shown == "bin" { Shelf::Bin } else { Shelf::Inbox };
    let after: Option<i64> = view.after.parse().ok();
    let Page { rows, next, waiting, discarded } = inbox::page(db, shelf, after).await?;
    let (loose, unassigned) = assign::unassigned(db, if shown == "bols" { LOOSE } else { 0 }).await?;
    let customers = customers::all(&mut *db.get().await?).await?;
    let tab = |label, name, href, count: i64| Tab { label, count: grouped(count), href, current: shown == name };
    let mut bulk = typed.bulk;
    if bulk.kinds.is_empty() {
        bulk.kinds = kinds("");
    }
    let zone = site.time_zone;
    let mut rows: Vec<Waiting> = match shown {
        "bols" => Vec::new(),
        _ => rows.into_iter().map(|(row, by)| Waiting::new(row, by, site, zone)).collect(),
    };
    let mut problem = typed.problem;
    if let Some((id, filing, error)) = typed.row {
        match rows.iter_mut().find(|row| row.id == id) {
            Some(row) => (row.number, row.kinds, row.error) = (filing.number, kinds(&filing.kind), error),
            // On another page of the inbox.
            None => problem = error,
        }
    }
    for row in &mut rows {
        row.checked = typed.ticked.contains(&row.id);
    }
    let first = rows.iter().position(|row| !row.error.is_empty()).unwrap_or(0);
    if let Some(row) = rows.get_mut(first) {
        row.focus = true;
    }
    let here = match shown {
        "documents" => HERE.to_owned(),
        shown => format!("{HERE}?show={shown}"),
    };
    let sign = if here.contains('?') { '&' } else { '?' };
    let page = InboxPage {
        chrome: Chrome::new(site, Some(visitor), HERE).notice(view.notice()),
        script: site.assets.href("inbox.js"),
        tabs: vec![
            tab("Documents", "documents", "/office/inbox", waiting),
            tab("BOLs without a customer", "bols", "/office/inbox?show=bols", unassigned),
            tab("Bin", "bin", "/office/inbox?show=bin", discarded),
        ],
        show: shown,
        rows,
        bols: loose.into_iter().map(Loose::from).collect(),
        customers: choices(
            "Choose a customer",
            customers.into_iter().filter(|customer| customer.active).map(|customer| (customer.code, customer.name)),
            "",
        ),
        problem,
        after: after.map(|after| after.to_string()).unwrap_or_default(),
        first_href: if after.is_some() { here.clone() } else { String::new() },
        next_href: next.filter(|_| shown != "bols").map(|next| format!("{here}{sign}after={next}")).unwrap_or_default(),
        bulk,
    };
    Ok(with_status(page.respond_to(request), status))
}

impl Waiting {
    fn new(row: inbox::Waiting, by: Option<String>, site: &Site, zone: Tz) -> Self {
        let found = found(&row.found);
        let when = moment(row.created_at, zone);
        let pages = match row.pages {
            None => String::new(),
            Some(1) => ", 1 page".into(),
            Some(pages) => format!(", {pages} pages"),
        };
        let reason = match row.discarded_at {
            Some(at) => format!("Discarded {} by {}. {}", moment(at, zone).text, row.discarded_by, row.waits_for),
            None => row.waits_for,
        };
        Self {
            id: row.id,
            detail: format!("{}{pages}", page::size(row.size_bytes)),
            when: when.text,
            when_iso: when.iso,
            by: by.unwrap_or_default(),
            reason,
            number: suggestion(&found, &site.bol_prefix),
            found,
            preview_src: format!("/office/documents/{}/preview", row.id),
            open_href: format!("/documents/{}/download?inline=1", row.id),
            kinds: kinds(&row.kind),
            file_name: row.arrived_as,
            error: String::new(),
            focus: false,
            checked: false,
        }
    }
}

/// Source and numbers, as intake wrote them down.
fn found(found: &serde_json::Value) -> Vec<Found> {
    let pairs = found.as_object().into_iter().flatten();
    pairs
        .map(|(source, numbers)| {
            let numbers = numbers.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
            Found { label: source.clone(), value: numbers.collect::<Vec<_>>().join(", ") }
        })
        .collect()
}

/// The one number that was found, if there is only one.
fn suggestion(found: &[Found], prefix: &str) -> String {
    let mut numbers =
        BolNumber::find_all(&found.iter().map(|found| &*found.value).collect::<Vec<_>>().join(" "), prefix);
    match (numbers.pop_first(), numbers.is_empty()) {
        (Some(number), true) => number.to_string(),
        _ => String::new(),
    }
}

impl From<assign::Chosen> for Loose {
    fn from(bol: assign::Chosen) -> Self {
        Self {
            href: format!("/bols/{}", bol.number),
            date: page::date(bol.bol_date),
            date_iso: bol.bol_date.to_string(),
            product: bol.product,
            ship_to: bol.ship_to.lines().next().unwrap_or_default().into(),
            net_tons: Pounds(bol.net_lb).short_tons(),
            number: bol.number,
        }
    }
}
