//! The bucket: `AWS_STORAGE_BUCKET_NAME`, `AWS_S3_REGION_NAME`, `AWS_ENDPOINT_URL_S3` and the credentials.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use url::Url;

use super::Secret;
use super::reader::Reader;

#[derive(Clone, Debug)]
pub struct S3Config {
    pub bucket: String,
    pub region: String,
    /// The URL of an S3-compatible server. With it, requests use path-style addressing.
    pub endpoint: Option<Url>,
    /// From the variables. Without them the SDK's default chain (roles, profiles) applies.
    pub credentials: Option<S3Credentials>,
}

#[derive(Clone, Debug)]
pub struct S3Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
    /// The expiry of temporary credentials, if known.
    pub expiration: Option<DateTime<Utc>>,
}

impl Reader<'_> {
    /// Checks the variables even when `USE_S3` is off, to report a mistake before it is turned on.
    pub(super) fn s3(&mut self, needed: bool) -> Option<S3Config> {
        const BUCKET: &str = "3 to 63 of a-z 0-9 . - , starting and ending with a letter or digit";
        let bucket = self.text("AWS_STORAGE_BUCKET_NAME");
        match &bucket {
            None if needed => self.missing("AWS_STORAGE_BUCKET_NAME", "the name of the bucket, since USE_S3 is True"),
            Some(name) if !is_bucket_name(name) => self.problem("AWS_STORAGE_BUCKET_NAME", name, BUCKET),
            _ => {}
        }
        let region = self.text("AWS_S3_REGION_NAME").unwrap_or_else(|| "us-east-2".into());
        if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            self.problem("AWS_S3_REGION_NAME", &region, "a region such as us-east-2");
        }
        let endpoint_name =
            if self.text("AWS_ENDPOINT_URL_S3").is_some() { "AWS_ENDPOINT_URL_S3" } else { "AWS_ENDPOINT_URL" };
        let endpoint: Option<Url> = self.parsed(endpoint_name, "http://HOST:PORT or https://HOST");
        if let Some(url) = endpoint.as_ref().filter(|url| !matches!(url.scheme(), "http" | "https")) {
            self.problem(endpoint_name, url.as_str(), "http://HOST:PORT or https://HOST");
        }
        if endpoint.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
            self.problems.push(format!(
                "{endpoint_name}: found a user name or a password in it, allowed is http://HOST:PORT or https://HOST"
            ));
        }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
            if self.text(name).is_some_and(|value| value.chars().any(|c| c.is_control() || !c.is_ascii())) {
                self.problems.push(format!(
                    "{name}: found a line break or another invalid character, allowed is one line of ASCII"
                ));
            }
        }
        let credentials = match (self.text("AWS_ACCESS_KEY_ID"), self.text("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key_id), Some(secret)) => Some(S3Credentials {
                access_key_id,
                secret_access_key: Secret(secret),
                session_token: self.text("AWS_SESSION_TOKEN").map(Secret),
                expiration: self.parsed("AWS_CREDENTIAL_EXPIRATION", "a time such as 2026-11-25T12:00:00Z"),
            }),
            (Some(_), None) => {
                self.missing(
                    "AWS_SECRET_ACCESS_KEY",
                    "the secret that belongs to AWS_ACCESS_KEY_ID, or neither of them",
                );
                None
            }
            (None, Some(_)) => {
                self.missing("AWS_ACCESS_KEY_ID", "the id that belongs to AWS_SECRET_ACCESS_KEY, or neither of them");
                None
            }
            (None, None) => None,
        };
        Some(S3Config { bucket: bucket?, region, endpoint, credentials })
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..")
        && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names() {
        for good in ["primetrade-documents", "a1b", "x.y.z"] {
            assert!(is_bucket_name(good), "{good}");
        }
        for bad in ["ab", "-abc", "abc-", "a..b", "192.168.1.1", "Abc", "a_b", &"a".repeat(64)] {
            assert!(!is_bucket_name(bad), "{bad}");
        }
    }
}
