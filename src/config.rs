//! Reads the environment and a `.env` file into typed values, checked once at startup.
//!
//! docs/configuration.md lists names, defaults and limits. Every problem is reported on one line: the variable, the
//! value found, and the values allowed. Secrets appear in no message and in no `Debug` output.

mod clamd_address;
mod database_url;
mod errors;
mod mail;
mod metrics_address;
mod oidc;
mod public_url;
mod reader;
mod s3;
mod seal;
mod search_path;
mod secret;
mod trusted_proxies;
mod witness;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use ipnet::IpNet;

use self::reader::Reader;

pub use clamd_address::ClamdAddress;
pub use database_url::DatabaseUrl;
pub use errors::ConfigErrors;
pub use mail::MailConfig;
pub use metrics_address::MetricsAddress;
pub use oidc::{OidcConfig, RoleClaim, is_allowed as is_allowed_address};
pub use public_url::PublicUrl;
pub use reader::ROLES;
pub use s3::{S3Config, S3Credentials};
pub use seal::{SealKey, SealKeys, Verifier};
pub use search_path::search_path;
pub use secret::{Secret, SecretKey};
pub use trusted_proxies::TrustedProxies;
pub use witness::WitnessConfig;

/// The whole configuration. `None` where docs/configuration.md says "none".
#[derive(Clone, Debug)]
pub struct Config {
    pub database_url: Option<DatabaseUrl>,
    /// The database as the owner of its tables, if `serve` connects as another role.
    pub migrate_database_url: Option<DatabaseUrl>,
    /// A standby that serves long reads.
    pub database_replica_url: Option<DatabaseUrl>,
    /// An empty database for `restore-drill`. `None`: a private one.
    pub restore_drill_url: Option<DatabaseUrl>,
    pub database_pool_size: usize,
    pub host: String,
    pub port: u16,
    /// Where the metrics are read.
    pub metrics_address: Option<MetricsAddress>,
    pub public_url: Option<PublicUrl>,
    /// Addresses that the portal had before. `None`: not set.
    pub previous_public_urls: Option<Vec<PublicUrl>>,
    pub secret_key: Option<SecretKey>,
    pub seal_key: Option<SealKey>,
    /// Years for which events are kept. `None`: forever.
    pub audit_retention: Option<u16>,
    /// Verifiers of earlier keys, or of another portal's log.
    pub seal_verifiers: Vec<Verifier>,
    /// The second place for checkpoints.
    pub witness: WitnessConfig,
    pub storage: StorageConfig,
    /// The bucket, whether or not `USE_S3` puts documents into it.
    pub s3: Option<S3Config>,
    /// The folder of the local storage. After a move to the bucket, its files stay there.
    pub media_root: PathBuf,
    /// How long a download link works.
    pub link_life: Duration,
    /// The largest accepted file, in bytes.
    pub max_upload_bytes: u64,
    /// The folder for uploads in progress.
    pub spool: PathBuf,
    pub clamd: Option<ClamdAddress>,
    pub mail: MailConfig,
    /// A list of breached passwords: a file, or a folder.
    pub breach_list: Option<PathBuf>,
    /// The roles whose logins must have a second factor.
    pub mfa_required_for: Vec<String>,
    /// Whether the environment names them.
    pub mfa_is_set: bool,
    /// How many days a login has to set one up.
    pub mfa_grace_days: i64,
    /// The issuer of single sign-on.
    pub oidc: Option<OidcConfig>,
    pub bol_prefix: String,
    pub time_zone: Tz,
    pub trusted_proxies: TrustedProxies,
    /// Networks that webhooks may reach, although they are not public.
    pub webhook_networks: Vec<IpNet>,
    /// Domains of the terminal's own email addresses, in lower case and ASCII.
    pub staff_domains: Vec<String>,
    pub log_format: LogFormat,
    pub log_filter: String,
}

