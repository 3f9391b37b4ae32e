//! Old documents go to a cheaper class: the rules of the bucket's lifecycle.

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionTransition,
    Transition, TransitionStorageClass,
};

use super::bucket::built;
use crate::storage::StorageFailure;

pub(super) const OLD_VERSIONS: &str = "primetrade-old-versions";
pub(super) const OLD_BOLS: &str = "primetrade-old-bols";

/// Old versions, and BOLs of so many months, go to a cheaper class.
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    pub months: u16,
    pub class: Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Class {
    /// Read at once, as ever: links keep working
    GlacierIr,
    /// Read at once; a little dearer to keep, cheaper to read
    StandardIa,
    /// Has to be restored first, which takes hours
    Glacier,
    /// Has to be restored first, which takes half a day
    DeepArchive,
}

impl Class {
    fn target(self) -> TransitionStorageClass {
        match self {
            Self::GlacierIr => TransitionStorageClass::GlacierIr,
            Self::StandardIa => TransitionStorageClass::StandardIa,
            Self::Glacier => TransitionStorageClass::Glacier,
            Self::DeepArchive => TransitionStorageClass::DeepArchive,
        }
    }

    /// In bytes: what is smaller is cheaper where it is, since the class bills at least 128 KB (the first two), or 40 KB
    /// more than there is (the others). <https://aws.amazon.com/s3/pricing/>, us-east-2, 2026.
    fn worthwhile(self) -> i64 {
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
                LifecycleRuleAndOperator::builder().prefix(prefix).object_size_greater_than(self.class.worthwhile());
            LifecycleRuleFilter::builder().and(and.build()).build()
        };
        let old_bols = Transition::builder().days(days).storage_class(class.clone()).build();
        let old_versions = NoncurrentVersionTransition::builder().noncurrent_days(days).storage_class(class).build();
        let rule = |id: &str| LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled).filter(within("bols/"));
        Ok([
            rule(OLD_VERSIONS).noncurrent_version_transitions(old_versions).build().map_err(built)?,
            rule(OLD_BOLS).transitions(old_bols).build().map_err(built)?,
        ])
    }
}

/// As far as we set it: servers fill in defaults.
pub(super) fn same(ours: &LifecycleRule, found: &LifecycleRule) -> bool {
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
