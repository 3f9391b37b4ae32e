//! Passkeys: adding them, using them, and every way in which an answer may be wrong.
//!
//! Most tests answer in software ([`crate::support::soft_key`]), so that they can alter what a browser would not. Those in
//! [`browser`] use Chromium's virtual authenticator.

mod account;
mod altered;
mod browser;
mod ceremonies;
mod copies;
mod pages;
mod second_factor;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::Value;

use crate::support::soft_key::SoftKey;
use crate::support::{Actor, Answer, App};

const LOGIN: &str = "/login/passkey";
const LOGIN_OPTIONS: &str = "/login/passkey/options";
const ADD: &str = "/account/passkeys";
const ADDED: &str = "/account/passkeys?done=added";
const ADD_OPTIONS: &str = "/account/passkeys/options";

/// A portal whose address is `localhost`, for which browsers have passkeys without https.
async fn portal(variables: &[(&'static str, &str)]) -> App {
    App::start_with(&[&[("HOST", "localhost")], variables].concat()).await
}

/// The address of the portal in a browser.
fn origin(app: &App) -> String {
    format!("http://localhost:{}", app.url.rsplit(':').next().unwrap())
}

/// Asks for options like the script.
async fn ask(actor: &Actor, path: &str) -> Answer {
    Answer::of(actor.request(Method::POST, path).header("accept", "application/json")).await
}

async fn options(actor: &Actor, path: &str) -> Value {
    let answer = ask(actor, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// Adds a passkey to the login of this user.
async fn add(app: &App, actor: &Actor, name: &str) -> SoftKey {
    let options = options(actor, ADD_OPTIONS).await;
    let key = SoftKey::new(&options);
    register(app, actor, name, &options, &key).await;
    key
}

async fn register(app: &App, actor: &Actor, name: &str, options: &Value, key: &SoftKey) {
    let answer = key.register(&key.registration(options, &origin(app)));
    let added = actor.post(ADD, &[("name", name), ("passkey", &answer)]).await;
    // A first factor comes with recovery codes.
    if added.status == 200 {
        shown_codes(&added, ADDED);
    } else {
        assert_eq!((added.status, added.header("location")), (303, ADDED), "{}", added.text());
    }
}

/// The recovery codes of the page that leads on to this address.
fn shown_codes(answer: &Answer, next: &str) -> Vec<String> {
    assert_eq!((answer.status, answer.one("h1")), (200, "Recovery codes".to_owned()), "{}", answer.text());
    assert_eq!(answer.attributes(".login a.button", "href"), [next]);
    let codes = answer.all(".codes code");
    assert_eq!(codes.len(), 10);
    codes
}

/// Logs in with a passkey alone.
async fn log_in(app: &App, actor: &Actor, key: &mut SoftKey) -> Answer {
    let options = options(actor, LOGIN_OPTIONS).await;
    let answer = key.answer(&options, &origin(app));
    actor.post(LOGIN, &[("passkey", &key.sign(&answer)), ("next", "/bols")]).await
}

/// Expects that the answer is not accepted, with a message that contains these words.
fn assert_refused(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 422, "{}", answer.text());
    let alert = answer.one("#problem");
    assert!(alert.contains(words), "{words:?} is not in {alert:?}");
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
