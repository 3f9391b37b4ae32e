//! `primetrade demo`: runs the portal with sample data, all in one folder.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::TryRngCore as _;

use super::{Failure, seed, serve};
use crate::config::{Config, SecretKey, StorageConfig};
use crate::db::cluster::{Cluster, ClusterError, Options};
use crate::db::{Database, guard};
use crate::samples;

const CUSTOMERS: usize = 6;
const BOLS: usize = 400;

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::problem(error)
    }
}

pub async fn run(mut config: Config, data_dir: &Path, port: Option<u16>) -> Result<(), Failure> {
    config.port = port.unwrap_or(config.port);
    if let StorageConfig::Local { root } = &mut config.storage
        && root.as_os_str() == "media"
    {
        *root = data_dir.join("media");
    }
    if !config.mfa_is_set {
        // The sample logins are for looking around.
        config.mfa_required_for.clear();
    }
    if config.mail.folder.as_os_str() == "mail" {
        config.mail.folder = data_dir.join("mail");
    }
    let cluster = match &config.database_url {
        Some(_) => None,
        None => {
            eprintln!("starting a private Postgres in {} …", data_dir.display());
            Some(Cluster::start(data_dir, &Options::default()).await?)
        }
    };
    let result = with_database(config, data_dir, cluster.as_ref()).await;
    if let Some(cluster) = cluster {
        eprintln!("stopping Postgres …");
        cluster.stop().await?;
    }
    result
}

async fn with_database(mut config: Config, data_dir: &Path, cluster: Option<&Cluster>) -> Result<(), Failure> {
    if let Some(cluster) = cluster {
        config.database_url = Some(cluster.database("primetrade").await?);
    }
    let Some(url) = config.database_url.clone() else { return Err(Failure::Usage("DATABASE_URL: not set".into())) };
    let owner = config.migrate_database_url.as_ref().unwrap_or(&url);
    guard::set_up(owner, &url).await.map_err(Failure::problem)?;
    let secret = match &config.secret_key {
        Some(secret) => secret.clone(),
        None => kept_secret(data_dir).map_err(|error| Failure::Problem(format!("{}: {error}", data_dir.display())))?,
    };
    if seed::present(&Database::new(&url, 1)).await?.is_none() {
        eprintln!("loading the sample data …");
        seed::run(&config, CUSTOMERS, BOLS).await?;
    }
    serve::check_schema(&url).await?;
    let running = serve::serve(config, url, secret).await?;
    print_logins();
    running.finished().await.map_err(Failure::problem)
}

/// Prints one login for each role. The README lists all of them.
fn print_logins() {
    let sample = samples::generate(CUSTOMERS, 0);
    println!("log in as:");
    for role in ["customer", "office", "auditor", "admin"] {
        if let Some(user) = sample.users.iter().find(|user| user.role == role) {
            println!("  {role:<9} {:<40} {}", user.email, user.password);
        }
    }
    println!("Ctrl-C stops everything.");
}

/// Created once, so that sessions and links survive a restart.
fn kept_secret(data_dir: &Path) -> std::io::Result<SecretKey> {
    let path = data_dir.join("secret.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => SecretKey::decode(text.trim()).map_err(std::io::Error::other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut bytes = vec![0; 96];
            rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
            std::fs::create_dir_all(data_dir)?;
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            writeln!(file, "{}", hex::encode(&bytes))?;
            Ok(SecretKey::from_bytes(bytes))
        }
        Err(error) => Err(error),
    }
}