#[derive(Clone, Debug)]
pub enum StorageConfig {
    Local { root: PathBuf },
    S3(S3Config),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// `serve`: database and secret key.
    Serving,
    /// Commands that only use the database.
    Database,
    /// `demo` and other commands that need neither.
    Nothing,
}

impl Config {
    /// Reads the process environment, and `.env` in the working folder for what it doesn't set.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_environment(needs: Needs) -> Result<Self, ConfigErrors> {
        let mut values: HashMap<String, String> = HashMap::new();
        match dotenvy::from_path_iter(".env") {
            Ok(lines) => {
                for (number, line) in lines.enumerate() {
                    // The error would quote the line, which may hold a secret.
                    let (name, value) = line.map_err(|_| {
                        ConfigErrors(vec![format!(".env: entry {} is not of the form NAME=value", number + 1)])
                    })?;
                    values.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(_) => return Err(ConfigErrors(vec![".env: the file exists but can't be read".into()])),
        }
        for (name, value) in std::env::vars_os() {
            // Values that are not UTF-8 are reported when they are read, see `Reader::text`.
            if let Some(name) = name.to_str() {
                values.insert(name.into(), value.to_string_lossy().into_owned());
            }
        }
        Self::from_values(&values, needs)
    }

    pub fn from_values(values: &HashMap<String, String>, needs: Needs) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(values);

        let host = read.text("HOST").unwrap_or_else(|| "127.0.0.1".into());
        if host.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
            read.problem("HOST", &host, "an address or a host name");
        }
        let media_root: PathBuf = read.text("MEDIA_ROOT").unwrap_or_else(|| "media".into()).into();
        let use_s3 = read.flag("USE_S3", false);
        let (s3, access) = read.s3(use_s3);
        let config = Self {
            database_url: read.database_url("DATABASE_URL", needs),
            migrate_database_url: read.database_url("MIGRATE_DATABASE_URL", Needs::Nothing),
            database_replica_url: read.database_url("DATABASE_REPLICA_URL", Needs::Nothing),
            restore_drill_url: read.database_url("RESTORE_DRILL_URL", Needs::Nothing),
            database_pool_size: read.number("DATABASE_POOL_SIZE", 16, 2, 500) as usize,
            port: read.number("PORT", 8080, 0, 65535) as u16,
            metrics_address: read.parsed("METRICS_ADDR", "HOST:PORT such as 127.0.0.1:9464"),
            public_url: read.parsed("PUBLIC_URL", "http:// or https:// with a host, without path or query"),
            previous_public_urls: read.public_urls("PREVIOUS_PUBLIC_URLS"),
            secret_key: read.secret_key(needs),
            seal_key: read.seal_key(),
            seal_verifiers: read.seal_verifiers(),
            witness: WitnessConfig { place: read.text("AUDIT_WITNESS"), access },
            audit_retention: read.years("AUDIT_RETENTION_YEARS"),
            s3: s3.clone(),
            storage: match s3 {
                Some(s3) if use_s3 => StorageConfig::S3(s3),
                _ => StorageConfig::Local { root: media_root.clone() },
            },
            media_root,
            link_life: Duration::from_secs(read.number("DOWNLOAD_URL_TTL_SECONDS", 300, 1, 604_800)),
            max_upload_bytes: read.number("MAX_UPLOAD_MB", 50, 1, 500) * 1_000_000,
            spool: read.text("SPOOL_DIR").map_or_else(std::env::temp_dir, PathBuf::from),
            clamd: read.parsed("CLAMD_ADDRESS", "HOST:PORT of clamd, or the path of its Unix socket"),
            mail: read.mail(),
            breach_list: read.text("BREACHED_PASSWORDS_FILE").map(PathBuf::from),
            mfa_is_set: read.text("MFA_REQUIRED_FOR").is_some(),
            mfa_required_for: read.roles("MFA_REQUIRED_FOR", &["admin", "auditor", "office"]),
            mfa_grace_days: read.number("MFA_GRACE_DAYS", 14, 0, 365).cast_signed(),
            oidc: read.oidc(),
            bol_prefix: read.bol_prefix(),
            time_zone: read
                .parsed("DISPLAY_TIMEZONE", "a name of the IANA time zone database such as America/New_York")
                .unwrap_or(chrono_tz::America::New_York),
            trusted_proxies: read.trusted_proxies(),
            webhook_networks: read.networks("WEBHOOK_ALLOW_PRIVATE"),
            staff_domains: read.domains("STAFF_DOMAINS"),
            log_format: read.log_format(),
            log_filter: read.log_filter(),
            host,
        };
        if read.problems.is_empty() { Ok(config) } else { Err(ConfigErrors(read.problems)) }
    }

    /// Returns the keys for checkpoints: `SEAL_KEY`, or one derived from the secret key.
    pub fn seal_keys(&self, secret: Option<&SecretKey>) -> SealKeys {
        SealKeys::new(self.seal_key.as_ref(), &self.seal_verifiers, secret)
    }

    /// Returns the origin of links: `PUBLIC_URL`, or the address where `serve` listens.
    pub fn public_origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.origin(),
            None if self.host.contains(':') => format!("http://[{}]:{}", self.host, self.port),
            None => format!("http://{}:{}", self.host, self.port),
        }
    }
}

