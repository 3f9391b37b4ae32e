//! A server with a database, a storage and the sample data of [`World`].

use std::collections::HashMap;

use primetrade::clock::Clock;
use primetrade::config::{Config, DatabaseUrl, Needs, SealKeys};
use primetrade::db::Database;
use primetrade::metrics::Metrics;
use primetrade::storage::Storage;
use primetrade::web::{Running, Settings};
use tempfile::TempDir;

use super::cluster::{execute_on, rows_on};
use super::connections::Idle;
use super::{Actor, Events, PASSWORD, Rows, S3Server, Smtp, World, as_server, discard, secret_key, with_variables};

pub struct App {
    pub url: String,
    pub database: DatabaseUrl,
    pub clock: Clock,
    pub world: World,
    pub s3: Option<S3Server>,
    /// What the server counts, and where it says so, with `METRICS_ADDR`.
    pub metrics: Option<(Metrics, String)>,
    pub(super) idle: Idle,
    media: TempDir,
    environment: Vec<(&'static str, String)>,
    /// Stops the server when the test drops it.
    _stop: tokio::sync::oneshot::Sender<()>,
    others: Vec<tokio::sync::oneshot::Sender<()>>,
}

impl App {
    /// Starts a server with local storage.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further environment variables.
    pub async fn start_with(variables: &[(&'static str, &str)]) -> Self {
        Self::build(variables, None).await
    }

    /// Starts a server whose files are on an S3 server of its own.
    pub async fn on_s3(variables: &[(&'static str, &str)]) -> Self {
        Self::build(variables, Some(S3Server::start().await)).await
    }

    /// Starts a server on an existing bucket.
    pub async fn on(server: Vec<(&'static str, String)>) -> Self {
        let server: Vec<(&str, &str)> = server.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::start_with(&server).await
    }

    /// Starts a server that sends mail to an SMTP server.
    pub async fn with_mail() -> (Self, Smtp) {
        let smtp = Smtp::start().await;
        let from = ("MAIL_FROM", "PrimeTrade <bol@terminal.example>");
        let app = Self::start_with(&[("SMTP_URL", &smtp.url()), from]).await;
        (app, smtp)
    }

    async fn build(variables: &[(&'static str, &str)], s3: Option<S3Server>) -> Self {
        let (database, world) = World::database().await;
        let media = TempDir::with_prefix("primetrade-media-").unwrap();
        let mut environment: Vec<(&'static str, String)> = vec![
            ("DATABASE_URL", as_server(&database).await.as_str().into()),
            ("MIGRATE_DATABASE_URL", database.as_str().into()),
            ("DATABASE_POOL_SIZE", "4".into()),
            ("SECRET_KEY", secret_key()),
            ("PORT", "0".into()),
            ("MEDIA_ROOT", media.path().to_str().unwrap().into()),
            ("MAIL_FOLDER", media.path().join("mail").to_str().unwrap().into()),
        ];
        environment.extend(s3.iter().flat_map(S3Server::environment));
        environment.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        world.store(&config(&environment).storage).await;
        let clock = Clock::movable();
        let (url, metrics, stop) = serve(&environment, &clock).await;
        Self {
            url,
            database,
            clock,
            world,
            s3,
            metrics,
            idle: Idle::default(),
            media,
            environment,
            _stop: stop,
            others: Vec::new(),
        }
    }

    /// Starts another server on the same database and storage, and returns its URL.
    pub async fn second(&mut self) -> String {
        self.second_with(&[]).await
    }

    /// The same with further environment variables.
    pub async fn second_with(&mut self, variables: &[(&'static str, &str)]) -> String {
        let environment = with_variables(self.environment.clone(), variables);
        let (url, _, stop) = serve(&environment, &self.clock).await;
        self.others.push(stop);
        url
    }

    /// The environment variables of this server, for the command line.
    pub fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    pub fn config(&self) -> Config {
        config(&self.environment)
    }

    /// The keys that sign this server's log.
    pub fn seals(&self) -> SealKeys {
        let config = self.config();
        config.seal_keys(config.secret_key.as_ref())
    }

    pub fn db(&self) -> Database {
        Database::new(&self.database, 2)
    }

    /// The storage as the commands open it.
    pub async fn storage(&self) -> Storage {
        Storage::with_long_timeouts(&self.config().storage).await
    }

    /// Waits until every event has its seal.
    pub async fn sealed(&self) {
        const UNSEALED: &str =
            "SELECT e.id FROM audit_events e WHERE NOT EXISTS (SELECT 1 FROM audit_leaves l WHERE l.event_id = e.id)";
        for _ in 0..400 {
            if self.rows(UNSEALED).await.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("not sealed: {:?}", self.rows(UNSEALED).await);
    }

    /// Waits until the newest checkpoint is in the storage.
    pub async fn published(&self) {
        for _ in 0..400 {
            match self.checkpoints().await.last() {
                Some(newest) if newest.is_published && newest.publish_at.is_some() => return,
                Some(newest) if !newest.is_published && newest.publish_at.is_none() => {
                    self.skip_the_wait_of_publishing().await;
                }
                _ => {}
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("not published: {:?}", self.checkpoints().await);
    }

    /// Makes the newest checkpoint due for the storage, which takes one a minute. The minute after it is left.
    pub async fn skip_the_wait_of_publishing(&self) {
        self.sql(
            "UPDATE audit_checkpoints SET publish_at = publish_at - interval '1 minute' \
             WHERE size < (SELECT max(size) FROM audit_checkpoints)",
        )
        .await;
    }

    /// A client that isn't logged in.
    pub fn stranger(&self) -> Actor {
        Actor::new(&self.url)
    }

    /// Logs in one of the users of [`World`].
    pub async fn user(&self, email: &str) -> Actor {
        self.stranger().log_in(email, PASSWORD).await
    }

    pub async fn acme(&self) -> Actor {
        self.user(World::ACME).await
    }

    pub async fn rival(&self) -> Actor {
        self.user(World::RIVAL).await
    }

    pub async fn office(&self) -> Actor {
        self.user(World::OFFICE).await
    }

    pub async fn auditor(&self) -> Actor {
        self.user(World::AUDITOR).await
    }

    pub fn media(&self, key: &str) -> std::path::PathBuf {
        self.media.path().join(key)
    }

    pub async fn sql(&self, sql: &str) {
        execute_on(&mut *self.connection().await, sql).await;
    }

    pub async fn rows(&self, select: &str) -> Rows {
        rows_on(&mut *self.connection().await, select).await
    }

    /// The whole access log.
    pub async fn events(&self) -> Events {
        Events::load(&mut *self.connection().await).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        discard(&self.database);
    }
}

fn config(environment: &[(&'static str, String)]) -> Config {
    let values: HashMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Config::from_values(&values, Needs::Serving).unwrap()
}

type Served = (String, Option<(Metrics, String)>, tokio::sync::oneshot::Sender<()>);

async fn serve(environment: &[(&'static str, String)], clock: &Clock) -> Served {
    let config = config(environment);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let settings = Settings {
        database_url: config.database_url.clone().unwrap(),
        secret: config.secret_key.clone().unwrap(),
        clock: clock.clone(),
        program: env!("CARGO_BIN_EXE_primetrade").into(),
        config,
    };
    let running = Running::start(settings, async move {
        let _ = stopped.await;
    })
    .await
    .unwrap();
    let metrics = running.metrics.map(|(metrics, address)| (metrics, format!("http://{address}/metrics")));
    (format!("http://{}", running.address), metrics, stop)
}
