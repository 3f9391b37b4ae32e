//! An OpenID Connect issuer inside the test process. A test chooses what it says, however wrong.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use primetrade::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::{Actor, Answer};

pub const CLIENT: &str = "portal";
pub const CLIENT_SECRET: &str = "s3cret of the portal+/%";

/// What is wrong with an address of the issuer.
#[derive(Clone, Copy, Debug)]
pub enum IssuerError {
    Slow(Duration),
    Huge,
    /// An error page of something in between.
    Page(u16),
    /// To another address of this issuer.
    Redirect(&'static str),
    /// The connection breaks.
    Lost,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    Own,
    /// With a key that the issuer doesn't publish.
    Stranger,
    /// An empty one.
    None,
    /// HMAC-SHA256, with what is public about the key as its secret.
    PublicKeyAsSecret,
}

/// A key pair for signatures.
pub enum SigningKey {
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    pub fn ecdsa() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap()))
    }

    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ecdsa(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        match self {
            Self::Ecdsa(key) => key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        }
    }

    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa(key) => key.public_key().as_ref().to_vec(),
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
        }
    }

    fn jwk(&self, id: &str) -> Value {
        let (public, encode) = (self.public(), |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes));
        match self {
            Self::Ecdsa(_) => {
                let (x, y) = (encode(&public[1..33]), encode(&public[33..]));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": x, "y": y})
            }
            Self::Ed25519(_) => {
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id, "x": encode(&public)})
            }
        }
    }
}

/// What the issuer says.
pub struct Says {
    /// Members that replace those of the discovery document. `null` removes one.
    pub discovery: Value,
    /// The same for claims of the ID token.
    pub claims: Value,
    /// The same for the token's header.
    pub header: Value,
    pub userinfo: Value,
    pub signature: Signature,
    pub key: (String, SigningKey),
    pub errors: HashMap<&'static str, IssuerError>,
    clock: Clock,
    /// Logins in progress: the nonce and the challenge of each code.
    codes: HashMap<String, (String, String)>,
    granted: usize,
    requests: Vec<String>,
}

pub struct Issuer {
    pub url: String,
    says: Arc<Mutex<Says>>,
    task: JoinHandle<()>,
}

/// A login as the portal has begun it.
pub struct Begun {
    pub parameters: HashMap<String, String>,
}

impl Begun {
    /// Follows the button of the login page up to the issuer.
    pub async fn by(actor: &Actor, path: &str) -> Self {
        let answer = actor.get(path).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let url = url::Url::parse(answer.header("location")).unwrap();
        Self { parameters: url.query_pairs().into_owned().collect() }
    }

    pub fn state(&self) -> &str {
        &self.parameters["state"]
    }
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let says = Arc::new(Mutex::new(Says {
            discovery: json!({}),
            claims: json!({}),
            header: json!({}),
            userinfo: json!({"sub": "nobody"}),
            signature: Signature::Own,
            key: ("key-1".into(), SigningKey::ecdsa()),
            errors: HashMap::new(),
            clock: Clock::system(),
            codes: HashMap::new(),
            granted: 0,
            requests: Vec::new(),
        }));
        let (shared, own) = (says.clone(), url.clone());
        let task = tokio::spawn(async move {
            // They end with the issuer.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (says, url) = (shared.clone(), own.clone());
                let service = service_fn(move |request| answer(says.clone(), url.clone(), request));
                connections.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { url, says, task }
    }

    /// The portal's configuration for this issuer.
    pub fn environment<'a>(&'a self, more: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
        let own = [
            ("OIDC_ISSUER", self.url.as_str()),
            ("OIDC_CLIENT_ID", CLIENT),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET),
            ("OIDC_LABEL", "Mill ID"),
        ];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    pub fn says(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }

    /// Says this of the person who logs in.
    pub fn person(&self, claims: Value) {
        self.says(|says| says.claims = claims);
    }

    /// Goes with a portal's clock.
    pub fn follow(&self, clock: &Clock) {
        self.says(|says| says.clock = clock.clone());
    }

    /// How often an address was asked.
    pub fn asked(&self, path: &str) -> usize {
        self.says.lock().unwrap().requests.iter().filter(|asked| *asked == path).count()
    }