impl Reader<'_> {
    fn database_url(&mut self, name: &str, needs: Needs) -> Option<DatabaseUrl> {
        const ALLOWED: &str =
            "postgres://USER:PASSWORD@HOST:PORT/DATABASE (or HOST:PORT,HOST:PORT), with ?sslmode=require for TLS";
        let Some(found) = self.text(name) else {
            if needs != Needs::Nothing {
                self.missing(name, ALLOWED);
            }
            return None;
        };
        match found.parse() {
            Ok(url) => Some(url),
            Err(what) => {
                self.problems.push(format!("{name}: found {what}, allowed is {ALLOWED}"));
                None
            }
        }
    }

    fn secret_key(&mut self, needs: Needs) -> Option<SecretKey> {
        const ALLOWED: &str =
            "at least 64 random bytes in hex or base64; generate one with: openssl rand -base64 96 | tr -d '\\n'";
        let Some(found) = self.text("SECRET_KEY") else {
            if needs == Needs::Serving {
                self.missing("SECRET_KEY", ALLOWED);
            }
            return None;
        };
        match SecretKey::decode(&found) {
            Ok(key) => Some(key),
            Err(what) => {
                self.problems.push(format!("SECRET_KEY: found {what}, allowed is {ALLOWED}"));
                None
            }
        }
    }

    fn trusted_proxies(&mut self) -> TrustedProxies {
        let hops = self.text("TRUSTED_PROXY_HOPS").map(|_| self.number("TRUSTED_PROXY_HOPS", 1, 1, 20) as usize);
        TrustedProxies { networks: self.networks("TRUSTED_PROXIES"), max_hops: hops }
    }

    fn bol_prefix(&mut self) -> String {
        let prefix = self.text("BOL_PREFIX").unwrap_or_else(|| "PRT".into());
        let fits = prefix.len() <= 10
            && prefix.starts_with(|c: char| c.is_ascii_uppercase())
            && prefix.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        if !fits {
            self.problem("BOL_PREFIX", &prefix, "1 to 10 of A-Z 0-9, a letter first");
        }
        prefix
    }

    fn log_format(&mut self) -> LogFormat {
        match self.text("LOG_FORMAT").as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                self.problem("LOG_FORMAT", other, "text or json");
                LogFormat::Text
            }
        }
    }

    fn log_filter(&mut self) -> String {
        let filter = self.text("RUST_LOG").unwrap_or_else(|| "info".into());
        if tracing_subscriber::EnvFilter::builder().parse(&filter).is_err() {
            self.problem("RUST_LOG", &filter, "a level such as info, or directives such as warn,primetrade=debug");
        }
        filter
    }
}

#[cfg(test)]
mod tests;
