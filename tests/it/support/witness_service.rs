//! A web service that takes checkpoints by POST, and returns them by GET if it offers that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

#[derive(Default)]
struct State {
    notes: Vec<String>,
    /// The status of every answer instead.
    refusal: Option<u16>,
}

pub struct WitnessService {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl WitnessService {
    pub async fn start(lists: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let state = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(state.clone(), lists, request));
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, state, task }
    }

    /// What it has accepted, in order.
    pub fn notes(&self) -> Vec<String> {
        self.state.lock().unwrap().notes.clone()
    }

    pub fn replace(&self, text: &str) {
        self.state.lock().unwrap().notes = vec![text.into()];
    }

    /// Answers every request with this status from now on.
    pub fn refuse(&self, status: u16) {
        self.state.lock().unwrap().refusal = Some(status);
    }
}

impl Drop for WitnessService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    lists: bool,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let method = request.method().clone();
    let body = request.into_body().collect().await?.to_bytes();
    let mut state = state.lock().unwrap();
    let (status, text) = match (state.refusal, method) {
        (Some(status), _) => (status, String::new()),
        (None, Method::POST) => {
            state.notes.push(String::from_utf8(body.to_vec()).unwrap());
            (200, String::new())
        }
        (None, _) if lists => (200, state.notes.concat()),
        (None, _) => (405, String::new()),
    };
    Ok(Response::builder().status(status).body(text.into()).unwrap())
}
