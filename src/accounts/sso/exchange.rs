//! Exchanges the code of an answer for the person's claims.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::discovery::Metadata;
use super::http::{Http, IssuerFault};
use super::id_token::{self, Expected, TokenFault, TokenHeader};
use super::keys::Keys;
use super::person::is_incomplete;
use super::running::Running;
use crate::config::OidcConfig;

#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error(transparent)]
    Issuer(#[from] IssuerFault),
    /// The issuer takes the code no longer, or never gave it.
    #[error("the issuer refuses the code")]
    Code,
    #[error("the ID token is invalid: {0}")]
    Token(#[from] TokenFault),
}

/// What an exchange needs of its issuer.
pub struct Exchange<'a> {
    pub http: &'a Http,
    pub config: &'a OidcConfig,
    pub metadata: &'a Metadata,
    pub keys: &'a Keys,
    /// The portal's address for answers.
    pub redirect_uri: &'a str,
    pub now: DateTime<Utc>,
}

impl Exchange<'_> {
    /// Returns the checked claims of the ID token, completed from the userinfo endpoint if they lack something.
    pub async fn claims(&self, code: &str, running: &Running) -> Result<Value, ExchangeError> {
        let answer = self.tokens(code, running).await?;
        let token = answer["id_token"].as_str().ok_or(TokenFault::Malformed)?;
        let header = TokenHeader::read(token)?;
        let keys = self.keys.find(self.http, &self.metadata.keys, self.now, &header).await?;
        let OidcConfig { issuer, client_id, .. } = self.config;
        let logged_in_since = running.confirms.map(|_| running.created_at);
        let expected = Expected { issuer, client_id, nonce: &running.nonce, now: self.now, logged_in_since };
        let mut claims = id_token::verify(token, &header, &keys, &expected)?;
        let access_token = answer["access_token"].as_str();
        if let (true, Some(url), Some(access_token)) =
            (is_incomplete(&claims, self.config), &self.metadata.userinfo, access_token)
        {
            let userinfo = self.http.get(url, Some(access_token)).await?;
            // OpenID Connect Core 1.0, 5.3.2: against token substitution.
            if userinfo["sub"] != claims["sub"] {
                return Err(TokenFault::Subject.into());
            }
            super::person::complete(&mut claims, userinfo);
        }
        Ok(claims)
    }

    /// Asks the token endpoint. The secret, if there is one, proves that the portal asks.
    async fn tokens(&self, code: &str, running: &Running) -> Result<Value, ExchangeError> {
        let OidcConfig { client_id, client_secret, .. } = self.config;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri),
            ("code_verifier", &running.verifier),
        ];
        let secret = client_secret.as_ref().map(|secret| secret.0.as_str());
        // RFC 6749, 2.3.1: both parts are encoded before they are joined.
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic =
            secret.filter(|_| !self.metadata.takes_secret_in_form).map(|secret| (encode(client_id), encode(secret)));
        if basic.is_none() {
            form.push(("client_id", client_id));
            form.extend(secret.map(|secret| ("client_secret", secret)));
        }
        let basic = basic.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        let answer = self.http.post(&self.metadata.token, basic, &form).await?;
        match (answer.status, answer.body["error"].as_str()) {
            (200, None) => Ok(answer.body),
            (_, Some("invalid_grant")) => Err(ExchangeError::Code),
            (status, error) => {
                let error = super::error_word(error.unwrap_or_default());
                Err(IssuerFault(format!("the token endpoint answers {status} {error}")).into())
            }
        }
    }
}
