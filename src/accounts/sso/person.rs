//! What the issuer says about a person.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::accounts::{Role, User};
use crate::config::{OidcConfig, RoleClaim};

/// A person, as checked claims describe them.
#[derive(Debug)]
pub struct Person {
    /// Unique at the issuer, and never given to another person (OpenID Connect Core 1.0, 8).
    pub subject: String,
    /// As the issuer writes it, for the log.
    pub email: Option<String>,
    /// The address, if the issuer has verified that it is the person's.
    pub verified_email: Option<String>,
    pub name: Option<String>,
    pub role: ClaimedRole,
    /// When the person logged in at the issuer, if it says.
    logged_in_at: Option<DateTime<Utc>>,
}

/// The role that the issuer gives a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimedRole {
    /// No claim is configured.
    Ignored,
    Role(Role),
    /// The claim is missing, or names no role of the portal.
    Unknown,
}

impl ClaimedRole {
    /// Whether the login is an administrator's, and the issuer gives the person another role.
    pub fn denies_admin(self, user: &User) -> bool {
        user.role == Role::Admin.as_str() && matches!(self, Self::Role(claimed) if claimed != Role::Admin)
    }
}

impl Person {
    /// Whether the issuer says that the person has logged in there since then.
    pub fn has_logged_in_since(&self, since: DateTime<Utc>) -> bool {
        self.logged_in_at.is_some_and(|at| at >= since)
    }

    pub fn read(claims: &Value, config: &OidcConfig) -> Self {
        let text = |name: &str| claims[name].as_str().filter(|text| text.len() <= 1000).map(str::to_owned);
        let email = text("email");
        let is_verified = is_email_verified(claims);
        Self {
            subject: claims["sub"].as_str().unwrap_or_default().to_owned(),
            verified_email: email.clone().filter(|_| is_verified),
            email,
            name: text("name"),
            logged_in_at: claims["auth_time"].as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            role: config.roles.as_ref().map_or(ClaimedRole::Ignored, |roles| claimed_role(claims, roles)),
        }
    }
}

/// Only the boolean counts: no issuer may mean a text such as "false".
///
/// Microsoft Entra ID has no `email_verified`. Its `xms_edov` says that the tenant owns the domain of the address.
fn is_email_verified(claims: &Value) -> bool {
    match &claims["email_verified"] {
        Value::Null => claims["xms_edov"] == true,
        verified => verified == true,
    }
}

/// Whether the claims lack something that the userinfo endpoint may have.
pub fn is_incomplete(claims: &Value, config: &OidcConfig) -> bool {
    let has_role = config.roles.as_ref().is_none_or(|roles| claims.pointer(&roles.pointer).is_some());
    claims["email"].is_null() || !has_role
}

/// Adds the claims of the userinfo endpoint. Those of the ID token stay, because it is signed.
///
/// An address and its verification come from one place.
pub fn complete(claims: &mut Value, userinfo: Value) {
    let has_email = !claims["email"].is_null();
    let (Value::Object(claims), Value::Object(more)) = (claims, userinfo) else { return };
    for (name, value) in more {
        if !(has_email && ["email_verified", "xms_edov"].contains(&name.as_str())) {
            claims.entry(name).or_insert(value);
        }
    }
}

/// The first role of the map whose value the claim has. A claim is a text or a list of texts.
fn claimed_role(claims: &Value, roles: &RoleClaim) -> ClaimedRole {
    let claim = claims.pointer(&roles.pointer).unwrap_or(&Value::Null);
    let has = |value: &str| match claim {
        Value::String(one) => one == value,
        Value::Array(all) => all.iter().any(|one| one == value),
        _ => false,
    };
    let found = roles.map.iter().find(|(value, _)| has(value));
    found.and_then(|(_, role)| role.parse().ok()).map_or(ClaimedRole::Unknown, ClaimedRole::Role)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_pair_of_the_map_counts() {
        let map = [("boss", "admin"), ("clerk", "office")].map(|(value, role)| (value.into(), role.into())).into();
        let roles = RoleClaim { pointer: "/application_roles/primetrade/role".into(), map };
        let role = |value: Value| claimed_role(&json!({"application_roles": {"primetrade": {"role": value}}}), &roles);
        assert_eq!(role(json!("clerk")), ClaimedRole::Role(Role::Office));
        assert_eq!(role(json!(["x", "clerk", "boss"])), ClaimedRole::Role(Role::Admin));
        for none in [json!("Boss"), json!(["guest"]), json!({"boss": true}), json!(null), json!("")] {
            assert_eq!(role(none.clone()), ClaimedRole::Unknown, "{none}");
        }
        assert_eq!(claimed_role(&json!({"application_roles": []}), &roles), ClaimedRole::Unknown);
    }

    #[test]
    fn only_a_boolean_verifies_an_address() {
        assert!(is_email_verified(&json!({"email_verified": true})));
        assert!(is_email_verified(&json!({"xms_edov": true})));
        for claims in [
            json!({}),
            json!({"email_verified": "true"}),
            json!({"email_verified": 1}),
            json!({"email_verified": false, "xms_edov": true}),
            json!({"xms_edov": "true"}),
            json!({"xms_edov": 1}),
        ] {
            assert!(!is_email_verified(&claims), "{claims}");
        }
    }

    #[test]
    fn userinfo_never_replaces_what_is_signed() {
        let userinfo = || json!({"sub": "1", "email": "b@x.example", "email_verified": true, "name": "B"});
        let mut claims = json!({"sub": "1", "email": "a@x.example"});
        complete(&mut claims, userinfo());
        assert_eq!(claims, json!({"sub": "1", "email": "a@x.example", "name": "B"}));
        let mut claims = json!({"sub": "1"});
        complete(&mut claims, userinfo());
        assert_eq!(claims, userinfo());
    }
}
