//! Assembly and life of the server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::ServerHandle;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{Data, FormConfig, PathConfig, PayloadConfig, QueryConfig, scope};
use actix_web::{App, HttpServer};
use chrono_tz::Tz;
use ipnet::IpNet;

use super::assets::{self, Assets};
use super::background::Background;
use super::limits::{FINISH_WITHIN, HEADERS_WITHIN, KEEP_ALIVE, MOST_FORM};
use super::session_store::PostgresSessions;
use super::{Error, cross_site, error, files, headers, health, https, limits, request, routes};
use crate::accounts::{ActingUser, DeviceKey, Viewer, sessions};
use crate::audit::Origin;
use crate::audit::export::ExportSlots;
use crate::clock::Clock;
use crate::config::{ClamdAddress, Config, DatabaseUrl, PublicUrl, SealKeys, SecretKey};
use crate::db::Database;
use crate::intake::examine::Examiner;
use crate::issuing::Issuer;
use crate::mail::{LinkKey, Mailer};
use crate::storage::Storage;
use crate::storage::spool::Spool;

/// What `serve` and `demo` start a server with.
pub struct Settings {
    pub config: Config,
    pub database_url: DatabaseUrl,
    pub secret: SecretKey,
    pub clock: Clock,
    /// This very program, for looking into files.
    pub program: PathBuf,
}

/// What every handler may need; the same in all workers.
pub struct Site {
    pub public_url: PublicUrl,
    /// The content security policy of pages.
    pub policy: HeaderValue,
    pub storage: Storage,
    pub clock: Clock,
    pub devices: DeviceKey,
    pub links: LinkKey,
    pub link_life: Duration,
    pub bol_prefix: String,
    pub time_zone: Tz,
    pub trusted_proxies: Vec<IpNet>,
    pub assets: Assets,
    /// Largest file that is taken, in bytes.
    pub most_upload: u64,
    pub spool: Spool,
    pub exports: ExportSlots,
    pub seals: SealKeys,
    /// Years that events of the log are kept; `None`: for ever.
    pub retention: Option<u16>,
    pub examiner: Examiner,
    pub clamd: Option<ClamdAddress>,
}

impl Site {
    /// The visitor as the user behind a change.
    pub fn acting<'a>(&'a self, db: &'a Database, viewer: &'a Viewer, origin: &'a Origin) -> ActingUser<'a> {
        ActingUser { db, clock: &self.clock, viewer, origin }
    }

    /// Issues, voids and weighs BOLs for the visitor.
    pub fn issuer<'a>(&'a self, db: &'a Database, viewer: &'a Viewer, origin: &'a Origin) -> Issuer<'a> {
        Issuer {
            user: self.acting(db, viewer, origin),
            storage: &self.storage,
            zone: self.time_zone,
            prefix: &self.bol_prefix,
            public_url: &self.public_url,
        }
    }
}

