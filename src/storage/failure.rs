//! The causes of failed requests to the store, with advice for operators.

use std::fmt;

/// The cause of a failure, recognized from real responses of S3 and its emulators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The credentials are valid, but lack the permission.
    AccessDenied,
    NoSuchBucket,
    /// Another account owns a bucket of this name.
    BucketTaken,
    WrongRegion,
    NoCredentials,
    UnknownKey,
    WrongSecret,
    ExpiredCredentials,
    /// The link has expired, or a slow clock of this machine signed it with a past time.
    ExpiredLink,
    /// The clocks of this machine and the store differ by more than 15 minutes.
    Clock,
    Busy,
    Unreachable,
    /// An Object Lock prevents deletion.
    Locked,
    /// The storage class needs a restore before the object can be read.
    Archived,
    /// The server doesn't support this request.
    NotOffered,
    /// The address belongs to something other than an S3 server.
    NotS3,
    Other,
}

impl Cause {
    pub fn what(self) -> &'static str {
        match self {
            Self::AccessDenied => "access denied",
            Self::NoSuchBucket => "the bucket doesn't exist",
            Self::BucketTaken => "the bucket name is taken",
            Self::WrongRegion => "the bucket is in another region",
            Self::NoCredentials => "no credentials",
            Self::UnknownKey => "the access key is unknown",
            Self::WrongSecret => "the secret doesn't belong to the access key",
            Self::ExpiredCredentials => "the temporary credentials have expired",
            Self::ExpiredLink => "the link has expired",
            Self::Clock => "the clocks differ too much",
            Self::Busy => "the store is busy",
            Self::Unreachable => "the store doesn't answer",
            Self::Locked => "an Object Lock prevents deletion",
            Self::Archived => "the object is archived",
            Self::NotOffered => "the server doesn't support this",
            Self::NotS3 => "the server is not an S3 server",
            Self::Other => "the storage can't be used",
        }
    }

    /// Returns what an operator can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::AccessDenied => {
                "compare the IAM policy with the output of `primetrade storage policy`: its actions, and its bucket name with \
                 AWS_STORAGE_BUCKET_NAME"
            }
            Self::NoSuchBucket => {
                "check AWS_STORAGE_BUCKET_NAME and AWS_S3_REGION_NAME for typos, or create the bucket: primetrade storage setup"
            }
            Self::BucketTaken => "bucket names are unique worldwide: choose another AWS_STORAGE_BUCKET_NAME",
            Self::WrongRegion => "set AWS_S3_REGION_NAME to the region that the bucket was created in",
            Self::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to non-empty values, or run with an instance role or AWS_PROFILE"
            }
            Self::UnknownKey => {
                "check AWS_ACCESS_KEY_ID; if the key was deleted or deactivated, create a new one in IAM"
            }
            Self::WrongSecret => {
                "check AWS_SECRET_ACCESS_KEY: complete, without spaces or quotes; AWS can't show it again, so replace it if in doubt"
            }
            Self::ExpiredCredentials => {
                "replace AWS_SESSION_TOKEN together with both keys, or use a role, whose credentials renew automatically"
            }
            Self::ExpiredLink => {
                "get a new link (DOWNLOAD_URL_TTL_SECONDS); if this one is new, this machine's clock is behind: synchronize it (NTP)"
            }
            Self::Clock => "synchronize this machine's clock (NTP): it dates the signatures of links and requests",
            Self::Busy => "try again in a minute; the store answers SlowDown when it receives too many requests",
            Self::Unreachable => {
                "check the network, the proxy, and AWS_ENDPOINT_URL_S3 (leave it unset for AWS itself), then try again"
            }
            Self::Locked => {
                "delete the object after its retention ends; the portal expects a bucket without a default retention"
            }
            Self::Archived => "restore it first: request its download once in the portal, and wait a few hours",
            Self::NotOffered => {
                "see \"Other S3 servers\" in docs/deploy.md; on AWS itself, check AWS_ENDPOINT_URL_S3 (leave it unset)"
            }
            Self::NotS3 => {
                "check for a proxy, captive portal or gateway in between, and check AWS_ENDPOINT_URL_S3 (leave it unset for AWS)"
            }
            Self::Other => "see the store's own message above",
        }
    }

    /// Returns whether the same request may succeed in a moment.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Busy | Self::Unreachable | Self::NotS3 | Self::Other)
    }

    /// Recognizes the cause from the S3 error code, where there is one, and the status.
    pub fn of(code: Option<&str>, message: &str, status: Option<u16>) -> Self {
        match (code.unwrap_or_default(), status) {
            ("InvalidAccessKeyId" | "UnrecognizedClientException" | "InvalidClientTokenId", _) => Self::UnknownKey,
            ("SignatureDoesNotMatch", _) => Self::WrongSecret,
            ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken", _) => {
                Self::ExpiredCredentials
            }
            ("RequestTimeTooSkewed" | "RequestInTheFuture" | "RequestExpired", _) => Self::Clock,
            ("NoSuchBucket", _) => Self::NoSuchBucket,
            ("BucketAlreadyExists", _) => Self::BucketTaken,
            // One code covers three mistakes.
            ("AuthorizationHeaderMalformed", _) if message.contains("non-empty Access Key") => Self::NoCredentials,
            ("AuthorizationHeaderMalformed", _) if !message.contains("region") => Self::UnknownKey,
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
            | (_, Some(301 | 307)) => Self::WrongRegion,
            ("InvalidObjectState", _) => Self::Archived,
            ("NotImplemented" | "MethodNotAllowed" | "UnknownOperation", _) | (_, Some(405 | 501)) => Self::NotOffered,
            ("SlowDown" | "ServiceUnavailable" | "TooManyRequests" | "RequestLimitExceeded", _)
            | (_, Some(429 | 503)) => Self::Busy,
            ("AccessDenied" | "AllAccessDisabled" | "Forbidden", _) | ("", Some(403)) => {
                // One code covers requests from the future and from the past.
                if message.contains("not yet valid") || message.contains("not valid yet") {
                    Self::Clock
                } else if message.contains("object lock") {
                    Self::Locked
                } else if message.contains("expired") {
                    Self::ExpiredLink
                } else {
                    Self::AccessDenied
                }
            }
            ("", Some(200..=299 | 302..=399 | 407 | 502 | 504)) => Self::NotS3,
            _ => Self::Other,
        }
    }
}

