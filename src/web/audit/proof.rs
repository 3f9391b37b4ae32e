//! `GET /audit/events/{id}/proof`: a file that proves that the event was sealed.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Path;
use serde_json::json;

use super::{record_view, unprovable};
use crate::audit::prove::{ProveError, prove};
use crate::web::Error;
use crate::web::auth::Auditors;
use crate::web::context::Context;

pub async fn download(context: Context<Auditors>, id: Path<i64>) -> Result<HttpResponse, Error> {
    let proof = prove(&context.db, &context.site.seals, *id).await.map_err(|error| match error {
        ProveError::Db(error) => error.into(),
        ProveError::NoSuchEvent => Error::NotFound,
        ProveError::Waiting => Error::Unavailable(error.to_string()),
        ProveError::Proof(error) => unprovable(error),
        other => Error::Conflict(other.to_string()),
    })?;
    record_view(&context, &*context.db.get().await?, json!({"proof": *id})).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"event-{id}.tlog-proof\"")))
        .body(proof))
}
