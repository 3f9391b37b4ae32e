//! `DATABASE_URL`, with one host or several. Its value is never shown, because it holds a password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};

/// How long a server may take to respond to a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for each of several servers, so that a request that waits five seconds reaches the last of them too.
const CONNECT_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(2);
/// A server that disappears without closing its connections is given up after six seconds, whether a connection waits
/// for an answer (probes) or has sent a query (the user timeout).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_RETRIES: u32 = 3;
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(6);

/// A valid `postgres://` URL.
#[derive(Clone)]
pub struct DatabaseUrl {
    text: String,
    options: Config,
    servers: Vec<Config>,
    verifies: bool,
}

impl DatabaseUrl {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn options(&self) -> &Config {
        &self.options
    }

    /// Returns the options for each server alone, in the order of the URL.
    pub fn servers(&self) -> &[Config] {
        &self.servers
    }

    /// Whether each connection begins with another server (`load_balance_hosts=random`).
    pub fn is_balanced(&self) -> bool {
        self.options.get_load_balance_hosts() == LoadBalanceHosts::Random
    }

    /// Also connects to servers that take no writes.
    pub fn of_replica(mut self) -> Self {
        for options in self.servers.iter_mut().chain([&mut self.options]) {
            options.target_session_attrs(TargetSessionAttrs::Any);
        }
        self
    }

    /// `verify-ca` and `verify-full` both check the host name too, against the system's roots.
    pub fn verifies_certificate(&self) -> bool {
        self.verifies
    }

    /// Whether every server is on a Unix socket.
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
        let parts = Parts::of(text);
        let options = read(&parts.full())?;
        let is_any = parts.query.iter().all(|(name, _)| *name != "target_session_attrs");
        let adjusted = |mut options: Config, count: usize| {
            if options.get_connect_timeout().is_none() {
                options.connect_timeout(if count > 1 { CONNECT_TIMEOUT_OF_SEVERAL } else { CONNECT_TIMEOUT });
            }
            // Of several servers, the portal needs the one that takes writes.
            if count > 1 && is_any {
                options.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            options.application_name("primetrade").tcp_user_timeout(TCP_USER_TIMEOUT);
            options.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
            options.keepalives_retries(KEEPALIVE_RETRIES);
            options
        };
        let count = options.get_hosts().len();
        let servers = servers(&adjusted(read(&parts.without_hosts())?, count), &options)?;
        Ok(Self { text: text.into(), options: adjusted(options, count), servers, verifies: parts.verifies })
    }
}

/// A URL in the parts that differ between its servers and that they share.
struct Parts<'a> {
    scheme: &'a str,
    /// With the `@`.
    credentials: &'a str,
    hosts: &'a str,
    /// The database, with the slash.
    path: &'a str,
    query: Vec<(&'a str, &'a str)>,
    verifies: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (credentials, rest) = rest.split_at(rest.find('@').map_or(0, |at| at + 1));
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = base.split_at(base.find('/').unwrap_or(base.len()));
        let mut verifies = false;
        // tokio-postgres only supports disable, prefer and require.
        let known = |parameter: &'a str| match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("sslmode", "verify-ca" | "verify-full") => {
                verifies = true;
                ("sslmode", "require")
            }
            ("sslmode", "allow") => ("sslmode", "prefer"),
            other => other,
        };
        let query = query.split('&').filter(|parameter| !parameter.is_empty()).map(known).collect();
        Self { scheme, credentials, hosts, path, query, verifies }
    }

    /// Returns the whole URL. tokio-postgres takes the value of `host` as one host, so each has a parameter of its own.
    fn full(&self) -> String {
        let parameter = |(name, value): &(&str, &str)| match *name {
            "host" => format!("host={}", value.replace("%2C", ",").replace("%2c", ",").replace(',', "&host=")),
            _ => format!("{name}={value}"),
        };
        self.join(self.hosts, self.query.iter().map(parameter))
    }

    fn without_hosts(&self) -> String {
        let shared = self.query.iter().filter(|(name, _)| !["host", "hostaddr", "port"].contains(name));
        self.join("", shared.map(|(name, value)| format!("{name}={value}")))
    }

    fn join(&self, hosts: &str, query: impl Iterator<Item = String>) -> String {
        let Self { scheme, credentials, path, .. } = self;
        format!("{scheme}://{credentials}{hosts}{path}?{}", query.collect::<Vec<_>>().join("&"))
    }
}

/// Reads a URL. An error says what was found, without the password.
fn read(url: &str) -> Result<Config, String> {
    url.parse().map_err(|error: tokio_postgres::Error| {
        // The source names the option. Neither quotes the password.
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(source) if source.contains("target_session_attrs") => {
                format!("a URL with {source}: any, read-write and read-only are known")
            }
            Some(source) => format!("a URL with {source}"),
            None => "a URL that can't be read".into(),
        }
    })
}

