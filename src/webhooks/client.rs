//! Sends one message. The addresses of the host are checked when the connection is made, so that a name can't lead to another
//! address after the check.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use tokio::time::timeout;
use url::{Host, Url};

use super::address::{Destinations, refusal};

/// From the look-up of the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 16 * 1024;
const MAX_ERROR_CHARS: usize = 300;
const NO_PUBLIC_ADDRESS: &str = "The host name can’t be found, or leads to an address that is not public.";

/// Looks up the addresses of a host name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// A request as it is sent.
pub(super) struct Request {
    pub url: String,
    pub message_id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub milliseconds: i32,
    pub status: Option<u16>,
    /// Up to [`MAX_ANSWER_BYTES`] of the body.
    pub body: String,
    /// Why there is no status, or no whole body. Empty if all went well.
    pub error: String,
}

impl Answer {
    /// Whether the receiver has the message.
    pub fn is_accepted(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the receiver wants no more messages (410, as Standard Webhooks says).
    pub fn is_gone(&self) -> bool {
        self.status == Some(410)
    }
}

/// Sends messages to the addresses that are allowed.
#[derive(Clone)]
pub(super) struct Client {
    destinations: Destinations,
    https: reqwest::Client,
    http: reqwest::Client,
}

impl Client {
    /// Reads the system's root certificates. The error says why there is no client.
    pub fn new(destinations: Destinations) -> Result<Self, String> {
        Self::with_lookup(destinations, Arc::new(|name| look_up(name).boxed()))
    }

    fn with_lookup(destinations: Destinations, lookup: Lookup) -> Result<Self, String> {
        // Another part of the program may have installed the same one before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = |is_https| {
            let resolver = GuardedResolver { destinations: destinations.clone(), is_https, lookup: lookup.clone() };
            reqwest::Client::builder()
                .dns_resolver(Arc::new(resolver))
                // A proxy would look names up itself.
                .no_proxy()
                .redirect(Policy::none())
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TIMEOUT)
                .https_only(is_https)
                .build()
                .map_err(|error| error_text(&error))
        };
        Ok(Self { https: client(true)?, http: client(false)?, destinations })
    }

    /// Sends a message, and waits for the answer.
    pub async fn send(&self, request: &Request) -> Answer {
        let since = Instant::now();
        let answer = timeout(TIMEOUT, self.answer(request)).await.unwrap_or_else(|_| Answer {
            error: format!("The receiver took longer than {} seconds.", TIMEOUT.as_secs()),
            ..Answer::default()
        });
        let milliseconds = i32::try_from(since.elapsed().as_millis()).unwrap_or(i32::MAX);
        Answer { milliseconds, ..answer }
    }

    async fn answer(&self, request: &Request) -> Answer {
        let failed = |error: String| Answer { error, ..Answer::default() };
        let Ok(url) = Url::parse(&request.url) else { return failed("The address can’t be read.".into()) };
        let is_https = url.scheme() == "https";
        // No name is looked up for these.
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        if let Some(ip) = literal.filter(|ip| !self.destinations.admits(*ip, is_https)) {
            return failed(refusal(ip));
        }
        let sent = if is_https { &self.https } else { &self.http }
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("PrimeTrade-Webhooks/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &request.message_id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", &request.signature)
            .body(request.body.clone())
            .send()
            .await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return failed(error_text(&error)),
        };
        let (mut bytes, mut error) = (Vec::new(), String::new());
        while bytes.len() < MAX_ANSWER_BYTES {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(broken) => {
                    error = error_text(&broken);
                    break;
                }
            }
        }
        bytes.truncate(MAX_ANSWER_BYTES);
        let body = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
        Answer { status: Some(response.status().as_u16()), body, error, ..Answer::default() }
    }
}

