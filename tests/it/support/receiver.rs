//! A receiver of webhooks inside the test process. A test chooses how it answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// How the receiver answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// A redirect to this address.
    Redirect(String),
    /// Answers after this time.
    Late(Duration),
}

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub content_type: String,
    pub text: String,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// The number of the BOL that it is about.
    pub fn number(&self) -> String {
        self.json()["data"]["bol"]["number"].as_str().unwrap().to_owned()
    }
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// For the next messages. Later ones are accepted.
    replies: VecDeque<Reply>,
    always: Option<Reply>,
}

/// Stops when the test drops it.
pub struct Receiver {
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::on("127.0.0.1:0").await
    }

    /// Starts on this address, such as that of one that was down.
    pub async fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = shared.clone();
                let service = service_fn(move |request| answer(state.clone(), request));
                connections.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { url, state, task }
    }

    /// Host and port.
    pub fn address(&self) -> String {
        url::Url::parse(&self.url).unwrap().authority().to_owned()
    }

    /// Chooses the answers to the next messages.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().replies.extend(replies);
    }

    /// Chooses the answer to every message. `None`: it is accepted.
    pub fn always(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().always = reply;
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Waits until this many messages have arrived, and returns all.
    pub async fn until(&self, count: usize) -> Vec<Received> {
        for _ in 0..600 {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} messages expected: {:#?}", self.received());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (id, timestamp, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let (content_type, path) = (header("content-type"), request.uri().path().to_owned());
    let body = request.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let text = String::from_utf8(body).unwrap();
    let reply = {
        let mut state = state.lock().unwrap();
        state.received.push(Received { path, id, timestamp, signature, content_type, text });
        state.replies.pop_front().or_else(|| state.always.clone())
    };
    let response = Response::builder();
    let response = match reply {
        None => response.status(204),
        Some(Reply::Status(status)) => response.status(status),
        Some(Reply::Redirect(target)) => response.status(307).header("location", target),
        Some(Reply::Late(time)) => {
            sleep(time).await;
            response.status(200)
        }
    };
    Ok(response.body(Full::new(Bytes::from_static(b"noted"))).unwrap())
}
