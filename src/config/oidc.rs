//! `OIDC_…`: the OpenID Connect issuer of single sign-on.

use url::{Host, Url};

use super::Secret;
use super::reader::{ROLES, Reader};

const ADDRESS: &str = "https://HOST, or http:// on this machine (127.0.0.1, localhost)";

/// The issuer, and what the portal does with its word.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// As configured. The issuer's own documents and tokens must name it in exactly this spelling.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client.
    pub client_secret: Option<Secret<String>>,
    pub scopes: String,
    /// These three replace what the issuer's discovery says.
    pub jwks_url: Option<Url>,
    pub authorization_url: Option<Url>,
    pub token_url: Option<Url>,
    pub roles: Option<RoleClaim>,
    /// On the button of the login page.
    pub label: String,
    /// The roles whose logins can't use a password.
    pub required_for: Vec<String>,
    /// Whether the first login of an unknown person creates a login.
    pub creates: bool,
}

/// Where a token names the person's role, and what its values mean.
#[derive(Clone, Debug)]
pub struct RoleClaim {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// Values and roles. The first value that a token has counts.
    pub map: Vec<(String, String)>,
}

impl Reader<'_> {
    pub(super) fn oidc(&mut self) -> Option<OidcConfig> {
        const NAMES: [&str; 11] = [
            "OIDC_CLIENT_ID",
            "OIDC_CLIENT_SECRET",
            "OIDC_SCOPES",
            "OIDC_JWKS_URL",
            "OIDC_AUTHORIZATION_URL",
            "OIDC_TOKEN_URL",
            "OIDC_ROLE_CLAIM",
            "OIDC_ROLE_MAP",
            "OIDC_LABEL",
            "OIDC_REQUIRED_FOR",
            "OIDC_CREATE",
        ];
        let Some(issuer) = self.text("OIDC_ISSUER") else {
            if let Some(name) = NAMES.into_iter().find(|name| self.text(name).is_some()) {
                self.missing("OIDC_ISSUER", &format!("the issuer's address, since {name} is set"));
            }
            return None;
        };
        self.issuer_address("OIDC_ISSUER", &issuer);
        let client_id = self.text("OIDC_CLIENT_ID").unwrap_or_else(|| {
            self.missing("OIDC_CLIENT_ID", "the portal's client id at the issuer, since OIDC_ISSUER is set");
            String::new()
        });
        let roles = self.role_claim();
        let creates = self.flag("OIDC_CREATE", false);
        if creates && roles.is_none() {
            self.missing("OIDC_ROLE_CLAIM", "the place of the role in the token, since OIDC_CREATE is True");
        }
        Some(OidcConfig {
            issuer,
            client_id,
            client_secret: self.text("OIDC_CLIENT_SECRET").map(Secret),
            scopes: self.scopes(),
            jwks_url: self.endpoint_of_issuer("OIDC_JWKS_URL"),
            authorization_url: self.endpoint_of_issuer("OIDC_AUTHORIZATION_URL"),
            token_url: self.endpoint_of_issuer("OIDC_TOKEN_URL"),
            roles,
            label: self.label(),
            required_for: self.roles("OIDC_REQUIRED_FOR", &[]),
            creates,
        })
    }

    fn issuer_address(&mut self, name: &str, found: &str) {
        let is_issuer = |url: &Url| is_allowed(url) && url.query().is_none() && url.fragment().is_none();
        if !Url::parse(found).is_ok_and(|url| is_issuer(&url)) {
            self.address_problem(name, found);
        }
    }

    fn endpoint_of_issuer(&mut self, name: &str) -> Option<Url> {
        let found = self.text(name)?;
        let url = Url::parse(&found).ok().filter(is_allowed);
        if url.is_none() {
            self.address_problem(name, &found);
        }
        url
    }

    /// The value may hold a password, so it is not quoted then.
    fn address_problem(&mut self, name: &str, found: &str) {
        if found.contains('@') {
            self.problems.push(format!("{name}: found a user name or a password in it, allowed is {ADDRESS}"));
        } else {
            self.problem(name, found, &format!("{ADDRESS}; an issuer has no query"));
        }
    }

    fn scopes(&mut self) -> String {
        let scopes = self.text("OIDC_SCOPES").unwrap_or_else(|| "openid email profile".into());
        let scopes = scopes.split_whitespace().collect::<Vec<_>>().join(" ");
        if !scopes.split(' ').any(|scope| scope == "openid") {
            self.problem("OIDC_SCOPES", &scopes, "scopes separated by spaces, openid among them");
        }
        scopes
    }

    fn label(&mut self) -> String {
        let label = self.text("OIDC_LABEL").unwrap_or_else(|| "single sign-on".into());
        if label.chars().count() > 40 || label.chars().any(char::is_control) {
            self.problem("OIDC_LABEL", &label, "up to 40 characters in one line");
        }
        label
    }

    fn role_claim(&mut self) -> Option<RoleClaim> {
        const MAP: &str = "pairs such as clerk=office,boss=admin with the roles";
        let (pointer, map) = (self.text("OIDC_ROLE_CLAIM"), self.text("OIDC_ROLE_MAP"));
        let (pointer, found) = match (pointer, map) {
            (None, None) => return None,
            (Some(pointer), Some(map)) => (pointer, map),
            (Some(_), None) => {
                self.missing("OIDC_ROLE_MAP", "what the claim's values mean, since OIDC_ROLE_CLAIM is set");
                return None;
            }
            (None, Some(_)) => {
                self.missing("OIDC_ROLE_CLAIM", "the place of the role in the token, since OIDC_ROLE_MAP is set");
                return None;
            }
        };
        if !pointer.starts_with('/') || pointer.len() > 200 {
            self.problem(
                "OIDC_ROLE_CLAIM",
                &pointer,
                "a JSON pointer such as /roles or /application_roles/portal/role",
            );
        }
        let mut map: Vec<(String, String)> = Vec::new();
        for pair in found.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            // A value may have an equals sign, as in a distinguished name. A role has none.
            match pair.rsplit_once('=').map(|(value, role)| (value.trim(), role.trim().to_ascii_lowercase())) {
                Some((value, role)) if !value.is_empty() && ROLES.contains(&role.as_str()) => {
                    map.push((value.to_owned(), role));
                }
                _ => self.problem("OIDC_ROLE_MAP", pair, &format!("{MAP} {}", ROLES.join(", "))),
            }
        }
        Some(RoleClaim { pointer, map })
    }
}

