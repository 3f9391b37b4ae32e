//! Assembles the server and runs it until it is stopped.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, FormConfig, PathConfig, PayloadConfig, QueryConfig, scope};
use actix_web::{App, HttpResponse};
use futures_util::future::ready;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::assets::Assets;
use super::background::Background;
use super::connection::Connection;
use super::files::FetchRecorder;
use super::limits::{
    DISCONNECT_TIMEOUT, HEADERS_TIMEOUT, KEEP_ALIVE, MAX_DRAFT_BYTES, MAX_FORM_BYTES, SHUTDOWN_TIMEOUT,
};
use super::login_page::session_cookie_name;
use super::metrics::Scrape;
use super::office_contact::ContactCache;
use super::session_store::PostgresSessions;
use super::{
    Error, Site, bearer, compression, connection, cross_site, drafts, error_page, files, headers, health, https,
    limits, metrics, request, routes, static_files,
};
use crate::accounts::breached::BreachList;
use crate::accounts::factors::passkeys::RelyingParty;
use crate::accounts::sso::SingleSignOn;
use crate::accounts::{DeviceKey, FactorKey, Policy, sessions};
use crate::audit::export::ExportSlots;
use crate::bols::PrintedCodes;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, PublicUrl, SecretKey};
use crate::db::Database;
use crate::intake::examine::Examiner;
use crate::mail::{LinkKey, Mailer};
use crate::metrics::Metrics;
use crate::storage::Storage;
use crate::storage::spool::Spool;
use crate::webhooks::{Destinations, Sender, WebhookKeys, WebhookOffice};

/// How long a server that stops waits until the fetches of local files are recorded.
const RECORDING_TIMEOUT: Duration = Duration::from_secs(10);

/// What `serve` and `demo` need to start a server.
pub struct Settings {
    pub config: Config,
    pub database_url: DatabaseUrl,
    pub secret: SecretKey,
    pub clock: Clock,
    /// This program's own executable, which examines files in a child process.
    pub program: PathBuf,
}

/// A server that accepts connections.
pub struct Running {
    pub address: SocketAddr,
    /// What the server counts, and where it is read, with `METRICS_ADDR`.
    pub metrics: Option<(Metrics, SocketAddr)>,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    /// Binds, and serves until [`Running::stop`], or until `signal` resolves.
    pub async fn start(settings: Settings, signal: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let listener = bind(&settings.config)?;
        let address = listener.local_addr()?;
        let public_url = match &settings.config.public_url {
            Some(url) => url.clone(),
            None => own_url(&settings.config.host, address)?,
        };
        let metrics_listener = settings.config.metrics_address.as_ref().map(metrics::bind).transpose()?;
        let counted = metrics_listener.as_ref().map(|(_, address)| (new_metrics(&settings.clock), *address));
        let metrics = counted.as_ref().map(|(metrics, _)| metrics.clone());
        let storage = Storage::new(&settings.config.storage, &settings.secret, public_url.origin()).await;
        let storage = storage.measured(metrics.as_ref());
        let spool = Spool::new(settings.config.spool.clone());
        prepare_folders(&storage, &spool)?;
        let breached = settings.config.breach_list.as_deref().map(BreachList::open).transpose();
        let breached =
            breached.map_err(|error| io::Error::new(error.kind(), format!("BREACHED_PASSWORDS_FILE: {error}")))?;
        let background = background(&settings, &public_url, &storage, metrics.as_ref())?;
        let workers = Workers::new(&settings);
        let scrape =
            metrics.clone().map(|metrics| Scrape::new(metrics, &settings.database_url, settings.clock.clone()));
        let recording_db = Database::new(&settings.database_url, FetchRecorder::CONNECTIONS);
        let recording_db = recording_db.measured(metrics.as_ref(), "recording");
        let (fetches, recording) = FetchRecorder::new(recording_db, settings.clock.clone());
        let recording = tokio::spawn(recording.run());
        let site = site(settings, public_url, (storage, spool), fetches);
        let site = Site { breached, examiner: site.examiner.measured(metrics.as_ref()), metrics, ..site };
        let site = Data::from(Arc::new(site));
        let (contact_site, contact_db) = (site.clone(), background.db.clone());
        let scrapes = metrics_listener.map(|(listener, _)| listener).zip(scrape.map(Data::new));
        let server = workers.serve(site, listener, scrapes, signal)?;
        let handle = server.handle();
        // Ends with the selection below: the recording goes on for as long as anything holds the site.
        let contact = async move { contact_site.contact.keep_current(contact_db).await };
        let task = tokio::spawn(async move {
            let ended = tokio::select! {
                ended = server => ended,
                () = background.run() => Ok(()),
                () = contact => Ok(()),
            };
            // The recording ends after the last response.
            if timeout(RECORDING_TIMEOUT, recording).await.is_err() {
                tracing::error!("the server stops before every fetch is recorded");
            }
            ended
        });
        Ok(Self { address, metrics: counted, handle, task })
    }

