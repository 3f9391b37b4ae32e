//! What the issuer says about itself (OpenID Connect Discovery 1.0), kept for a few minutes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::http::{Http, IssuerFault};
use crate::config::{OidcConfig, is_allowed_address};

const LIFE: TimeDelta = TimeDelta::minutes(5);
/// Requests that wait for an issuer that is away would otherwise each wait for its time limit, one after the other.
const FAULT_LIFE: TimeDelta = TimeDelta::seconds(5);

/// Longer than any request waits for another one's answer.
pub(super) const WAITED: TimeDelta = TimeDelta::minutes(1);

/// The addresses of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub authorization: Url,
    pub token: Url,
    pub keys: Url,
    pub userinfo: Option<Url>,
    pub end_session: Option<Url>,
    /// Whether the token endpoint takes the secret in the form only (`client_secret_post`).
    pub takes_secret_in_form: bool,
    /// Whether every answer names the issuer (RFC 9207).
    pub names_itself: bool,
}

type Found = Result<Arc<Metadata>, IssuerFault>;

/// The newest answer.
#[derive(Default)]
pub struct Discovery(Mutex<Option<(DateTime<Utc>, Found)>>);

impl Discovery {
    /// Returns the issuer's addresses. Only one request asks at a time; the others wait for its answer.
    pub async fn metadata(&self, http: &Http, config: &OidcConfig, now: DateTime<Utc>) -> Found {
        let mut kept = self.0.lock().await;
        if let Some((at, found)) = &*kept {
            let life = if found.is_ok() { LIFE } else { FAULT_LIFE };
            // A request that waited for this answer began before it.
            if now - *at < life && now > *at - WAITED {
                return found.clone();
            }
        }
        let begun = Instant::now();
        let found = discover(http, config).await.map(Arc::new);
        *kept = Some((now + TimeDelta::from_std(begun.elapsed()).unwrap_or_default(), found.clone()));
        found
    }
}

async fn discover(http: &Http, config: &OidcConfig) -> Result<Metadata, IssuerFault> {
    if let (Some(authorization), Some(token), Some(keys)) =
        (&config.authorization_url, &config.token_url, &config.jwks_url)
    {
        return Ok(Metadata {
            authorization: authorization.clone(),
            token: token.clone(),
            keys: keys.clone(),
            userinfo: None,
            end_session: None,
            takes_secret_in_form: false,
            names_itself: false,
        });
    }
    let address = format!("{}/.well-known/openid-configuration", config.issuer.trim_end_matches('/'));
    let address = Url::parse(&address).map_err(|_| IssuerFault("OIDC_ISSUER is no address".into()))?;
    read(config, &http.get(&address, None).await?)
}

/// Reads the issuer's document. It must name the issuer as the configuration does.
fn read(config: &OidcConfig, document: &Value) -> Result<Metadata, IssuerFault> {
    let named = document["issuer"].as_str().unwrap_or_default();
    if named != config.issuer {
        let named: String = named.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(IssuerFault(format!("discovery names the issuer \"{named}\" instead of \"{}\"", config.issuer)));
    }
    let optional = |name: &str| match document[name].as_str() {
        None => Ok(None),
        Some(text) => match Url::parse(text).ok().filter(is_allowed_address) {
            Some(url) => Ok(Some(url)),
            None => Err(IssuerFault(format!("discovery gives no https address for {name}"))),
        },
    };
    let needed = |name: &str, configured: &Option<Url>| match configured {
        Some(url) => Ok(url.clone()),
        None => optional(name)?.ok_or_else(|| IssuerFault(format!("discovery gives no address for {name}"))),
    };
    let methods = document["token_endpoint_auth_methods_supported"].as_array();
    let takes = |method: &str| methods.is_some_and(|methods| methods.iter().any(|known| known == method));
    Ok(Metadata {
        authorization: needed("authorization_endpoint", &config.authorization_url)?,
        token: needed("token_endpoint", &config.token_url)?,
        keys: needed("jwks_uri", &config.jwks_url)?,
        userinfo: optional("userinfo_endpoint")?,
        end_session: optional("end_session_endpoint")?,
        takes_secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
        names_itself: document["authorization_response_iss_parameter_supported"] == true,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Needs};

    fn config() -> OidcConfig {
        let pairs = [("OIDC_ISSUER", "https://id.example"), ("OIDC_CLIENT_ID", "portal")];
        let values = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Config::from_values(&values, Needs::Nothing).expect("valid").oidc.expect("configured")
    }

    fn document(changes: &[(&str, Value)]) -> Value {
        let mut document = json!({
            "issuer": "https://id.example",
            "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://keys.example/jwks",
        });
        for (name, value) in changes {
            document[name] = value.clone();
        }
        document
    }

    #[test]
    fn an_issuer_is_named_in_exactly_the_configured_spelling() {
        assert!(read(&config(), &document(&[])).is_ok());
        for other in ["https://id.example/", "https://ID.example", "https://evil.example", ""] {
            let fault = read(&config(), &document(&[("issuer", json!(other))])).expect_err(other);
            assert!(fault.0.contains("instead of \"https://id.example\""), "{fault}");
        }
    }

    #[test]
    fn addresses_without_tls_are_refused() {
        for name in
            ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"]
        {
            let fault = read(&config(), &document(&[(name, json!("http://id.example/x"))])).expect_err(name);
            assert!(fault.0.contains(name), "{fault}");
        }
        assert!(read(&config(), &document(&[("token_endpoint", Value::Null)])).is_err());
    }

    #[test]
    fn the_secret_goes_where_the_issuer_takes_it() {
        let takes = |methods: Value| {
            let document = document(&[("token_endpoint_auth_methods_supported", methods)]);
            read(&config(), &document).expect("valid").takes_secret_in_form
        };
        assert!(!takes(Value::Null) && !takes(json!(["client_secret_post", "client_secret_basic"])));
        assert!(takes(json!(["private_key_jwt", "client_secret_post"])));
    }
}