/// A failed request to the store, for the log and for operators. Contains no secret.
#[derive(Clone, Debug)]
pub struct StorageFailure {
    pub cause: Cause,
    pub detail: String,
}

impl fmt::Display for StorageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(self.cause.what())
        } else {
            write!(f, "{}: {}", self.cause.what(), self.detail)
        }
    }
}

impl std::error::Error for StorageFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_recognized_by_code_and_by_status() {
        for (code, message, status, expected) in [
            (Some("AccessDenied"), "Access Denied", 403, Cause::AccessDenied),
            (Some("AccessDenied"), "Request is not yet valid", 403, Cause::Clock),
            (Some("AccessDenied"), "Request has expired", 403, Cause::ExpiredLink),
            (Some("AccessDenied"), "Access Denied because object protected by object lock.", 403, Cause::Locked),
            (
                Some("AuthorizationHeaderMalformed"),
                "The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.",
                400,
                Cause::NoCredentials,
            ),
            (
                Some("AuthorizationHeaderMalformed"),
                "The authorization header is malformed; the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/…\".",
                400,
                Cause::UnknownKey,
            ),
            (None, "", 403, Cause::AccessDenied),
            (Some("NoSuchBucket"), "", 404, Cause::NoSuchBucket),
            (Some("AuthorizationHeaderMalformed"), "the region 'us-east-1' is wrong", 400, Cause::WrongRegion),
            (None, "", 301, Cause::WrongRegion),
            (Some("InvalidAccessKeyId"), "", 403, Cause::UnknownKey),
            (Some("SignatureDoesNotMatch"), "", 403, Cause::WrongSecret),
            (Some("ExpiredToken"), "", 400, Cause::ExpiredCredentials),
            (Some("RequestTimeTooSkewed"), "", 403, Cause::Clock),
            (Some("SlowDown"), "", 503, Cause::Busy),
            (Some("InvalidObjectState"), "", 403, Cause::Archived),
            (Some("NotImplemented"), "", 501, Cause::NotOffered),
            (Some("InternalError"), "", 500, Cause::Other),
            (None, "", 200, Cause::NotS3),
            (None, "", 407, Cause::NotS3),
            (Some("RequestExpired"), "", 403, Cause::Clock),
        ] {
            assert_eq!(Cause::of(code, message, Some(status)), expected, "{code:?} {status}");
        }
    }
}
