//! The settings that a bucket should have.

use std::time::Duration;

use super::archive::Archive;

/// The key of the object that says for how long checkpoints are locked.
pub const LOCK_SETTING: &str = "audit/lock-checkpoints.json";

/// What `storage setup` puts in place and `storage check` compares with.
#[derive(Clone, Debug)]
pub struct DesiredSettings {
    /// The bucket policy denies links that are older.
    pub link_life: Duration,
    /// `None`: existing lifecycle rules stay, and none are added.
    pub archive: Option<Archive>,
    /// The bucket policy denies plain HTTP. Off for S3-compatible servers without TLS.
    pub https_only: bool,
    /// Years for which each new checkpoint is locked. `None`: the bucket's Object Lock stays as it is.
    pub lock_years: Option<u16>,
}

/// Says for how long checkpoints are locked.
pub fn lock_text(years: u16) -> String {
    let years = if years == 1 { "1 year".to_owned() } else { format!("{years} years") };
    format!("each checkpoint is locked for {years} (compliance mode)")
}
