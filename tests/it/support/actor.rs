//! A user's HTTP client. It keeps cookies like a browser, and returns redirects instead of following them.

use std::cell::RefCell;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use scraper::{Html, Selector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{App, openapi};

#[derive(Clone)]
pub struct Actor {
    client: Client,
    base: String,
    /// The API token that a program sends.
    token: Option<String>,
}

/// A complete HTTP response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A client without cookies, for servers other than the portal.
pub fn http_client() -> Client {
    builder().build().unwrap()
}

fn builder() -> ClientBuilder {
    // reqwest needs a TLS provider, although no test uses TLS.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Reading the system's certificates takes a tenth of a short test.
    Client::builder().tls_built_in_native_certs(false).no_proxy()
}

impl Actor {
    pub fn new(base: &str) -> Self {
        let client = builder().cookie_store(true).redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().unwrap(), base: base.into(), token: None }
    }

    /// The same cookies with another server.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    /// The same client as a program with an API token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// `path` may be a complete URL, such as a link.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Sends a form. A login is sent again while the queue of passwords is full ([`patiently`]).
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        patiently(|| self.request(Method::POST, path).form(form)).await
    }

    /// Logs in and expects it to work.
    pub async fn log_in(self, email: &str, password: &str) -> Self {
        let answer = self.post("/login", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 303, "{email} can't log in: {}", answer.text());
        self
    }
}

/// Sends a request again while the queue of passwords is full. All tests of this process share the queue, and one floods it.
pub async fn patiently(request: impl Fn() -> RequestBuilder) -> Answer {
    let mut answer = Answer::of(request()).await;
    for _ in 0..60 {
        if answer.status != 429 || !answer.text().contains("Many passwords are being checked") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        answer = Answer::of(request()).await;
    }
    answer
}

impl Answer {
    /// Sends a request. An answer of `/api/v1` that the OpenAPI document doesn't describe fails the test.
    pub async fn of(request: RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Self { status, headers, body: response.bytes().await.unwrap().to_vec() };
        openapi::check(method.as_str(), &path, &answer);
        answer
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text of every element that matches a CSS selector, with collapsed white space.
    pub fn all(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        self.with_page(|page| {
            let texts = page.select(&selector).map(|element| element.text().collect::<String>());
            texts.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        })
    }

    pub fn one(&self, selector: &str) -> String {
        let found = self.all(selector);
        assert_eq!(found.len(), 1, "{selector} in\n{}", self.text());
        found[0].clone()
    }

    /// An attribute of every element that matches a CSS selector.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        self.with_page(|page| page.select(&selector).filter_map(|element| element.attr(name).map(Into::into)).collect())
    }

    /// Reads the page. The last one is kept, because a test asks about one page several times, and parsing takes longest.
    fn with_page<T>(&self, read: impl FnOnce(&Html) -> T) -> T {
        thread_local! {
            static LAST: RefCell<Option<(Vec<u8>, Html)>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| {
            let (_, page) = match last.take() {
                Some(same) if same.0 == self.body => last.insert(same),
                _ => last.insert((self.body.clone(), Html::parse_document(&self.text()))),
            };
            read(page)
        })
    }
}

/// Sends bytes that no client library would send, and returns the first line of the answer.
pub async fn raw(app: &App, bytes: &[u8]) -> String {
    let address = app.url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(30), socket.read(&mut answer)).await.unwrap().unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}
