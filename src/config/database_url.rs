//! `DATABASE_URL`. Its value is never shown, because it holds a password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::Host;

/// Timeouts for a server that doesn't respond or disappears during a query.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// A valid `postgres://` URL.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    options: tokio_postgres::Config,
    verifies: bool,
}

impl DatabaseUrl {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn options(&self) -> &tokio_postgres::Config {
        &self.options
    }

    /// `verify-ca` and `verify-full` both check the host name too, against the system's roots.
    pub fn verifies_certificate(&self) -> bool {
        self.verifies
    }

    /// A Unix socket needs no TLS, and Postgres offers none on it.
    pub fn is_local(&self) -> bool {
        self.options.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl FromStr for DatabaseUrl {
    /// The value found, without the password.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => {}
            Some(_) => return Err("a URL of another scheme".into()),
            None => return Err("a value that is not a URL".into()),
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut verifies = false;
        // tokio-postgres only supports disable, prefer and require.
        let known = |parameter| match parameter {
            "sslmode=verify-ca" | "sslmode=verify-full" => {
                verifies = true;
                "sslmode=require"
            }
            "sslmode=allow" => "sslmode=prefer",
            other => other,
        };
        let query: Vec<&str> = query.split('&').filter(|parameter| !parameter.is_empty()).map(known).collect();
        let mut options: tokio_postgres::Config =
            format!("{base}?{}", query.join("&")).parse().map_err(|error: tokio_postgres::Error| {
                // The source names the option. Neither quotes the password.
                match std::error::Error::source(&error) {
                    Some(source) => format!("a URL with {source}"),
                    None => "a URL that can't be read".into(),
                }
            })?;
        if options.get_hosts().is_empty() {
            return Err("a URL without a host".into());
        }
        if options.get_connect_timeout().is_none() {
            options.connect_timeout(CONNECT_TIMEOUT);
        }
        options.application_name("primetrade").keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(TCP_USER_TIMEOUT);
        Ok(Self { text: text.into(), options, verifies })
    }
}