    /// Logs the person in, and returns the code of the answer.
    pub fn grant(&self, begun: &Begun) -> String {
        let mut says = self.says.lock().unwrap();
        let code = format!("code-{}", says.granted);
        says.granted += 1;
        let kept = (begun.parameters["nonce"].clone(), begun.parameters["code_challenge"].clone());
        says.codes.insert(code.clone(), kept);
        code
    }

    /// Logs the person in with this browser, from the button to the portal's last answer.
    pub async fn log_in(&self, actor: &Actor) -> Answer {
        let begun = Begun::by(actor, "/login/sso?next=/bols").await;
        let code = self.grant(&begun);
        actor.get(&format!("/login/sso/callback?code={code}&state={}", begun.state())).await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with_changes(mut whole: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(whole.as_object_mut().unwrap().remove(name)),
            value => whole[name] = value.clone(),
        }
    }
    whole
}

type Reply = Result<Response<Full<Bytes>>, Infallible>;

fn reply(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().status(status).header("content-type", kind).body(Full::new(body.into())).unwrap()
}

async fn answer(says: Arc<Mutex<Says>>, url: String, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut says = says.lock().unwrap();
        says.requests.push(path.clone());
        says.errors.get(path.as_str()).copied()
    };
    match fault {
        None => {}
        Some(IssuerError::Slow(time)) => tokio::time::sleep(time).await,
        Some(IssuerError::Huge) => {
            let filling = "x".repeat(1_000_000);
            return Ok(reply(200, "application/json", json!({"issuer": url, "filling": filling}).to_string()));
        }
        Some(IssuerError::Page(status)) => {
            return Ok(reply(status, "text/html", "<!DOCTYPE html><title>Welcome</title>"));
        }
        Some(IssuerError::Redirect(to)) => {
            let response = Response::builder().status(302).header("location", format!("{url}{to}"));
            return Ok(response.body(Full::new("{}".into())).unwrap());
        }
        // hyper closes the connection.
        Some(IssuerError::Lost) => panic!("as planned"),
    }
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let mut says = says.lock().unwrap();
    let (status, document) = match path.as_str() {
        "/.well-known/openid-configuration" | "/elsewhere" => (200, discovery(&says, &url)),
        "/jwks" => (200, json!({"keys": [{"kty": "future"}, says.key.1.jwk(&says.key.0)]})),
        "/token" => token(&mut says, &url, &form, authorization.as_deref()),
        "/userinfo" => (200, says.userinfo.clone()),
        _ => (404, json!({})),
    };
    Ok(reply(status, "application/json", document.to_string()))
}

fn discovery(says: &Says, url: &str) -> Value {
    let own = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "end_session_endpoint": format!("{url}/logout"),
    });
    with_changes(own, &says.discovery)
}

/// Checks the client, the code and the PKCE verifier, as every issuer does.
fn token(says: &mut Says, url: &str, form: &HashMap<String, String>, authorization: Option<&str>) -> (u16, Value) {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("{}:{}", encode(CLIENT), encode(CLIENT_SECRET));
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic));
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let is_in_form = field("client_id") == CLIENT && field("client_secret") == CLIENT_SECRET;
    if authorization != Some(&basic) && !is_in_form {
        return (401, json!({"error": "invalid_client"}));
    }
    let Some((nonce, challenge)) = says.codes.remove(field("code")) else {
        return (400, json!({"error": "invalid_grant"}));
    };
    let verified = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier"))) == challenge;
    let is_ours = field("redirect_uri").ends_with("/login/sso/callback") && field("grant_type") == "authorization_code";
    if !verified || !is_ours {
        return (400, json!({"error": "invalid_grant"}));
    }
    let now = says.clock.now().timestamp();
    let claims = json!({"iss": url, "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300});
    let token = signed(says, &with_changes(claims, &says.claims));
    (200, json!({"access_token": "opaque", "token_type": "Bearer", "id_token": token}))
}

fn signed(says: &Says, claims: &Value) -> String {
    let (id, key) = &says.key;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = with_changes(json!({"alg": key.algorithm(), "kid": id, "typ": "JWT"}), &says.header);
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signature = match says.signature {
        Signature::Own => key.sign(&message),
        Signature::Stranger => SigningKey::ecdsa().sign(&message),
        Signature::None => Vec::new(),
        Signature::PublicKeyAsSecret => {
            let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key.public());
            aws_lc_rs::hmac::sign(&secret, message.as_bytes()).as_ref().to_vec()
        }
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