    /// Waits until the server has stopped because of its signal.
    pub async fn finished(self) -> io::Result<()> {
        self.task.await.map_err(io::Error::other)?
    }

    /// Stops: accepts no new requests, and finishes those that have begun.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.finished().await
    }
}

fn new_metrics(clock: &Clock) -> Metrics {
    Metrics::new(env!("CARGO_PKG_VERSION"), clock.now())
}

fn bind(config: &Config) -> io::Result<TcpListener> {
    let (host, port) = (config.host.as_str(), config.port);
    TcpListener::bind((host, port))
        .map_err(|error| io::Error::new(error.kind(), format!("HOST, PORT: can't listen on {host}:{port}: {error}")))
}

/// The address on this machine. Browsers have passkeys for `localhost`, but for no IP address.
fn own_url(host: &str, address: SocketAddr) -> io::Result<PublicUrl> {
    let url = match host {
        "localhost" => format!("http://localhost:{}", address.port()),
        _ => format!("http://{}", SocketAddr::new(address.ip(), address.port())),
    };
    url.parse().map_err(|()| io::Error::other("the address gives no valid URL"))
}

/// Fails now if files can't be written, rather than at the first upload.
fn prepare_folders(storage: &Storage, spool: &Spool) -> io::Result<()> {
    let about = |what: &'static str| move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    if let Some(store) = storage.local() {
        store.prepare().map_err(about("MEDIA_ROOT: can't be created"))?;
    }
    spool.prepare().map_err(about("SPOOL_DIR: can't create a file there"))
}

fn background(
    settings: &Settings,
    public_url: &PublicUrl,
    storage: &Storage,
    metrics: Option<&Metrics>,
) -> io::Result<Background> {
    let Settings { config, database_url, secret, clock, .. } = settings;
    let db = Database::new(database_url, Background::CONNECTIONS).measured(metrics, "background");
    let links = LinkKey::new(secret);
    let mailer = Mailer::new(db.clone(), clock.clone(), &config.mail, public_url.origin(), links);
    let webhooks = Sender {
        db: db.clone(),
        clock: clock.clone(),
        keys: WebhookKeys::new(secret),
        destinations: Destinations::new(config.webhook_networks.clone()),
    };
    Ok(Background {
        mailer: mailer.map_err(io::Error::other)?,
        webhooks,
        db,
        storage: storage.clone(),
        clock: clock.clone(),
        zone: config.time_zone,
        seals: config.seal_keys(Some(secret)),
        retention: config.audit_retention,
        metrics: metrics.cloned(),
    })
}

fn site(settings: Settings, public_url: PublicUrl, (storage, spool): (Storage, Spool), fetches: FetchRecorder) -> Site {
    let Settings { config, secret, clock, program, .. } = settings;
    Site {
        policy: headers::policy(&public_url, &storage),
        max_upload_bytes: config.max_upload_bytes,
        spool,
        exports: ExportSlots::default(),
        fetches,
        seals: config.seal_keys(Some(&secret)),
        retention: config.audit_retention,
        codes: PrintedCodes::new(config.code_origins(&public_url.origin()), Some(&secret)),
        contact: ContactCache::default(),
        examiner: Examiner::new(program, config.bol_prefix.clone()),
        clamd: config.clamd,
        webhooks: WebhookOffice {
            keys: WebhookKeys::new(&secret),
            destinations: Destinations::new(config.webhook_networks),
        },
        sso: config.oidc.clone().map(|oidc| SingleSignOn::new(oidc, public_url.origin())),
        passkeys: RelyingParty::new(&public_url),
        public_url,
        storage,
        clock,
        devices: DeviceKey::new(&secret),
        breached: None,
        metrics: None,
        factors: FactorKey::new(&secret),
        factor_policy: Policy::new(&config.mfa_required_for, config.mfa_grace_days)
            .with_sso_only(config.oidc.as_ref().map_or(&[], |oidc| &oidc.required_for)),
        links: LinkKey::new(&secret),
        link_life: config.link_life,
        bol_prefix: config.bol_prefix,
        time_zone: config.time_zone,
        trusted_proxies: config.trusted_proxies,
        staff_domains: config.staff_domains,
        assets: Assets::load(),
    }
}

/// The threads that answer requests.
struct Workers {
    count: usize,
    /// Database connections of each worker.
    connections: usize,
    database_url: DatabaseUrl,
    replica_url: Option<DatabaseUrl>,
    cookie_key: Key,
}

impl Workers {
    /// One worker per core, as long as the pool has two connections for each.
    fn new(settings: &Settings) -> Self {
        let pool_size = settings.config.database_pool_size;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let count = cores.min(pool_size / 2).max(1);
        Self {
            count,
            connections: pool_size / count,
            database_url: settings.database_url.clone(),
            replica_url: settings.config.database_replica_url.clone(),
            cookie_key: Key::from(&settings.secret.derive::<64>("primetrade session cookie v1")),
        }
    }

