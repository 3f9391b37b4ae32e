//! A proxy in front of S3 that forwards requests, and fails those that a test chooses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::http::response::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// An answer of S3: status, code and message.
    Says(u16, &'static str, &'static str),
    /// A page of something in between, such as a captive portal or a gateway.
    Foreign(u16),
    /// The same, with an entity tag.
    ForeignWithTag,
    /// An answer without a body.
    Empty(u16),
    /// A server that ignores the names that links give to downloads.
    NamesIgnored,
    /// A server that refuses parameters that it doesn't know.
    Strict,
    /// Credentials without the permission for requests with this parameter.
    Denied(&'static str),
    /// A server that lists objects although it is asked for their versions.
    VersionsIgnored,
    Late(Duration),
    /// The connection is closed before the request arrives.
    Lost,
    /// The request arrives, but its answer is lost.
    AnswerLost,
    /// Only half of the answer's body arrives.
    Truncated,
    /// A clock that is off by so many seconds.
    Clock(i64),
}

/// The faults of the next requests, then `always`.
#[derive(Default)]
struct Plan {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

pub struct Proxy {
    pub address: SocketAddr,
    pub requests: Arc<AtomicUsize>,
    /// Restoring an object from an archive, which the S3 server can't do. 0: not requested, 1: running, 2: restored.
    pub restore: Arc<AtomicUsize>,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

type Body = BoxBody<Bytes, std::io::Error>;
type Answer = Result<Response<Body>, std::io::Error>;

fn whole(bytes: Bytes) -> Body {
    Full::from(bytes).map_err(|never| match never {}).boxed()
}

/// Half of a body, before the connection breaks.
fn half(bytes: &Bytes) -> Body {
    let parts = [Ok(Frame::data(bytes.slice(..bytes.len() / 2))), Err(std::io::Error::other("as planned"))];
    StreamBody::new(futures_util::stream::iter(parts)).boxed()
}

impl Proxy {
    pub async fn before(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (plan, requests) = (Arc::new(Mutex::new(Plan::default())), Arc::new(AtomicUsize::new(0)));
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let restore = Arc::new(AtomicUsize::new(0));
        let (shared, count, archive) = (plan.clone(), requests.clone(), restore.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (client, plan, count) = (client.clone(), shared.clone(), count.clone());
                let archive = archive.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let fault = {
                            let mut plan = plan.lock().unwrap();
                            plan.next.pop_front().or(plan.always).unwrap_or(Fault::None)
                        };
                        count.fetch_add(1, Ordering::SeqCst);
                        pass(client.clone(), behind, request, fault, archive.clone())
                    });
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, requests, restore, plan, task }
    }

    pub fn next(&self, faults: &[Fault]) {
        self.plan.lock().unwrap().next.extend(faults);
    }

    pub fn always(&self, fault: Option<Fault>) {
        self.plan.lock().unwrap().always = fault;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer of the proxy itself: an error of S3, or what a server answers that isn't S3.
fn own(fault: Fault) -> Response<Body> {
    let page = whole("<!DOCTYPE html><title>Welcome</title><p>Accept the terms to use this network.".into());
    let answer = Response::builder();
    match fault {
        Fault::Says(status, code, message) => {
            let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
            answer.status(status).header("content-type", "application/xml").body(whole(xml.into()))
        }
        Fault::Foreign(status) => answer.status(status).header("content-type", "text/html").body(page),
        Fault::ForeignWithTag => answer.header("etag", "\"5f3-61\"").header("content-type", "text/html").body(page),
        Fault::Empty(status) => answer.status(status).body(whole(Bytes::new())),
        other => panic!("{other:?} is passed on"),
    }
    .unwrap()
}

fn has_parameter(request: &Request<Incoming>, name: &str) -> bool {
    let mut names = request.uri().query().unwrap_or_default().split('&').filter_map(|part| part.split('=').next());
    names.any(|found| found == name)
}

async fn pass(
    client: Client<HttpConnector, Full<Bytes>>,
    behind: SocketAddr,
    request: Request<Incoming>,
    fault: Fault,
    archive: Arc<AtomicUsize>,
) -> Answer {
    let broken = || Err(std::io::Error::other("as planned"));
    let has_request = request.uri().query().is_some_and(|query| query.contains("x-request"));
    let fault = match fault {
        Fault::Strict if has_request => Fault::Says(400, "InvalidArgument", "Unknown parameter: x-request"),
        Fault::Denied(parameter) if has_parameter(&request, parameter) => {
            Fault::Says(403, "AccessDenied", "Access Denied")
        }
        Fault::VersionsIgnored if has_parameter(&request, "versions") => {
            let _ = request.into_body().collect().await;
            let listing = "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>";
            return Ok(Response::builder()
                .header("content-type", "application/xml")
                .body(whole(listing.into()))
                .unwrap());
        }
        fault => fault,
    };
    match fault {
        Fault::Lost => return broken(),
        Fault::Late(time) => tokio::time::sleep(time).await,
        Fault::Says(..) | Fault::Foreign(_) | Fault::ForeignWithTag | Fault::Empty(_) => {
            // The proxy reads the body first. Otherwise the client sees a broken pipe.
            let _ = request.into_body().collect().await;
            return Ok(own(fault));
        }
        _ => {}
    }
    if request.method() == "POST" && request.uri().query() == Some("restore") {
        let _ = request.into_body().collect().await;
        archive.store(1, Ordering::SeqCst);
        return Ok(Response::builder().status(202).body(whole(Bytes::new())).unwrap());
    }
    let is_head = request.method() == "HEAD";
    let (mut head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return broken() };
    let path = head.uri.path_and_query().unwrap().as_str();
    // The Host header stays, because it is signed.
    head.uri = format!("http://{behind}{path}").parse::<Uri>().unwrap();
    let Ok(answer) = client.request(Request::from_parts(head, Full::from(body.to_bytes()))).await else {
        return broken();
    };
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return broken() };
    altered(head, body.to_bytes(), fault, is_head.then_some(archive.as_ref()))
}

/// The answer of S3 as the fault changes it. `archive`: see [`Proxy::restore`], for an answer about an object.
fn altered(mut head: Parts, body: Bytes, fault: Fault, archive: Option<&AtomicUsize>) -> Answer {
    let restore = match archive.map(|archive| archive.load(Ordering::SeqCst)).unwrap_or_default() {
        1 => Some("ongoing-request=\"true\""),
        2 => Some("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2040 00:00:00 GMT\""),
        _ => None,
    };
    if let Some(restore) = restore {
        head.headers.insert("x-amz-restore", restore.parse().unwrap());
    }
    match fault {
        Fault::AnswerLost => Err(std::io::Error::other("as planned")),
        Fault::NamesIgnored => {
            head.headers.remove("content-disposition");
            Ok(Response::from_parts(head, whole(body)))
        }
        Fault::Clock(seconds) => {
            let date = primetrade::clock::Clock::system().now() + chrono::TimeDelta::seconds(seconds);
            head.headers.insert("date", date.format("%a, %d %b %Y %H:%M:%S GMT").to_string().parse().unwrap());
            Ok(Response::from_parts(head, whole(body)))
        }
        Fault::Truncated if !body.is_empty() => {
            // Ends before the promised length.
            head.headers.insert("content-length", body.len().to_string().parse().unwrap());
            Ok(Response::from_parts(head, half(&body)))
        }
        _ => Ok(Response::from_parts(head, whole(body))),
    }
}