/// Resolves names, and refuses those with an address that is not allowed.
struct GuardedResolver {
    destinations: Destinations,
    is_https: bool,
    lookup: Lookup,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (destinations, is_https) = (self.destinations.clone(), self.is_https);
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            // The same words in each case: customers are not to learn which names and addresses the internal network has.
            let refused = |why: String| {
                tracing::info!(why, "a webhook is not sent");
                Err(NO_PUBLIC_ADDRESS.into())
            };
            let found = match found.await {
                Ok(found) if !found.is_empty() => found,
                Ok(_) => return refused("the name has no address".into()),
                Err(error) => return refused(error.to_string()),
            };
            if let Some(special) = found.iter().find(|ip| !destinations.admits(**ip, is_https)) {
                return refused(refusal(*special));
            }
            // The port is that of the URL.
            let addresses: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

async fn look_up(name: String) -> std::io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

/// Returns what went wrong, down to the first cause, without the address.
fn error_text(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "The receiver didn’t answer in time.".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().chars().filter(|c| !c.is_control()).take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn request(url: String) -> Request {
        Request {
            url,
            message_id: "evt_1".into(),
            timestamp: 1_700_000_000,
            signature: "v1,c2ln".into(),
            body: "{}".into(),
        }
    }

    /// A receiver that answers every connection with these bytes. Counts the connections.
    async fn receiver(answer: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                let _ = stream.write_all(&answer).await;
            }
        });
        (address, connections)
    }

    fn loopback() -> Destinations {
        Destinations::new(vec!["127.0.0.0/8".parse().expect("a network")])
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_reaches_nothing() {
        let (address, connections) = receiver(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        // The first look-up finds an allowed address, and every later one the metadata service.
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = lookups.clone();
        let lookup: Lookup = Arc::new(move |_| {
            let ip = if counted.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.1" } else { "169.254.169.254" };
            async move { Ok(vec![ip.parse().expect("an address")]) }.boxed()
        });
        let client = Client::with_lookup(loopback(), lookup).expect("a client");
        let url = format!("http://erp.example:{}/", address.port());
        assert_eq!(client.send(&request(url.clone())).await.status, Some(200));
        let second = client.send(&request(url)).await;
        assert_eq!(second.status, None);
        assert_eq!(second.error, NO_PUBLIC_ADDRESS);
        assert_eq!((connections.load(Ordering::SeqCst), lookups.load(Ordering::SeqCst)), (1, 2));
    }

    #[tokio::test]
    async fn one_bad_address_of_several_is_enough() {
        let lookup: Lookup = Arc::new(|_| {
            async { Ok(["1.1.1.1", "10.0.0.1"].map(|ip| ip.parse().expect("an address")).to_vec()) }.boxed()
        });
        let client = Client::with_lookup(Destinations::default(), lookup).expect("a client");
        let answer = client.send(&request("https://erp.example/".into())).await;
        assert_eq!(answer.error, NO_PUBLIC_ADDRESS, "and not the address");
    }

    #[tokio::test]
    async fn literal_addresses_are_checked_too() {
        let (address, connections) = receiver(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
        let client = Client::new(Destinations::default()).expect("a client");
        for url in [
            format!("http://{address}/"),
            format!("https://{address}/"),
            format!("https://[::ffff:127.0.0.1]:{}/", address.port()),
        ] {
            let answer = client.send(&request(url.clone())).await;
            assert!(answer.error.contains("not a public address"), "{url}: {answer:?}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_long_answers_are_cut() {
        let client = Client::new(loopback()).expect("a client");
        let (target, connections) = receiver(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
        let redirect =
            format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
        let (address, _) = receiver(redirect.into_bytes()).await;
        let answer = client.send(&request(format!("http://{address}/"))).await;
        assert_eq!((answer.status, answer.is_accepted(), connections.load(Ordering::SeqCst)), (Some(307), false, 0));
        let long = [b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec(), vec![b'x'; 100_000]].concat();
        let (address, _) = receiver(long).await;
        let answer = client.send(&request(format!("http://{address}/"))).await;
        assert_eq!((answer.is_accepted(), answer.body.len()), (true, MAX_ANSWER_BYTES));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_says_so() {
        let client = Client::new(loopback()).expect("a client");
        let (address, _) = receiver(b"HTTP/1.1 2".to_vec()).await;
        let answer = client.send(&request(format!("http://{address}/"))).await;
        assert_eq!((answer.status, answer.error.is_empty()), (None, false), "{answer:?}");
        // The status counts, even if the rest is lost.
        let (address, _) = receiver(b"HTTP/1.1 204 No Content\r\ncontent-length: 50\r\n\r\nhalf".to_vec()).await;
        assert!(client.send(&request(format!("http://{address}/"))).await.is_accepted());
    }
}
