//! Health checks for load balancers: `/healthz` and `/readyz`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::guard::{Any, Get, Head};
use actix_web::web::{Data, ServiceConfig, resource, route};
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join;
use tokio::time::timeout;

use super::Site;
use crate::db::Database;

const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

pub fn routes(app: &mut ServiceConfig) {
    // Monitors ask by HEAD too.
    let either = || route().guard(Any(Get()).or(Head()));
    app.service(resource("/healthz").route(either().to(alive))).service(resource("/readyz").route(either().to(ready)));
}

/// Answers as long as the process runs. It checks no dependency, so an unreachable database restarts no server.
async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(site: Data<Site>, db: Data<Database>) -> HttpResponse {
    let database = timeout(CHECK_TIMEOUT, async {
        db.get().await?.batch_execute("SELECT 1").await.map_err(crate::db::DbError::from)
    });
    let storage = timeout(CHECK_TIMEOUT, site.storage.ready());
    let (database, storage) = join(database, storage).await;
    let mut problems = Vec::new();
    match &database {
        Ok(Ok(())) => {}
        Ok(Err(error)) => problems.push(("database", error.to_string())),
        Err(_) => problems.push(("database", "no answer in time".into())),
    }
    match &storage {
        Ok(Ok(())) => {}
        Ok(Err(error)) => problems.push(("storage", error.to_string())),
        Err(_) => problems.push(("storage", "no answer in time".into())),
    }
    for (part, cause) in &problems {
        tracing::warn!(part, %cause, "not ready");
    }
    let state = |part: &str| if problems.iter().any(|(bad, _)| *bad == part) { "unavailable" } else { "ok" };
    let body = serde_json::json!({"database": state("database"), "storage": state("storage")});
    if problems.is_empty() {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "5")).json(body)
    }
}
