//! ID tokens that are not for this login, not of this issuer, or not signed by it.

use serde_json::{Value, json};

use super::{assert_logged_in, last_failure, portal, refused};
use crate::support::{Signature, SigningKey};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_wrong_in_one_claim_logs_nobody_in() {
    let (app, issuer) = portal(&[]).await;
    let now = app.clock.now().timestamp();
    let long = "x".repeat(256);
    for (claim, value, reason) in [
        ("iss", json!("https://other.example"), "issuer"),
        ("iss", Value::Null, "issuer"),
        ("aud", json!("another client"), "audience"),
        ("aud", json!(["another client"]), "audience"),
        ("aud", json!(["portal", "another client"]), "authorized_party"),
        ("azp", json!("another client"), "authorized_party"),
        ("nonce", json!("of another login"), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("exp", json!(now - 90), "expired"),
        ("exp", Value::Null, "expired"),
        ("iat", json!(now + 120), "issued_at"),
        ("iat", json!(now - 700), "issued_at"),
        ("nbf", json!(now + 120), "issued_at"),
        ("sub", json!(""), "subject"),
        ("sub", Value::Null, "subject"),
        ("sub", json!(long), "subject"),
    ] {
        let mut claims = super::claims(crate::support::World::ACME);
        claims[claim] = value.clone();
        issuer.person(claims);
        let actor = app.stranger();
        let answer = issuer.log_in(&actor).await;
        assert_eq!(refused(&actor, &answer, 403).await, "The answer of Mill ID is not valid.", "{claim}: {value}");
        let event = last_failure(&app).await;
        assert_eq!(event.detail("reason"), format!("id_token_{reason}"), "{claim}: {value}");
        assert_eq!((event.email(), event.detail("method")), ("-", "sso".into()));
    }
    issuer.person(super::claims(crate::support::World::ACME));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_issuers_own_key_signs() {
    let (app, issuer) = portal(&[]).await;
    for (header, signature, reason) in [
        (json!({"alg": "none"}), Signature::None, "algorithm"),
        (json!({"alg": "NONE"}), Signature::Own, "algorithm"),
        (json!({"alg": "HS256"}), Signature::PublicKeyAsSecret, "algorithm"),
        (json!({"alg": "HS256", "kid": null}), Signature::PublicKeyAsSecret, "algorithm"),
        // The header's algorithm is not the key's.
        (json!({"alg": "RS256"}), Signature::Own, "unknown_key"),
        (json!({"alg": "ES384"}), Signature::Own, "unknown_key"),
        (json!({"kid": "another"}), Signature::Own, "unknown_key"),
        (json!({}), Signature::None, "signature"),
        (json!({}), Signature::Stranger, "signature"),
        (json!({}), Signature::PublicKeyAsSecret, "signature"),
        (json!({"kid": null}), Signature::Stranger, "signature"),
        (json!({"crit": ["exp"]}), Signature::Own, "malformed"),
        (json!({"typ": "at+jwt"}), Signature::Own, "malformed"),
        // A key in the header is no key of the issuer.
        (json!({"jwk": {"kty": "oct", "k": "AQAB"}}), Signature::Stranger, "signature"),
    ] {
        issuer.says(|says| (says.header, says.signature) = (header.clone(), signature));
        let actor = app.stranger();
        let answer = issuer.log_in(&actor).await;
        refused(&actor, &answer, 403).await;
        assert_eq!(last_failure(&app).await.detail("reason"), format!("id_token_{reason}"), "{header} {signature:?}");
    }
    for key in [SigningKey::ecdsa(), SigningKey::ed25519()] {
        issuer.says(|says| {
            (says.header, says.signature) = (json!({"kid": null}), Signature::Own);
            says.key = ("key-2".into(), key);
        });
        // Longer than the keys are kept.
        app.clock.advance(chrono::TimeDelta::minutes(16));
        assert_logged_in(&issuer.log_in(&app.stranger()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_keys_are_fetched_once_and_made_up_ones_cause_no_storm() {
    let (app, issuer) = portal(&[]).await;
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    issuer.says(|says| says.key = ("key-2".into(), SigningKey::ecdsa()));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
    assert_eq!(issuer.asked("/jwks"), 2);
    issuer.says(|says| says.header = json!({"kid": "made-up"}));
    for _ in 0..5 {
        let actor = app.stranger();
        refused(&actor, &issuer.log_in(&actor).await, 403).await;
    }
    assert_eq!(issuer.asked("/jwks"), 2, "within half a minute of the last fetch");
    app.clock.advance(chrono::TimeDelta::seconds(31));
    for _ in 0..5 {
        let actor = app.stranger();
        refused(&actor, &issuer.log_in(&actor).await, 403).await;
    }
    assert_eq!(issuer.asked("/jwks"), 3);
    issuer.says(|says| says.header = json!({}));
    assert_logged_in(&issuer.log_in(&app.stranger()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn userinfo_of_another_person_is_refused() {
    let (app, issuer) = portal(&[]).await;
    issuer.person(json!({"sub": "sub-1"}));
    issuer.says(|says| says.userinfo = super::claims(crate::support::World::ACME));
    let actor = app.stranger();
    refused(&actor, &issuer.log_in(&actor).await, 403).await;
    assert_eq!(last_failure(&app).await.detail("reason"), "id_token_subject");
    issuer.says(|says| says.userinfo["sub"] = json!("sub-1"));
    assert_logged_in(&issuer.log_in(&actor).await);
}
