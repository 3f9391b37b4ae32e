//! Links to documents, and uploads.
//!
//! A link is a `POST`, because each one is recorded: a client or a proxy that repeats or prefetches a `GET` would put
//! downloads into the log.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::Path;
use actix_web::{HttpResponse, ResponseError};

use super::types::{DocumentLink, UploadForm, UploadReceipts};
use crate::bols::BolNumber;
use crate::documents::{DocumentRef, Issued, Kind, Purpose};
use crate::field_errors::FieldErrors;
use crate::intake::Receipt;
use crate::web::Error;
use crate::web::auth::{Audience, DocumentReaders, DocumentsRead, DocumentsUpload, OfficeStaff, Scoped};
use crate::web::context::Context;
use crate::web::problem_details::{ProblemDetails, UploadReceipt};
use crate::web::upload_stream::{Ending, Stack};

/// Get a link to a document.
///
/// To any version of any document. The link is recorded as `BOL_DOWNLOADED` before it exists. Repeating the request gives
/// another link, which is recorded too; an `Idempotency-Key` has no effect.
#[utoipa::path(
    post,
    path = "/api/v1/documents/{id}/link",
    operation_id = "link_document",
    tag = "Documents",
    params(("id" = i64, Path, description = "The `id` of the document.")),
    responses((status = 200, description = "The link.", body = DocumentLink)),
    security(("token" = ["documents:read"]), ("session" = []))
)]
pub async fn link(
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    id: Path<i64>,
) -> Result<HttpResponse, Error> {
    issue_link(&context, DocumentRef::Document(*id)).await
}

/// Get a link to the current document of a kind.
///
/// For example to the signed copy of a BOL: `signed-bol`. It is recorded like every other link.
#[utoipa::path(
    post,
    path = "/api/v1/bols/{number}/documents/{kind}/link",
    operation_id = "link_current_document",
    tag = "Documents",
    params(
        ("number" = String, Path, description = "The number of the BOL."),
        ("kind" = String, Path, description = "Such as `bol` or `signed-bol`.")
    ),
    responses((status = 200, description = "The link.", body = DocumentLink)),
    security(("token" = ["documents:read"]), ("session" = []))
)]
pub async fn link_current(
    context: Context<Scoped<DocumentReaders, DocumentsRead>>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let (number, kind) = path.into_inner();
    let number: BolNumber = number.parse().map_err(|_| Error::NotFound)?;
    let kind: Kind = kind.parse().map_err(|_| Error::NotFound)?;
    let document = match kind {
        Kind::Bol => DocumentRef::BolNumber(number.as_str()),
        kind => DocumentRef::Current { number: number.as_str(), kind },
    };
    issue_link(&context, document).await
}

async fn issue_link<A: Audience>(context: &Context<A>, document: DocumentRef<'_>) -> Result<HttpResponse, Error> {
    let Context { viewer, origin, .. } = context;
    let issued =
        context.link_issuer().issue(&viewer.scope(), viewer.actor(), origin, document, Purpose::Download).await?;
    let Issued { url, file_name, bol_number, life } = issued;
    Ok(HttpResponse::Ok().json(DocumentLink { url: url.into(), expires_in: life.as_secs(), bol_number, file_name }))
}

/// Upload documents.
///
/// One file or many; each has an outcome of its own, as on the page *Upload*. Send the files after the other fields.
/// Repeating an upload is safe: the portal recognizes a file by its SHA-256, and answers `duplicate`. An
/// `Idempotency-Key` has no effect.
#[utoipa::path(
    post,
    path = "/api/v1/documents",
    operation_id = "upload_documents",
    tag = "Documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "What became of each file.", body = UploadReceipts),
        (status = 413, description = "Every file is too large, or the upload has too many parts."),
        (status = 503, description = "No file could be stored. Upload them again. See `Retry-After`."),
    ),
    security(("token" = ["documents:upload"]), ("session" = []))
)]
pub async fn upload(
    context: Context<Scoped<OfficeStaff, DocumentsUpload>>,
    form: Multipart,
) -> Result<HttpResponse, Error> {
    let mut stack = Stack::new(&context);
    let ended = stack.take(form).await;
    let receipts = std::mem::take(&mut stack.receipts);
    match ended {
        Err(broken) if receipts.is_empty() => Err(broken.to_error()),
        Ok(_) if receipts.is_empty() => {
            Err(Error::Fields(FieldErrors::one("files", "Send at least one file, in the field files.")))
        }
        Err(broken) => Ok(failed(broken.to_error().status_code(), broken.message(), receipts)),
        Ok(Ending::AllTooLarge) => {
            Ok(failed(StatusCode::PAYLOAD_TOO_LARGE, "Every file is larger than allowed.", receipts))
        }
        Ok(Ending::AllPutOff) => {
            let message = "The storage, the database or the virus scanner can't be reached. Upload the files again.";
            Ok(failed(StatusCode::SERVICE_UNAVAILABLE, message, receipts))
        }
        Ok(Ending::Whole) => Ok(HttpResponse::Ok().json(UploadReceipts { receipts: described(receipts) })),
    }
}

fn described(receipts: Vec<Receipt>) -> Vec<UploadReceipt> {
    receipts.into_iter().map(UploadReceipt::from).collect()
}

/// A problem with the outcomes of the files that arrived.
fn failed(status: StatusCode, message: &str, receipts: Vec<Receipt>) -> HttpResponse {
    let problem = ProblemDetails::new(status, "The upload is incomplete", message);
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, "30"));
    }
    ProblemDetails { receipts: described(receipts), ..problem }.respond(&mut response)
}
