//! `/office/inbox`: what waits for a person. Documents without a BOL, BOLs without a customer, and the bin.

mod page;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::Datelike;
use url::form_urlencoded;

use self::page::{Bulk, Filing, Typed, View, kinds, show};
use crate::audit::Origin as AuditOrigin;
use crate::bols::BolNumber;
use crate::db::Database;
use crate::documents::Kind;
use crate::intake::inbox::{FileError, Inbox};
use crate::storage::StorageError;
use crate::web::auth::{OfficeStaff, Visitor};
use crate::web::request::Origin;
use crate::web::{Error, Site};

const HERE: &str = "/office/inbox";
/// Documents of one selection at the most.
const MOST_TICKED: usize = 200;

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
    let (status, message) = match (number(&site, &form.number), kind(&form.kind)) {
        (Ok(number), Ok(kind)) => match inbox_of(&site, &db, &visitor, &origin.0).file(*id, &number, kind).await {
            Ok(()) => return Ok(redirect("", "filed", &form.after)),
            Err(FileError::Gone) => return Err(Error::NotFound),
            Err(FileError::Filed(there)) if there == number.as_str() => return Ok(redirect("", "filed", &form.after)),
            Err(error) => beside(error)?,
        },
        (Err(message), _) | (_, Err(message)) => (StatusCode::UNPROCESSABLE_ENTITY, message.into()),
    };
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
    match inbox_of(&site, &db, &visitor, &origin.0).unfile(*id).await {
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
    let inbox = inbox_of(&site, &db, &visitor, &origin.0);
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
            inbox.discard(&ticked).await?;
            Ok(redirect("", "discarded", &typed.after))
        }
        "restore" => {
            inbox.restore(&ticked).await?;
            Ok(redirect("bin", "restored", &typed.after))
        }
        "file" => {
            let (number, kind) = match (number(&site, &typed.number), kind(&typed.kind)) {
                (Ok(number), Ok(kind)) => (number, kind),
                (Err(message), _) | (_, Err(message)) => {
                    return again(message.into(), String::new(), StatusCode::UNPROCESSABLE_ENTITY).await;
                }
            };
            match file_all(&inbox, &ticked, &number, kind).await {
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
async fn file_all(inbox: &Inbox<'_>, ids: &[i64], number: &BolNumber, kind: Kind) -> Result<(), (usize, FileError)> {
    let (mut filed, mut first) = (0, None);
    for id in ids {
        match inbox.file(*id, number, kind).await {
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
    let picture = match inbox_of(&site, &db, &visitor, &origin.0).preview(*id, &site.examiner).await {
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

fn inbox_of<'a>(
    site: &'a Site,
    db: &'a Database,
    visitor: &'a Visitor<OfficeStaff>,
    origin: &'a AuditOrigin,
) -> Inbox<'a> {
    Inbox { db, storage: &site.storage, clock: &site.clock, spool: &site.spool, viewer: visitor, origin }
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
