//! Requests to the issuer: with a time limit, a size limit, and without following redirects.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why the issuer can't be used right now, for the log. It holds no code, no token and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IssuerFault(pub String);

/// An answer in JSON.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// The client of one issuer.
pub struct Http(Result<Client, IssuerFault>);

impl Http {
    pub fn new() -> Self {
        // Another part of the program may have installed the same one before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        Self(client.build().map_err(|error| IssuerFault(text(error))))
    }

    /// Gets a document. An answer other than 200 is a fault.
    pub async fn get(&self, url: &Url, access_token: Option<&str>) -> Result<Value, IssuerFault> {
        let request = self.client()?.get(url.clone());
        let request = match access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = send(url, request).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(fault(url, &format!("answers {}", answer.status))) }
    }

    /// Sends a form. `basic` is the client's name and password.
    pub async fn post(
        &self,
        url: &Url,
        basic: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> Result<Answer, IssuerFault> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client()?.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match basic {
            Some((name, password)) => request.basic_auth(name, Some(password)),
            None => request,
        };
        send(url, request.body(body)).await
    }

    fn client(&self) -> Result<&Client, IssuerFault> {
        self.0.as_ref().map_err(IssuerFault::clone)
    }
}

async fn send(url: &Url, request: RequestBuilder) -> Result<Answer, IssuerFault> {
    let failed = |error| fault(url, &text(error));
    let mut answer = request.header(ACCEPT, "application/json").send().await.map_err(failed)?;
    let status = answer.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(fault(url, &format!("answers more than {} kB", MAX_ANSWER_BYTES / 1024)));
        }
    }
    match serde_json::from_slice(&bytes) {
        Ok(body) => Ok(Answer { status, body }),
        Err(_) => Err(fault(url, &format!("answers {status} without JSON"))),
    }
}

/// Names the place without its query.
fn fault(url: &Url, what: &str) -> IssuerFault {
    IssuerFault(format!("{}{} {what}", url.origin().ascii_serialization(), url.path()))
}

/// Leaves out the address, which `fault` names.
fn text(error: reqwest::Error) -> String {
    let error = error.without_url();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("fails: {error}{source}")
}