/// Whether the portal may send secrets to this address: over TLS, or within this machine.
pub fn is_allowed(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.has_host();
    is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::config::{Config, Needs};

    fn read(pairs: &[(&str, &str)]) -> Result<Option<OidcConfig>, String> {
        let values: HashMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_values(&values, Needs::Nothing).map(|config| config.oidc).map_err(|error| error.to_string())
    }

    const ISSUER: [(&str, &str); 2] = [("OIDC_ISSUER", "https://id.example/"), ("OIDC_CLIENT_ID", "portal")];

    #[test]
    fn without_an_issuer_there_is_no_single_sign_on() {
        assert!(read(&[]).expect("valid").is_none());
        let config = read(&ISSUER).expect("valid").expect("configured");
        assert_eq!((config.scopes.as_str(), config.label.as_str()), ("openid email profile", "single sign-on"));
        assert_eq!(config.issuer, "https://id.example/", "the spelling stays");
        assert!(config.client_secret.is_none() && config.required_for.is_empty() && !config.creates);
    }

    #[test]
    fn the_map_keeps_its_order_and_values_with_an_equals_sign() {
        let more = [("OIDC_ROLE_CLAIM", "/groups"), ("OIDC_ROLE_MAP", "CN=Boss = Admin, clerk=office")];
        let config = read(&[ISSUER.as_slice(), &more].concat()).expect("valid").expect("configured");
        let map = config.roles.expect("a claim").map;
        assert_eq!(map, [("CN=Boss".into(), "admin".into()), ("clerk".into(), "office".into())]);
    }

    #[test]
    fn every_mistake_is_named_and_no_secret_with_it() {
        for (pairs, name) in [
            (vec![("OIDC_CLIENT_SECRET", "hunter2")], "OIDC_ISSUER"),
            (vec![("OIDC_ISSUER", "https://id.example")], "OIDC_CLIENT_ID"),
            (vec![("OIDC_ISSUER", "http://id.example"), ("OIDC_CLIENT_ID", "a")], "OIDC_ISSUER"),
            (vec![("OIDC_ISSUER", "https://id.example?x=1"), ("OIDC_CLIENT_ID", "a")], "OIDC_ISSUER"),
            (vec![("OIDC_ISSUER", "https://u:hunter2@id.example"), ("OIDC_CLIENT_ID", "a")], "OIDC_ISSUER"),
            ([ISSUER.as_slice(), &[("OIDC_SCOPES", "email")]].concat(), "OIDC_SCOPES"),
            ([ISSUER.as_slice(), &[("OIDC_TOKEN_URL", "http://id.example/token")]].concat(), "OIDC_TOKEN_URL"),
            ([ISSUER.as_slice(), &[("OIDC_ROLE_CLAIM", "/role")]].concat(), "OIDC_ROLE_MAP"),
            ([ISSUER.as_slice(), &[("OIDC_ROLE_MAP", "a=office")]].concat(), "OIDC_ROLE_CLAIM"),
            (
                [ISSUER.as_slice(), &[("OIDC_ROLE_CLAIM", "role"), ("OIDC_ROLE_MAP", "a=office")]].concat(),
                "OIDC_ROLE_CLAIM",
            ),
            (
                [ISSUER.as_slice(), &[("OIDC_ROLE_CLAIM", "/role"), ("OIDC_ROLE_MAP", "a=boss")]].concat(),
                "OIDC_ROLE_MAP",
            ),
            ([ISSUER.as_slice(), &[("OIDC_CREATE", "True")]].concat(), "OIDC_ROLE_CLAIM"),
            ([ISSUER.as_slice(), &[("OIDC_REQUIRED_FOR", "boss")]].concat(), "OIDC_REQUIRED_FOR"),
        ] {
            let errors = read(&pairs).expect_err(name);
            assert!(errors.lines().any(|line| line.starts_with(&format!("{name}:"))), "{name} in {errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
        let secret = read(&[ISSUER.as_slice(), &[("OIDC_CLIENT_SECRET", "hunter2")]].concat()).expect("valid");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