/// A server that accepts connections.
pub struct Running {
    pub address: SocketAddr,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Running {
    /// Binds, and serves until [`Running::stop`], or until `signal` is there.
    pub async fn start(settings: Settings, signal: impl Future<Output = ()> + Send + 'static) -> io::Result<Self> {
        let Settings { config, database_url, secret, clock, program } = settings;
        let seals = config.seal_keys(Some(&secret));
        let listener = TcpListener::bind((config.host.as_str(), config.port)).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("HOST, PORT: can't listen on {}:{}: {error}", config.host, config.port),
            )
        })?;
        let address = listener.local_addr()?;
        let public_url = match config.public_url {
            Some(url) => url,
            None => format!("http://{}", SocketAddr::new(address.ip(), address.port()))
                .parse()
                .map_err(|()| io::Error::other("the address makes no URL"))?,
        };
        let storage = Storage::new(&config.storage, &secret, public_url.origin()).await;
        if let Storage::Local(store) = &storage {
            let problem =
                |error: io::Error| io::Error::new(error.kind(), format!("MEDIA_ROOT: can't be made: {error}"));
            store.prepare().map_err(problem)?;
        }
        let spool = Spool::new(config.spool);
        spool
            .prepare()
            .map_err(|error| io::Error::new(error.kind(), format!("SPOOL_DIR: no file can be made there: {error}")))?;
        // Each worker has connections of its own, two at the least.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let workers = cores.min(config.database_pool_size / 2).max(1);
        let connections = config.database_pool_size / workers;
        let links = LinkKey::new(&secret);
        let db = Database::new(&database_url, Background::CONNECTIONS);
        let mailer = Mailer::new(db.clone(), clock.clone(), &config.mail, public_url.origin(), links.clone());
        let background = Background {
            mailer: mailer.map_err(io::Error::other)?,
            db,
            storage: storage.clone(),
            clock: clock.clone(),
            zone: config.time_zone,
            seals: seals.clone(),
            retention: config.audit_retention,
        };
        let cookie_key = Key::from(&secret.derive::<64>("primetrade session cookie v1"));
        let site = Data::from(Arc::new(Site {
            policy: headers::policy(&public_url, &storage),
            most_upload: config.most_upload,
            spool,
            exports: ExportSlots::default(),
            seals,
            retention: config.audit_retention,
            examiner: Examiner::new(program, config.bol_prefix.clone()),
            clamd: config.clamd,
            public_url,
            storage,
            clock,
            devices: DeviceKey::new(&secret),
            links: links.clone(),
            link_life: config.link_life,
            bol_prefix: config.bol_prefix,
            time_zone: config.time_zone,
            trusted_proxies: config.trusted_proxies,
            assets: Assets::load(),
        }));

        let server = HttpServer::new(move || {
            let db = Database::new(&database_url, connections);
            let https = site.public_url.is_https();
            let sessions = PostgresSessions::new(db.clone(), site.clock.clone());
            let session_cookie = SessionMiddleware::builder(sessions, cookie_key.clone())
                .cookie_name(if https { "__Host-sessionid" } else { "sessionid" }.into())
                .cookie_secure(https)
                .cookie_http_only(true)
                .cookie_same_site(SameSite::Lax)
                .cookie_path("/".into())
                .cookie_content_security(CookieContentSecurity::Signed)
                // The database decides when a session is over; the cookie goes with the browser.
                .session_lifecycle(
                    BrowserSession::default()
                        .state_ttl(actix_web::cookie::time::Duration::seconds(sessions::ABSOLUTE.num_seconds())),
                )
                .build();
            App::new()
                .app_data(site.clone())
                .app_data(Data::new(db))
                .app_data(FormConfig::default().limit(MOST_FORM).error_handler(|e, _| Error::from(e).into()))
                .app_data(PayloadConfig::new(MOST_FORM))
                .app_data(QueryConfig::default().error_handler(|_, _| Error::BadRequest.into()))
                .app_data(PathConfig::default().error_handler(|_, _| Error::NotFound.into()))
                // From the inside out: what goes wrong becomes a page, every page gets its headers, every request its
                // id and its line in the log.
                .wrap(from_fn(error::render))
                .wrap(from_fn(headers::add))
                .wrap(from_fn(request::describe))
                .configure(health::routes)
                .configure(assets::routes)
                .configure(files::routes)
                .service(
                    scope("")
                        .wrap(session_cookie)
                        .wrap(from_fn(cross_site::refuse))
                        .wrap(from_fn(https::insist))
                        .wrap(from_fn(limits::hurry))
                        .wrap(Compress::default())
                        .configure(routes::routes),
                )
        })
        .workers(workers)
        .backlog(1024)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEADERS_WITHIN)
        .client_disconnect_timeout(Duration::from_secs(5))
        .shutdown_timeout(FINISH_WITHIN.as_secs())
        .shutdown_signal(signal)
        .listen(listener)?
        .run();
        let handle = server.handle();
        let task = tokio::spawn(async move {
            tokio::select! {
                ended = server => ended,
                () = background.run() => Ok(()),
            }
        });
        Ok(Self { address, handle, task })
    }

    /// Waits until the server has stopped by its signal.
    pub async fn finished(self) -> io::Result<()> {
        self.task.await.map_err(io::Error::other)?
    }

    /// Takes no new requests, finishes those under way, and stops.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.finished().await
    }
}
