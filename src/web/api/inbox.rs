//! `/api/v1/inbox`: documents without a certain BOL.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Bytes, Path, Query};

use super::types::{FileRequest, Filed, InboxDocument, InboxPage, InboxQuery, Moved, non_blank};
use super::{conditional, request};
use crate::bols::BolNumber;
use crate::documents::Kind;
use crate::field_errors::FieldErrors;
use crate::intake::inbox::{self, FileError, Inbox, InboxEntry, Shelf};
use crate::issuing::Warning;
use crate::web::Error;
use crate::web::auth::{Audience, DocumentsUpload, OfficeStaff, Scoped};
use crate::web::context::Context;

/// List the inbox.
///
/// Documents for which the portal found no certain BOL, or the bin with those that were discarded. 25 on a page.
#[utoipa::path(
    get,
    path = "/api/v1/inbox",
    operation_id = "list_inbox",
    tag = "Inbox",
    params(InboxQuery),
    responses((status = 200, description = "A page of the inbox or the bin.", body = InboxPage)),
    security(("token" = ["documents:upload"]), ("session" = []))
)]
pub async fn list(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    query: Query<InboxQuery>,
) -> Result<HttpResponse, Error> {
    let mut errors = FieldErrors::default();
    let shelf = match query.shelf.as_deref() {
        None | Some("" | "inbox") => Shelf::Inbox,
        Some("bin") => Shelf::Bin,
        Some(_) => {
            errors.add("shelf", "Use inbox or bin.");
            Shelf::Inbox
        }
    };
    let after = query.after.as_deref().filter(|after| !after.is_empty()).map(str::parse::<i64>);
    let after = after.transpose().unwrap_or_else(|_| {
        errors.add("after", "Use the value next of the page before.");
        None
    });
    let (shelf, after) = errors.or((shelf, after)).map_err(Error::Fields)?;
    let inbox::Page { rows, next, waiting, discarded } = inbox::page(&context.db, shelf, after).await?;
    let documents = rows.into_iter().map(|(entry, by)| described(entry, by)).collect();
    conditional::json(&request, &InboxPage { documents, next, waiting, discarded })
}

fn described(entry: InboxEntry, uploaded_by: Option<String>) -> InboxDocument {
    InboxDocument {
        id: entry.id,
        kind: entry.kind,
        file_name: entry.arrived_as,
        content_type: entry.content_type,
        size_bytes: entry.size_bytes,
        pages: entry.pages,
        uploaded_at: entry.created_at,
        uploaded_by,
        reason: entry.waits_for,
        quarantine: non_blank(&entry.quarantine),
        discarded_at: entry.discarded_at,
        discarded_by: non_blank(&entry.discarded_by),
    }
}

/// File a document with a BOL.
///
/// It becomes the next version of its kind there. Repeating the request answers the same while the document is filed
/// with this BOL, and 409 once it is filed with another one, so it needs no `Idempotency-Key`. Only `cleaned` answers 404
/// the second time, because the original has left the inbox.
#[utoipa::path(
    post,
    path = "/api/v1/inbox/{id}/file",
    operation_id = "file_document",
    tag = "Inbox",
    params(("id" = i64, Path, description = "The `id` of the document.")),
    request_body = FileRequest,
    responses(
        (status = 200, description = "It is filed.", body = Filed),
        (status = 409, description = "It is filed with another BOL, or another user is filing it."),
    ),
    security(("token" = ["documents:upload"]), ("session" = []))
)]
pub async fn file(
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    id: Path<i64>,
    body: Bytes,
) -> Result<HttpResponse, Error> {
    let filing: FileRequest = request::json(&body)?;
    let number: Option<BolNumber> = filing.number.parse().ok();
    let kind: Option<Kind> = filing.kind.parse().ok();
    let mut errors = FieldErrors::default();
    if number.is_none() {
        errors.add("number", "Use a BOL number such as PRT-2025-0001.");
    }
    if kind.is_none() {
        errors.add("kind", "There is no such kind of document.");
    }
    let (Some(number), Some(kind)) = (number, kind) else { return Err(Error::Fields(errors)) };
    if !filing.confirm.iter().any(|confirmed| confirmed == number.as_str()) {
        let found = inbox_of(&context).objection(&[*id], &number, &context.site.bol_prefix).await?;
        if let Some(message) = found {
            return Err(Error::Unconfirmed(vec![Warning { code: number.to_string(), field: "number", message }]));
        }
    }
    let document_id = match file_as(&context, *id, &number, kind, &filing).await {
        Ok(id) => id,
        Err(FileError::Filed(there)) if there == number.as_str() => *id,
        Err(error) => return Err(refusal(error)),
    };
    Ok(HttpResponse::Ok().json(Filed { document_id, bol_number: number.to_string() }))
}

