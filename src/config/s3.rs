//! The bucket: `AWS_STORAGE_BUCKET_NAME`, `AWS_S3_REGION_NAME`, `AWS_ENDPOINT_URL_S3` and the credentials. For buckets of
//! the witness, `WITNESS_AWS_…` takes their place.

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
    pub credentials: Option<Box<S3Credentials>>,
    /// A profile of the files `~/.aws/config` and `~/.aws/credentials`, instead of the default one.
    pub profile: Option<String>,
    /// The endpoint is the one above or AWS, whatever the process environment and the profile say.
    pub is_apart: bool,
}

#[derive(Clone, Debug)]
pub struct S3Credentials {
    pub access_key_id: String,
    pub secret_access_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
    /// The expiry of temporary credentials, if known.
    pub expiration: Option<DateTime<Utc>>,
}

/// The variables that say how a bucket is reached.
struct Names {
    region: &'static str,
    endpoint: &'static str,
    access_key_id: &'static str,
    secret_access_key: &'static str,
    session_token: Option<&'static str>,
    expiration: Option<&'static str>,
    profile: Option<&'static str>,
}

const WITNESS: Names = Names {
    region: "WITNESS_AWS_REGION",
    endpoint: "WITNESS_AWS_ENDPOINT_URL",
    access_key_id: "WITNESS_AWS_ACCESS_KEY_ID",
    secret_access_key: "WITNESS_AWS_SECRET_ACCESS_KEY",
    session_token: None,
    expiration: None,
    profile: Some("WITNESS_AWS_PROFILE"),
};

impl Reader<'_> {
    /// Returns the bucket, and how buckets of the witness are reached. Checks the variables even when `USE_S3` is off, to
    /// report a mistake before it is turned on.
    pub(super) fn s3(&mut self, needed: bool) -> (Option<S3Config>, S3Config) {
        const BUCKET: &str = "3 to 63 of a-z 0-9 . - , starting and ending with a letter or digit";
        let bucket = self.text("AWS_STORAGE_BUCKET_NAME");
        match &bucket {
            None if needed => self.missing("AWS_STORAGE_BUCKET_NAME", "the name of the bucket, since USE_S3 is True"),
            Some(name) if !is_bucket_name(name) => self.problem("AWS_STORAGE_BUCKET_NAME", name, BUCKET),
            _ => {}
        }
        let endpoint =
            if self.text("AWS_ENDPOINT_URL_S3").is_some() { "AWS_ENDPOINT_URL_S3" } else { "AWS_ENDPOINT_URL" };
        let own = self.access(&Names {
            region: "AWS_S3_REGION_NAME",
            endpoint,
            access_key_id: "AWS_ACCESS_KEY_ID",
            secret_access_key: "AWS_SECRET_ACCESS_KEY",
            session_token: Some("AWS_SESSION_TOKEN"),
            expiration: Some("AWS_CREDENTIAL_EXPIRATION"),
            profile: None,
        });
        let Names { region, endpoint, access_key_id, secret_access_key, profile, .. } = WITNESS;
        let of_witness = [Some(region), Some(endpoint), Some(access_key_id), Some(secret_access_key), profile];
        let is_apart = of_witness.into_iter().flatten().any(|name| self.text(name).is_some());
        let witness = if is_apart { self.access(&WITNESS) } else { own.clone() };
        (bucket.map(|bucket| S3Config { bucket, ..own }), witness)
    }

    /// Reads how a bucket is reached. The name of the bucket is left empty.
    fn access(&mut self, names: &Names) -> S3Config {
        let region = self.text(names.region).unwrap_or_else(|| "us-east-2".into());
        if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            self.problem(names.region, &region, "a region such as us-east-2");
        }
        let endpoint = self.endpoint(names.endpoint);
        for name in
            [Some(names.access_key_id), Some(names.secret_access_key), names.session_token].into_iter().flatten()
        {
            if self.text(name).is_some_and(|value| value.chars().any(|c| c.is_control() || !c.is_ascii())) {
                self.problems.push(format!(
                    "{name}: found a line break or another invalid character, allowed is one line of ASCII"
                ));
            }
        }
        let credentials = self.credentials(names);
        let profile = names.profile.and_then(|name| self.text(name));
        S3Config { bucket: String::new(), region, endpoint, credentials, profile, is_apart: names.profile.is_some() }
    }

    fn endpoint(&mut self, name: &str) -> Option<Url> {
        let endpoint: Option<Url> = self.parsed(name, "http://HOST:PORT or https://HOST");
        if let Some(url) = endpoint.as_ref().filter(|url| !matches!(url.scheme(), "http" | "https")) {
            self.problem(name, url.as_str(), "http://HOST:PORT or https://HOST");
        }
        if endpoint.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
            self.problems.push(format!(
                "{name}: found a user name or a password in it, allowed is http://HOST:PORT or https://HOST"
            ));
        }
        endpoint
    }

    fn credentials(&mut self, names: &Names) -> Option<Box<S3Credentials>> {
        let (id, secret) = (names.access_key_id, names.secret_access_key);
        match (self.text(id), self.text(secret)) {
            (Some(access_key_id), Some(secret)) => Some(Box::new(S3Credentials {
                access_key_id,
                secret_access_key: Secret(secret),
                session_token: names.session_token.and_then(|name| self.text(name)).map(Secret),
                expiration: names.expiration.and_then(|name| self.parsed(name, "a time such as 2026-11-25T12:00:00Z")),
            })),
            (Some(_), None) => {
                self.missing(secret, &format!("the secret that belongs to {id}, or neither of them"));
                None
            }
            (None, Some(_)) => {
                self.missing(id, &format!("the id that belongs to {secret}, or neither of them"));
                None
            }
            (None, None) => None,
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub(super) fn is_bucket_name(name: &str) -> bool {
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
