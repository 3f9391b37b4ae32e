//! The names of places, such as `s3://BUCKET/PREFIX`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::{Host, Url};

use crate::storage::ObjectKey;

/// Where a witness keeps checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder with a file for each checkpoint, or one file of checkpoints.
    Path(PathBuf),
    /// Objects below a prefix, which doesn't end with a slash.
    Bucket { bucket: String, prefix: String },
    /// An address that takes checkpoints by POST.
    Web(Url),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use a folder such as /var/witness/checkpoints, s3://BUCKET/PREFIX, or an https address without a user name and a \
     password (http only on this machine)"
)]
pub struct InvalidPlace;

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.trim().is_empty() { Err(InvalidPlace) } else { Ok(Self::Path(text.into())) };
        };
        match scheme {
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                let is_key = prefix.is_empty() || prefix.parse::<ObjectKey>().is_ok();
                if bucket.is_empty() || !is_key {
                    return Err(InvalidPlace);
                }
                Ok(Self::Bucket { bucket: bucket.into(), prefix: prefix.into() })
            }
            "file" => {
                let url = Url::parse(text).map_err(|_| InvalidPlace)?;
                url.to_file_path().map(Self::Path).map_err(|()| InvalidPlace)
            }
            "https" | "http" => {
                let url = Url::parse(text).map_err(|_| InvalidPlace)?;
                let is_private = url.scheme() == "https" || is_loopback(&url);
                let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
                if is_private && is_plain { Ok(Self::Web(url)) } else { Err(InvalidPlace) }
            }
            _ => Err(InvalidPlace),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Leaves out the path and query of an address, which may hold a secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Web(url) => write!(f, "{}", url.origin().ascii_serialization()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_buckets_and_private_addresses() {
        let shown = |text: &str| text.parse::<Place>().map(|place| place.to_string());
        for (text, expected) in [
            ("/var/witness", "/var/witness"),
            ("witness/here", "witness/here"),
            ("file:///var/witness%20two", "/var/witness two"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            ("https://witness.example/add?token=secret", "https://witness.example"),
            ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000"),
            ("http://localhost/x", "http://localhost"),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            " ",
            "s3://",
            "s3:///prefix",
            "s3://bucket/../x",
            "http://witness.example/x",
            "http://localhost.example/x",
            "https://user:password@witness.example/",
            "https://witness.example/#x",
            "ftp://witness.example/",
            "file://elsewhere/x",
        ] {
            assert_eq!(shown(bad), Err(InvalidPlace), "{bad}");
        }
    }
}
