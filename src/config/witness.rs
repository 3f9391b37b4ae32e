//! The second place for checkpoints: `AUDIT_WITNESS`, and how its bucket is reached.

use super::S3Config;
use super::s3::is_bucket_name;

#[derive(Clone, Debug)]
pub struct WitnessConfig {
    /// `AUDIT_WITNESS`: where `audit witness` sends checkpoints unless its argument says otherwise.
    pub place: Option<String>,
    /// Without the name of a bucket.
    pub(super) access: S3Config,
}

impl WitnessConfig {
    /// Returns how a bucket is reached, or `None` if that isn't the name of a bucket.
    pub fn bucket(&self, name: &str) -> Option<S3Config> {
        is_bucket_name(name).then(|| S3Config { bucket: name.into(), ..self.access.clone() })
    }
}
