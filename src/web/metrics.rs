//! `GET /metrics` on `METRICS_ADDR`: what Prometheus reads.
//!
//! It has a listener of its own, because it needs no login and belongs to the inner network. Every other path and method
//! answers 404 there. The portal's own address has no such path.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, get, resource, route};
use actix_web::{App, HttpResponse, HttpResponseBuilder};
use diesel_async::AsyncPgConnection;
use futures_util::future::try_join3;
use tokio::time::timeout;

use super::{Error, connection};
use crate::audit::seal;
use crate::clock::Clock;
use crate::config::{DatabaseUrl, MetricsAddress};
use crate::db::scope::{self, Scope};
use crate::db::{Database, DbError, DbResult};
use crate::mail::outbox;
use crate::metrics::{CONTENT_TYPE as OPEN_METRICS, Metrics, Readings};
use crate::webhooks;

/// How long a scrape waits for the database. Prometheus itself gives up after ten seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for Postgres, which would work on for a client that is gone.
const STATEMENT_TIMEOUT: &str = "SET LOCAL statement_timeout = '2s'";

/// Answers scrapes.
pub struct Scrape {
    metrics: Metrics,
    /// A connection of its own, so that a scrape waits for no request.
    db: Database,
    clock: Clock,
}

impl Scrape {
    pub fn new(metrics: Metrics, url: &DatabaseUrl, clock: Clock) -> Self {
        Self { metrics, db: Database::new(url, 1), clock }
    }

    /// Reads what the database says. `None`: it doesn't answer in time.
    async fn readings(&self) -> Option<Readings> {
        let read = match timeout(READ_TIMEOUT, self.read()).await {
            Ok(read) => read,
            Err(_) => Err(DbError::Unreachable("no answer in time".into())),
        };
        match read {
            Ok(readings) => Some(readings),
            Err(error) => {
                tracing::warn!(%error, "the metrics lack what the database knows");
                None
            }
        }
    }

    /// One round trip, once the statements are prepared.
    async fn read(&self) -> DbResult<Readings> {
        let now = self.clock.now();
        let read = async |connection: &AsyncPgConnection| {
            let mails = outbox::Backlog::read(connection, now);
            try_join3(seal::Backlog::read(connection), mails, webhooks::Backlog::read(connection, now)).await
        };
        let (seals, mails, webhooks) = scope::read_if(&self.db, &Scope::All, STATEMENT_TIMEOUT, read).await?;
        Ok(Readings {
            unsealed_events: seals.events,
            oldest_unsealed_seconds: seals.oldest_seconds,
            unpublished_checkpoints: seals.unpublished,
            outbox_emails: mails.emails,
            oldest_email_seconds: mails.oldest_seconds,
            given_up_emails: mails.given_up,
            webhook_messages: webhooks.messages,
            oldest_webhook_message_seconds: webhooks.oldest_seconds,
            failing_webhooks: webhooks.failing,
        })
    }
}

/// Binds the listener of `METRICS_ADDR`.
pub fn bind(address: &MetricsAddress) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address.as_str())
        .map_err(|error| io::Error::new(error.kind(), format!("METRICS_ADDR: can't listen on {address}: {error}")))?;
    let bound = listener.local_addr()?;
    tracing::info!("metrics on http://{bound}/metrics");
    Ok((listener, bound))
}

/// The app of the metrics' listener.
pub fn app(
    scrape: Data<Scrape>,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse<impl MessageBody>,
    Error = HttpResponse,
    InitError = (),
> {
    let app = App::new()
        .app_data(scrape)
        .wrap(from_fn(connection::watch))
        .service(resource("/metrics").route(get().to(metrics)).default_service(route().to(nothing)))
        .default_service(route().to(nothing));
    app.into_factory().map_err(|error| error.error_response())
}

async fn metrics(scrape: Data<Scrape>) -> Result<HttpResponse, Error> {
    let readings = scrape.readings().await;
    let text = scrape.metrics.to_text(readings.as_ref()).map_err(|error| Error::Internal(error.to_string()))?;
    let mut response = HttpResponse::Ok();
    Ok(response.insert_header((CONTENT_TYPE, OPEN_METRICS)).insert_header((CACHE_CONTROL, "no-store")).body(text))
}

async fn nothing() -> HttpResponse {
    HttpResponseBuilder::new(StatusCode::NOT_FOUND).finish()
}
