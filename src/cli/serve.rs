//! `primetrade serve`

use diesel::dsl::{select, sql};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

use super::{Failure, database_url, interrupted, this_program};
use crate::audit::months;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, SecretKey};
use crate::db::guard::{self, Concern};
use crate::db::pooler::{REMEDY, loses_prepared_statements};
use crate::db::{self, migrations};
use crate::intake::examine::{self, Confinement, Examiner};
use crate::web::{Running, Settings};

pub async fn run(config: Config) -> Result<(), Failure> {
    let url = database_url(&config)?.clone();
    let Some(secret) = config.secret_key.clone() else { return Err(Failure::Usage("SECRET_KEY: not set".into())) };
    check_schema(&url).await?;
    check_guard(&url).await?;
    if loses_prepared_statements(&url).await.map_err(Failure::problem)? {
        return Err(Failure::Problem(format!("DATABASE_URL: {REMEDY}")));
    }
    serve(config, url, secret).await?.finished().await.map_err(Failure::problem)
}

/// Rejects an old schema, instead of failing in the middle of the work. Only reads.
pub async fn check_migrations(url: &DatabaseUrl) -> Result<(), Failure> {
    let connection = db::connect(url).await.map_err(|error| Failure::Problem(format!("DATABASE_URL: {error}")))?;
    let pending = migrations::pending(connection).await.map_err(Failure::problem)?;
    if !pending.is_empty() {
        return Err(Failure::Problem(format!(
            "the database lacks {} migrations ({}); run: primetrade migrate",
            pending.len(),
            pending.join(", ")
        )));
    }
    Ok(())
}

/// Rejects an old schema at startup, and prepares the database for the months ahead.
pub async fn check_schema(url: &DatabaseUrl) -> Result<(), Failure> {
    check_migrations(url).await?;
    let mut connection = db::connect(url).await.map_err(Failure::problem)?;
    // `migrate` sets the timeouts of the role it runs as.
    let timeout = select(sql::<Text>("current_setting('statement_timeout')"));
    if timeout.get_result::<String>(&mut connection).await.map_err(Failure::problem)? == "0" {
        tracing::warn!(
            "this database role has no statement_timeout: run primetrade migrate as the role that serves, or set it"
        );
    }
    // Without a partition, events land in the default one, so a failure is only logged.
    if let Err(error) = months::prepare(&mut connection).await {
        tracing::warn!(%error, "can't create partitions of audit_events");
    }
    Ok(())
}

/// Logs what differs from what the migrations made. Refuses to start while the access log could be changed.
async fn check_guard(url: &DatabaseUrl) -> Result<(), Failure> {
    let mut connection = db::connect(url).await.map_err(Failure::problem)?;
    let found = guard::differences(&mut connection).await?;
    for difference in &found {
        tracing::error!(what = difference.what, "the database differs from what the migrations made");
    }
    match found.iter().find(|difference| difference.concern == Concern::Ledger) {
        None => Ok(()),
        Some(first) => Err(Failure::Problem(format!(
            "the access log is not protected: {}. Find out why, then run: primetrade migrate",
            first.what
        ))),
    }
}

/// Starts the server and prints its address. Stops on SIGTERM or Ctrl-C, after finishing open requests.
pub async fn serve(config: Config, database_url: DatabaseUrl, secret: SecretKey) -> Result<Running, Failure> {
    let stop = stop_signal()?;
    if let Err(error) = examine::forbid_inspection() {
        tracing::warn!(%error, "can't keep other processes from reading this one's keys");
    }
    let unreachable_links = config.public_url.is_none() && matches!(config.host.as_str(), "0.0.0.0" | "::" | "[::]");
    if let Some(address) = plain_public_address(&config) {
        tracing::warn!(
            "PUBLIC_URL: {address} is not https: passwords and cookies cross the network unencrypted. Put a TLS proxy in front"
        );
    }
    let settings = Settings { config, database_url, secret, clock: Clock::system(), program: this_program()? };
    allow_many_files();
    tokio::spawn(warn_of_gaps(Examiner::new(settings.program.clone(), settings.config.bol_prefix.clone())));
    let running = Running::start(settings, stop).await.map_err(|error| Failure::Usage(error.to_string()))?;
    println!("listening on http://{}", running.address);
    if unreachable_links {
        tracing::warn!(
            "PUBLIC_URL is not set: links will begin with http://{}, which other machines can't reach",
            running.address
        );
    }
    Ok(running)
}

/// Logs what the processes that examine files can reach, because this system doesn't keep them from it.
async fn warn_of_gaps(examiner: Examiner) {
    match examiner.probe().await.map(Confinement::gaps) {
        Ok(None) => {}
        Ok(Some(gaps)) => tracing::warn!(
            gaps,
            "the processes that examine uploads are confined less than they could be: see docs/operations.md"
        ),
        Err(error) => tracing::error!(%error, "can't start the process that examines uploads"),
    }
}

/// Returns `PUBLIC_URL` if browsers reach it over plain http from other machines than this one.
fn plain_public_address(config: &Config) -> Option<String> {
    let url = config.public_url.as_ref()?;
    (!url.is_https() && !url.is_loopback()).then(|| url.origin())
}

/// Raises the soft limit of open files: every upload in progress is one.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "can't raise the limit of open files");
    }
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let interrupted = interrupted()?;
    Ok(async move {
        interrupted.await;
        tracing::info!("stopping after requests in progress finish");
    })
}