/// Returns the options of each server: those of all, and its own host, address and port.
fn servers(shared: &Config, all: &Config) -> Result<Vec<Config>, String> {
    let (hosts, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let is_empty = |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty());
    match hosts {
        [] => return Err("a URL without a host".into()),
        [only] if is_empty(only) => return Err("a URL without a host".into()),
        several if several.iter().any(is_empty) => return Err("a URL with an empty host in its list".into()),
        _ => {}
    }
    if ![0, hosts.len()].contains(&addresses.len()) {
        return Err(format!("a URL with {} addresses (hostaddr) for {} hosts", addresses.len(), hosts.len()));
    }
    // A single port belongs to every host, as in libpq.
    if ![0, 1, hosts.len()].contains(&ports.len()) {
        return Err(format!("a URL with {} ports for {} hosts", ports.len(), hosts.len()));
    }
    let server = |(index, host): (usize, &Host)| {
        let mut server = shared.clone();
        match host {
            Host::Tcp(name) => server.host(name),
            Host::Unix(folder) => server.host_path(folder),
        };
        if let Some(address) = addresses.get(index) {
            server.hostaddr(*address);
        }
        if let Some(port) = ports.get(index).or(ports.first()) {
            server.port(*port);
        }
        server
    };
    Ok(hosts.iter().enumerate().map(server).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().unwrap_or_else(|what| panic!("{text}: {what}"))
    }

    /// The host and the port of each server.
    fn servers_of(text: &str) -> Vec<(String, Option<u16>)> {
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        };
        let one = |server: &Config| {
            assert_eq!((server.get_hosts().len(), server.get_user(), server.get_dbname()), (1, Some("u"), Some("d")));
            (name(&server.get_hosts()[0]), server.get_ports().first().copied())
        };
        url(text).servers().iter().map(one).collect()
    }

    #[test]
    fn several_hosts_have_the_forms_of_libpq() {
        let (a, b) = (|port| ("a".to_owned(), port), |port| ("b".to_owned(), port));
        for (text, expected) in [
            ("postgres://u:p@a:1,b:2/d", [a(Some(1)), b(Some(2))]),
            ("postgres://u:p@a,b:2/d?target_session_attrs=read-write", [a(Some(5432)), b(Some(2))]),
            ("postgres://u@/d?host=a,b&port=7,8", [a(Some(7)), b(Some(8))]),
            ("postgres://u@/d?host=a%2Cb&port=7", [a(Some(7)), b(Some(7))]),
            ("postgres://u@/d?host=a&host=b", [a(None), b(None)]),
        ] {
            assert_eq!(servers_of(text), expected, "{text}");
        }
        let sockets = [("/run/one".to_owned(), Some(5432)), ("/run/two".to_owned(), Some(5433))];
        assert_eq!(servers_of("postgres://u@%2Frun%2Fone,%2Frun%2Ftwo:5433/d"), sockets);
        assert_eq!(servers_of("postgres://u@/d?host=/run/one,/run/two&port=5432,5433"), sockets);
        assert_eq!(servers_of("postgres://u@[::1]:6,[::2]/d")[1], ("::2".to_owned(), Some(5432)));
    }

    #[test]
    fn each_server_shares_the_other_options() {
        let url = url("postgres://u:a?b@a,b/d?sslmode=verify-full&options=-c%20x%3D1&hostaddr=10.0.0.1,10.0.0.2");
        assert!(url.verifies_certificate());
        for (server, address) in url.servers().iter().zip(["10.0.0.1", "10.0.0.2"]) {
            assert_eq!((server.get_password(), server.get_options()), (Some(b"a?b".as_slice()), Some("-c x=1")));
            assert_eq!(server.get_hostaddrs(), [address.parse::<std::net::IpAddr>().expect("an address")]);
            assert_eq!(server.get_application_name(), Some("primetrade"));
        }
    }

    #[test]
    fn of_several_servers_the_one_that_takes_writes_counts() {
        for (text, expected, seconds) in [
            ("postgres://u@a/d", TargetSessionAttrs::Any, 5),
            ("postgres://u@a/d?target_session_attrs=read-write", TargetSessionAttrs::ReadWrite, 5),
            ("postgres://u@a,b/d", TargetSessionAttrs::ReadWrite, 2),
            ("postgres://u@a,b/d?target_session_attrs=any", TargetSessionAttrs::Any, 2),
            ("postgres://u@a,b/d?target_session_attrs=read-only&connect_timeout=1", TargetSessionAttrs::ReadOnly, 1),
        ] {
            for server in url(text).servers() {
                assert_eq!(server.get_target_session_attrs(), expected, "{text}");
                assert_eq!(server.get_connect_timeout(), Some(&Duration::from_secs(seconds)), "{text}");
            }
        }
    }

    #[test]
    fn a_list_of_hosts_that_is_wrong_is_named_without_the_password() {
        let values = "any, read-write and read-only are known";
        for (rest, expected) in [
            ("@a,,b/d", "a URL with an empty host in its list".to_owned()),
            ("@a,/d", "a URL with an empty host in its list".to_owned()),
            ("@:5432/d", "a URL without a host".to_owned()),
            ("@/d?port=1,2", "a URL without a host".to_owned()),
            ("@/d?host=a,b&port=1,2,3", "a URL with 3 ports for 2 hosts".to_owned()),
            ("@/d?host=a&port=1,2", "a URL with 2 ports for 1 hosts".to_owned()),
            ("@a,b/d?hostaddr=10.0.0.1", "a URL with 1 addresses (hostaddr) for 2 hosts".to_owned()),
            ("@a:1,b:x/d", "a URL with invalid value for option `port`".to_owned()),
            (
                "@a,b/d?target_session_attrs=primary",
                format!("a URL with invalid value for option `target_session_attrs`: {values}"),
            ),
        ] {
            let found = format!("postgres://u:hunter2{rest}").parse::<DatabaseUrl>().expect_err(rest);
            assert_eq!(found, expected, "{rest}");
        }
    }
}