    fn serve(
        self,
        site: Data<Site>,
        listener: TcpListener,
        scrapes: Option<(TcpListener, Data<Scrape>)>,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Server> {
        let Self { count, connections, database_url, replica_url, cookie_key } = self;
        let address = listener.local_addr()?;
        let builder = Server::build();
        let stopping = builder.graceful_shutdown_signal();
        let stopping = move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        };
        let builder =
            builder.workers(count).backlog(1024).shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs()).shutdown_signal(signal);
        let builder = match scrapes {
            None => builder,
            Some((listener, scrape)) => {
                let (address, stopping) = (listener.local_addr()?, stopping.clone());
                builder.listen("metrics", listener, move || {
                    http(metrics::app(scrape.clone()), address, stopping.clone())
                })?
            }
        };
        let builder = builder.listen("primetrade", listener, move || {
            let metrics = site.metrics.as_ref();
            let db = Database::new(&database_url, connections).measured(metrics, "requests");
            let db = db.with_replica(replica_url.as_ref(), connections.div_ceil(2), metrics);
            http(app(site.clone(), db, cookie_key.clone()), address, stopping.clone())
        })?;
        Ok(builder.run())
    }
}

/// Serves an app over HTTP/1.1, on connections of our own.
fn http<A, B, S>(
    app: A,
    address: SocketAddr,
    stopping: impl Fn() -> S + 'static,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = HttpResponse, InitError = ()>
        + 'static,
    A::Future: 'static,
    <A::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    S: Future<Output = ()> + 'static,
{
    let http = HttpService::build()
        .graceful_shutdown_signal(stopping)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADERS_TIMEOUT)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        .local_addr(address)
        .on_connect_ext(Connection::introduce)
        .h1(map_config(app, |()| AppConfig::default()));
    let accept = |io: TcpStream| {
        ready(Ok::<_, DispatchError>({
            let peer = io.peer_addr().ok();
            (Connection::new(io), peer)
        }))
    };
    fn_service(accept).and_then(http)
}

/// The app of one worker.
fn app(
    site: Data<Site>,
    db: Database,
    cookie_key: Key,
) -> impl ServiceFactory<
    Request,
    Config = AppConfig,
    Response = ServiceResponse<impl MessageBody>,
    Error = HttpResponse,
    InitError = (),
> {
    let app = App::new()
        .app_data(site.clone())
        .app_data(Data::new(db.clone()))
        // `drafts::keep` refuses forms beyond MAX_FORM_BYTES, except those that it only shows again.
        .app_data(FormConfig::default().limit(MAX_DRAFT_BYTES).error_handler(|e, _| Error::from(e).into()))
        .app_data(PayloadConfig::new(MAX_FORM_BYTES))
        .app_data(QueryConfig::default().error_handler(|_, _| Error::BadRequest.into()))
        .app_data(PathConfig::default().error_handler(|_, _| Error::NotFound.into()))
        // From the inside out: no URL has a token, errors become pages, every response gets its headers, every request its id and its line in
        // the log, and the connection learns when requests begin and end.
        .wrap(from_fn(bearer::refuse_in_url))
        .wrap(from_fn(error_page::render))
        .wrap(from_fn(headers::add))
        .wrap(from_fn(request::describe))
        .wrap(from_fn(connection::watch))
        .configure(health::routes)
        .configure(static_files::routes)
        .configure(files::routes)
        .service(
            scope("")
                .wrap(from_fn(drafts::keep))
                .wrap(session_cookie(&site, db, &cookie_key))
                .wrap(from_fn(cross_site::refuse))
                .wrap(from_fn(cross_site::ask))
                .wrap(from_fn(bearer::authenticate))
                .wrap(from_fn(https::require))
                .wrap(from_fn(limits::limit_body))
                .wrap(from_fn(compression::compress))
                // What `compression` leaves: streams and large bodies.
                .wrap(Compress::default())
                .configure(routes::routes),
        );
    app.into_factory().map_err(|error| error.error_response())
}

/// The middleware that turns the session cookie into a viewer.
fn session_cookie(site: &Site, db: Database, key: &Key) -> SessionMiddleware<PostgresSessions> {
    let is_https = site.public_url.is_https();
    // The database decides when a session ends; the cookie ends with the browser.
    let life = actix_web::cookie::time::Duration::seconds(sessions::ABSOLUTE.num_seconds());
    SessionMiddleware::builder(PostgresSessions::new(db, site.clock.clone(), site.factor_policy.clone()), key.clone())
        .cookie_name(session_cookie_name(site).into())
        .cookie_secure(is_https)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".into())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(BrowserSession::default().state_ttl(life))
        .build()
}
