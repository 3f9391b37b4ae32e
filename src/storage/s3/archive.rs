//! The lifecycle rules that move old documents to a cheaper storage class.

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionTransition,
    Transition, TransitionStorageClass,
};

use super::error::unbuildable;
use crate::storage::StorageFailure;

pub(super) const OLD_VERSIONS: &str = "primetrade-old-versions";
pub(super) const OLD_BOLS: &str = "primetrade-old-bols";

/// Moves old versions, and BOLs after some months, to a cheaper storage class.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    pub months: u16,
    pub class: ArchiveClass,
}

/// A cheaper storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveClass {
    /// Glacier Instant Retrieval. Objects can be read immediately, so links keep working.
    GlacierIr,
    /// Standard-Infrequent Access. Objects can be read immediately. Storing costs a little more, reading less.
    StandardIa,
    /// Glacier Flexible Retrieval. An object must be restored first, which takes hours.
    Glacier,
    /// Glacier Deep Archive. An object must be restored first, which takes half a day.
    DeepArchive,
}

impl ArchiveClass {
    /// Returns whether an object must be restored before it can be read.
    pub fn needs_restore(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }

    fn target(self) -> TransitionStorageClass {
        match self {
            Self::GlacierIr => TransitionStorageClass::GlacierIr,
            Self::StandardIa => TransitionStorageClass::StandardIa,
            Self::Glacier => TransitionStorageClass::Glacier,
            Self::DeepArchive => TransitionStorageClass::DeepArchive,
        }
    }

    /// Returns the size in bytes from which the class saves money.
    ///
    /// The first two bill at least 128 KB an object, the others 40 KB on top of its size.
    /// <https://aws.amazon.com/s3/pricing/>, us-east-2, 2026.
    fn min_bytes(self) -> i64 {
        match self {
            Self::GlacierIr => 24_000,
            Self::StandardIa => 72_000,
            Self::Glacier | Self::DeepArchive => 16_000,
        }
    }
}

impl Archive {
    fn days(self) -> i32 {
        i32::from(self.months) * 30
    }

    pub(super) fn text(self) -> String {
        let class = self.class.target();
        format!("old versions, and BOLs after {} months, to {}", self.months, class.as_str())
    }

    pub(super) fn rules(self) -> Result<[LifecycleRule; 2], StorageFailure> {
        let (days, class) = (self.days(), self.class.target());
        let within = |prefix: &str| {
            let and =
                LifecycleRuleAndOperator::builder().prefix(prefix).object_size_greater_than(self.class.min_bytes());
            LifecycleRuleFilter::builder().and(and.build()).build()
        };
        let old_bols = Transition::builder().days(days).storage_class(class.clone()).build();
        let old_versions = NoncurrentVersionTransition::builder().noncurrent_days(days).storage_class(class).build();
        let rule = |id: &str| LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled).filter(within("bols/"));
        Ok([
            rule(OLD_VERSIONS).noncurrent_version_transitions(old_versions).build().map_err(unbuildable)?,
            rule(OLD_BOLS).transitions(old_bols).build().map_err(unbuildable)?,
        ])
    }
}

/// Compares the parts of a rule that the program sets. Servers fill in defaults for the rest.
pub(super) fn is_same(ours: &LifecycleRule, found: &LifecycleRule) -> bool {
    let within = |rule: &LifecycleRule| {
        let and = rule.filter().and_then(LifecycleRuleFilter::and);
        (
            and.and_then(|and| and.prefix().map(str::to_owned)),
            and.and_then(LifecycleRuleAndOperator::object_size_greater_than),
        )
    };
    ours.id() == found.id()
        && within(ours) == within(found)
        && ours.status() == found.status()
        && ours.transitions() == found.transitions()
        && ours
            .noncurrent_version_transitions()
            .iter()
            .map(|t| (t.noncurrent_days(), t.storage_class()))
            .eq(found.noncurrent_version_transitions().iter().map(|t| (t.noncurrent_days(), t.storage_class())))
}
