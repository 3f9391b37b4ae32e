//! Chromium's virtual authenticator ([WebDriver extension](https://www.w3.org/TR/webauthn-3/#sctn-automation)).

use fantoccini::wd::WebDriverCompatibleCommand;
use reqwest::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::Browser;

#[derive(Debug)]
struct Command {
    method: Method,
    path: String,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/webauthn/authenticator{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = (self.method == Method::POST).then(|| self.body.to_string());
        (self.method.clone(), body)
    }
}

/// An authenticator in the device of a browser, with a screen lock.
pub struct VirtualAuthenticator<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    pub async fn virtual_authenticator(&self) -> VirtualAuthenticator<'_> {
        let options = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserConsenting": true,
            "isUserVerified": true,
        });
        let command = Command { method: Method::POST, path: String::new(), body: options };
        let id = self.issue_cmd(command).await.unwrap();
        VirtualAuthenticator { browser: self, id: id.as_str().unwrap().into() }
    }
}

impl VirtualAuthenticator<'_> {
    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let path = format!("/{}{path}", self.id);
        self.browser.issue_cmd(Command { method, path, body }).await.unwrap()
    }

    /// The passkeys with their private keys.
    pub async fn credentials(&self) -> Vec<Value> {
        self.send(Method::GET, "/credentials", Value::Null).await.as_array().unwrap().clone()
    }

    pub async fn add(&self, credential: Value) {
        self.send(Method::POST, "/credential", credential).await;
    }

    pub async fn remove_all(&self) {
        self.send(Method::DELETE, "/credentials", Value::Null).await;
    }

    /// Whether the user passes the screen lock.
    pub async fn set_verified(&self, is_verified: bool) {
        self.send(Method::POST, "/uv", json!({"isUserVerified": is_verified})).await;
    }
}