/// Returns the id of the document that is filed now: that of the copy, if one was made.
async fn file_as<A: Audience>(
    context: &Context<A>,
    id: i64,
    number: &BolNumber,
    kind: Kind,
    filing: &FileRequest,
) -> Result<i64, FileError> {
    let inbox = inbox_of(context);
    match filing.form.as_deref() {
        Some("cleaned") => return inbox.file_cleaned(id, number, kind, &context.site.examiner).await,
        Some("original") => inbox.release(id, number, kind, filing.why.as_deref().unwrap_or_default()).await?,
        _ => inbox.file(id, number, kind).await?,
    }
    Ok(id)
}

/// Discard a document.
///
/// It moves into the bin. Repeating the request answers the same, so it needs no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/v1/inbox/{id}/discard",
    operation_id = "discard_document",
    tag = "Inbox",
    params(("id" = i64, Path, description = "The `id` of the document.")),
    responses((status = 200, description = "It is in the bin.", body = Moved)),
    security(("token" = ["documents:upload"]), ("session" = []))
)]
pub async fn discard(
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    inbox_of(&context).discard(&[*id]).await?;
    placed(&context, *id, Shelf::Bin).await
}

/// Restore a document from the bin.
///
/// It moves back into the inbox. Repeating the request answers the same, so it needs no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/v1/inbox/{id}/restore",
    operation_id = "restore_document",
    tag = "Inbox",
    params(("id" = i64, Path, description = "The `id` of the document.")),
    responses((status = 200, description = "It is in the inbox.", body = Moved)),
    security(("token" = ["documents:upload"]), ("session" = []))
)]
pub async fn restore(
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    inbox_of(&context).restore(&[*id]).await?;
    placed(&context, *id, Shelf::Inbox).await
}

/// Says that a document is where it should be now.
async fn placed<A: Audience>(context: &Context<A>, id: i64, shelf: Shelf) -> Result<HttpResponse, Error> {
    if inbox::shelf_of(&context.db, id).await? != Some(shelf) {
        return Err(Error::NotFound);
    }
    let shelf = if shelf == Shelf::Bin { "bin" } else { "inbox" };
    Ok(HttpResponse::Ok().json(Moved { document_id: id, shelf }))
}

fn inbox_of<A: Audience>(context: &Context<A>) -> Inbox<'_> {
    let Context { viewer, site, db, origin, .. } = context;
    Inbox { db, storage: &site.storage, clock: &site.clock, spool: &site.spool, viewer, origin }
}

fn refusal(error: FileError) -> Error {
    let field = match error {
        FileError::NoReason => "why",
        FileError::NoBol(_) | FileError::Double(_) => "number",
        FileError::Quarantined(_) | FileError::Photo | FileError::NotAllowed | FileError::Unclean => "form",
        FileError::Filed(_) | FileError::UnderWay => return Error::Conflict(error.to_string()),
        FileError::Gone => return Error::NotFound,
        FileError::Storage(error) => return error.into(),
        FileError::Db(error) => return error.into(),
    };
    Error::Fields(FieldErrors::one(field, error.to_string()))
}
