//! Tests of the whole configuration.

use super::*;

fn config(pairs: &[(&str, &str)], needs: Needs) -> Result<Config, ConfigErrors> {
    let values = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::from_values(&values, needs)
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = config(&[], Needs::Nothing).expect("defaults are valid");
    assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 8080));
    assert_eq!(config.link_life, Duration::from_secs(300));
    assert_eq!(config.bol_prefix, "PRT");
    assert_eq!(config.time_zone, chrono_tz::America::New_York);
    assert!(matches!(config.storage, StorageConfig::Local { root } if root.as_os_str() == "media"));
}

#[test]
fn every_problem_is_reported_at_once_and_no_secret_with_it() {
    let secret = "hunter2-hunter2";
    let database_url = format!("mysql://u:{secret}@h/d");
    let errors = config(
        &[
            ("DATABASE_URL", database_url.as_str()),
            ("SECRET_KEY", secret),
            ("SEAL_KEY", secret),
            ("SEAL_VERIFIERS", "PRIVATE+KEY+hunter2-hunter2"),
            ("SMTP_URL", secret),
            ("PORT", "eighty"),
            ("USE_S3", "yes"),
            ("DOWNLOAD_URL_TTL_SECONDS", "0"),
            ("DISPLAY_TIMEZONE", "Ohio"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, nonsense"),
            ("TRUSTED_PROXY_HOPS", "0"),
            ("WEBHOOK_ALLOW_PRIVATE", "intranet"),
            ("STAFF_DOMAINS", "terminal.example, a b"),
            ("AWS_STORAGE_BUCKET_NAME", "Prime_Trade"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("BOL_PREFIX", "prt"),
            ("MFA_REQUIRED_FOR", "admin, boss"),
            ("MFA_GRACE_DAYS", "-1"),
            ("PUBLIC_URL", "portal.example.com"),
            ("PREVIOUS_PUBLIC_URLS", "https://a.example, b.example"),
            ("LOG_FORMAT", "xml"),
            ("RUST_LOG", "primetrade=loud"),
        ],
        Needs::Serving,
    )
    .expect_err("nothing in it is right")
    .to_string();
    for name in [
        "DATABASE_URL",
        "SECRET_KEY",
        "SEAL_KEY",
        "SEAL_VERIFIERS",
        "SMTP_URL",
        "MAIL_FROM",
        "PORT",
        "USE_S3",
        "DOWNLOAD_URL_TTL_SECONDS",
        "DISPLAY_TIMEZONE",
        "TRUSTED_PROXIES",
        "TRUSTED_PROXY_HOPS",
        "WEBHOOK_ALLOW_PRIVATE",
        "STAFF_DOMAINS",
        "AWS_STORAGE_BUCKET_NAME",
        "AWS_ACCESS_KEY_ID",
        "BOL_PREFIX",
        "MFA_REQUIRED_FOR",
        "MFA_GRACE_DAYS",
        "PUBLIC_URL",
        "PREVIOUS_PUBLIC_URLS",
        "LOG_FORMAT",
        "RUST_LOG",
    ] {
        assert!(errors.lines().any(|line| line.starts_with(&format!("{name}:"))), "{name} missing in\n{errors}");
    }
    assert!(!errors.contains(secret), "{errors}");
}

#[test]
fn debug_output_holds_no_secret() {
    let with_key = |key: &str| {
        let variables = [
            ("DATABASE_URL", "postgres://u:pass-word@h/d"),
            ("DATABASE_REPLICA_URL", "postgres://u:pass-word@h/d"),
            ("SECRET_KEY", key),
            ("USE_S3", "TRUE"),
            ("AWS_STORAGE_BUCKET_NAME", "primetrade-documents"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret-word"),
            ("AWS_SESSION_TOKEN", "token-word"),
        ];
        config(&variables, Needs::Serving)
    };
    // Only four distinct bytes: not random.
    assert!(with_key(&"ab12".repeat(40)).is_err());
    let key: String = (0..128u8).map(|n| format!("{:02x}", n.wrapping_mul(37))).collect();
    let config = with_key(&key).expect("valid");
    let shown = format!("{config:?}");
    assert!(!shown.contains("word") && !shown.contains(&key[..16]), "{shown}");
}
