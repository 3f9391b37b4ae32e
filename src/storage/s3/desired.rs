//! The settings that a bucket should have.

use std::time::Duration;

use super::archive::Archive;

/// What `storage setup` puts in place and `storage check` compares with.
#[derive(Clone, Debug)]
pub struct DesiredSettings {
    /// The bucket policy denies links that are older.
    pub link_life: Duration,
    /// `None`: existing lifecycle rules stay, and none are added.
    pub archive: Option<Archive>,
    /// The bucket policy denies plain HTTP. Off for S3-compatible servers without TLS.
    pub https_only: bool,
}
