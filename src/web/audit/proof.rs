//! `GET /audit/events/{id}/proof`: a file that proves that the event was sealed.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use serde_json::json;

use super::unprovable;
use crate::audit::prove::{ProveError, prove};
use crate::audit::{self, Action, Event, Outcome};
use crate::db::Database;
use crate::web::auth::{Auditors, Visitor};
use crate::web::request::Origin;
use crate::web::{Error, Site};

pub async fn download(
    visitor: Visitor<Auditors>,
    site: Data<Site>,
    db: Data<Database>,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, Error> {
    let id: i64 = id.parse().map_err(|_| Error::NotFound)?;
    let proof = prove(&db, &site.seals, id).await.map_err(|error| match error {
        ProveError::Db(error) => error.into(),
        ProveError::NoSuchEvent => Error::NotFound,
        ProveError::Waiting => Error::Unavailable(error.to_string()),
        ProveError::Proof(error) => unprovable(error),
        other => Error::Conflict(other.to_string()),
    })?;
    let event = Event::new(Action::AuditViewed, Outcome::Success, visitor.actor(), &origin.0);
    audit::record(&*db.get().await?, &event.detail(json!({"proof": id}))).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"event-{id}.tlog-proof\"")))
        .body(proof))
}
