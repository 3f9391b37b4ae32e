//! The settings of the bucket: reads them, compares them with the desired ones, and applies those.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    LifecycleRule, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    VersioningConfiguration,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::archive::{OLD_BOLS, OLD_VERSIONS, is_same};
use super::desired::{DesiredSettings, lock_text};
use super::error::{failure, unbuildable};
use super::genuine::require_listing;
use super::{S3Store, policy};
use crate::storage::{Cause, StorageError, StorageFailure};

/// A setting of a bucket, in the order of setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Exists,
    PublicAccess,
    Ownership,
    Versioning,
    Encryption,
    Policy,
    Lifecycle,
    /// Only with [`DesiredSettings::lock_years`].
    ObjectLock,
}

impl Setting {
    pub const ALL: [Self; 8] = [
        Self::Exists,
        Self::PublicAccess,
        Self::Ownership,
        Self::Versioning,
        Self::Encryption,
        Self::Policy,
        Self::Lifecycle,
        Self::ObjectLock,
    ];

    /// Returns what an operator does about a server that doesn't have this setting.
    pub fn without(self) -> &'static str {
        match self {
            Self::Exists => "use a server that lists its objects",
            Self::PublicAccess => {
                "this server can't block public access as a whole: make sure that \"without a link\" above is ok, and \
                 don't make the bucket public in its console"
            }
            Self::Ownership => {
                "this server has no ownership of objects: keep the bucket's and the objects' ACLs private"
            }
            Self::Versioning => {
                "this server keeps no old versions: copy the bucket to a second place every day, because nothing else \
                 brings back an object that was deleted by hand"
            }
            Self::Encryption => "this server doesn't tell whether it encrypts: encrypt its disks",
            Self::Policy => {
                "this server has no bucket policies: links still expire by themselves; keep DOWNLOAD_URL_TTL_SECONDS \
                 short, and offer the server by https only"
            }
            Self::Lifecycle => "this server has no lifecycle rules: leave out --archive-after; nothing else needs them",
            Self::ObjectLock => {
                "this bucket or server can't lock objects: send the checkpoints to a witness instead (primetrade audit \
                 witness). Where Object Lock is possible for new buckets only, see \"Lock the checkpoints\" in docs/deploy.md"
            }
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Exists => "bucket",
            Self::PublicAccess => "public access",
            Self::Ownership => "ACLs",
            Self::Versioning => "versioning",
            Self::Encryption => "encryption",
            Self::Policy => "bucket policy",
            Self::Lifecycle => "lifecycle",
            Self::ObjectLock => "object lock",
        }
    }
}

/// The current and the desired value of a setting.
#[derive(Clone, Debug)]
pub struct State {
    pub is_right: bool,
    pub found: String,
    /// The desired value.
    pub wanted: String,
}

impl State {
    pub(super) fn new(is_right: bool, found: impl fmt::Display, wanted: impl fmt::Display) -> Self {
        Self { is_right, found: found.to_string(), wanted: wanted.to_string() }
    }
}

/// The credentials in use, without the secret.
pub struct Identity {
    pub access_key_id: String,
    pub is_temporary: bool,
    pub expires: Option<DateTime<Utc>>,
}

impl S3Store {
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub async fn identity(&self) -> Result<Identity, StorageFailure> {
        let Some(renewed) = &self.credentials else {
            return Err(StorageFailure { cause: Cause::NoCredentials, detail: String::new() });
        };
        let found = renewed.get().await?;
        if found.expiry().is_some_and(|end| end <= SystemTime::now()) {
            return Err(StorageFailure { cause: Cause::ExpiredCredentials, detail: String::new() });
        }
        Ok(Identity {
            access_key_id: found.access_key_id().into(),
            is_temporary: found.session_token().is_some(),
            expires: found.expiry().map(|end: SystemTime| end.into()),
        })
    }

    /// Checks that the bucket exists and may be listed. Uses GET, because responses to HEAD give no reason.
    pub async fn can_list(&self) -> Result<(), StorageFailure> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).max_keys(1);
        require_listing(&list.send().await.map_err(|error| failure(&error))?)
    }

    /// Returns the region of the bucket, or `None` if the store doesn't say.
    pub async fn found_region(&self) -> Result<Option<String>, StorageFailure> {
        let head = self.client.head_bucket().bucket(&self.bucket).send().await.map_err(|error| failure(&error))?;
        Ok(head.bucket_region().map(Into::into))
    }

    /// Returns the age above which the bucket policy denies links, if it has such a rule.
    pub async fn refuses_links_after(&self) -> Result<Option<Duration>, StorageFailure> {
        let age = self.present_policy().await?.as_ref().and_then(policy::link_age);
        Ok(age.map(Duration::from_millis))
    }

    /// Returns the unsigned URL of an object. A private bucket denies access to it.
    pub fn unsigned(&self, key: &str) -> Result<url::Url, StorageError> {
        url::Url::parse(&format!("{}{key}", self.link_place())).map_err(StorageError::unavailable)
    }

    pub async fn state(&self, setting: Setting, wanted: &DesiredSettings) -> Result<State, StorageFailure> {
        match setting {
            Setting::Exists => match self.can_list().await {
                Ok(()) => Ok(State::new(true, "exists", "")),
                Err(failure) if failure.cause == Cause::NoSuchBucket => {
                    Ok(State::new(false, "not there", format!("created in {}", self.region)))
                }
                Err(failure) => Err(failure),
            },
            Setting::PublicAccess => self.public_access().await,
            Setting::Ownership => self.ownership().await,
            Setting::Versioning => {
                let get = self.client.get_bucket_versioning().bucket(&self.bucket);
                let found = get.send().await.map_err(|error| failure(&error))?;
                let status = found.status().map_or("off", |status| status.as_str());
                Ok(State::new(status == "Enabled", status, "Enabled"))
            }
            Setting::Encryption => self.encryption().await,
            Setting::Policy => self.policy(wanted).await,
            Setting::Lifecycle => self.lifecycle(wanted).await,
            Setting::ObjectLock => self.object_lock(wanted).await,
        }
    }

    /// Returns the setting of a bucket that doesn't exist yet.
    pub fn state_of_new(&self, setting: Setting, wanted: &DesiredSettings) -> State {
        let text = match setting {
            Setting::Exists => format!("created in {}", self.region),
            Setting::PublicAccess => "all four blocks on".into(),
            Setting::Ownership => "off (the bucket's owner owns every object)".into(),
            Setting::Versioning => "Enabled".into(),
            Setting::Encryption => "AES256 (SSE-S3)".into(),
            Setting::Policy => policy_text(wanted),
            Setting::Lifecycle => match &wanted.archive {
                Some(archive) => archive.text(),
                None => return State::new(true, "no rules", ""),
            },
            Setting::ObjectLock => match wanted.lock_years {
                Some(years) => lock_text(years),
                None => return State::new(true, "off", ""),
            },
        };
        State::new(false, "not there", text)
    }

    async fn public_access(&self) -> Result<State, StorageFailure> {
        let get = self.client.get_public_access_block().bucket(&self.bucket).send().await;
        let found = unless(get, "NoSuchPublicAccessBlockConfiguration")?
            .and_then(|found| found.public_access_block_configuration);
        let on = found.map_or(0, |block| {
            [
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets,
            ]
            .iter()
            .filter(|on| **on == Some(true))
            .count()
        });
        Ok(State::new(on == 4, format!("{on} of four blocks on"), "all four blocks on"))
    }

    async fn ownership(&self) -> Result<State, StorageFailure> {
        let get = self.client.get_bucket_ownership_controls().bucket(&self.bucket).send().await;
        let found = unless(get, "OwnershipControlsNotFoundError")?.and_then(|found| found.ownership_controls);
        let ownership = found.and_then(|controls| controls.rules.into_iter().next()).map(|rule| rule.object_ownership);
        let is_off = ownership == Some(ObjectOwnership::BucketOwnerEnforced);
        let found = if is_off { "off (the bucket's owner owns every object)" } else { "on" };
        Ok(State::new(is_off, found, "off (the bucket's owner owns every object)"))
    }

    async fn encryption(&self) -> Result<State, StorageFailure> {
        let get = self.client.get_bucket_encryption().bucket(&self.bucket).send().await;
        let found = unless(get, "ServerSideEncryptionConfigurationNotFoundError")?;
        let rules = found.and_then(|found| found.server_side_encryption_configuration).map(|found| found.rules);
        let by_default = rules.and_then(|rules| rules.into_iter().next()?.apply_server_side_encryption_by_default);
        match by_default.map(|by_default| by_default.sse_algorithm) {
            // Keeps a key of the operator's own, which is stricter.
            Some(algorithm) => Ok(State::new(true, algorithm.as_str(), "")),
            None => Ok(State::new(false, "off", "AES256 (SSE-S3)")),
        }
    }

    async fn present_policy(&self) -> Result<Option<Value>, StorageFailure> {
        let get = self.client.get_bucket_policy().bucket(&self.bucket).send().await;
        let text = unless(get, "NoSuchBucketPolicy")?.and_then(|found| found.policy);
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| StorageFailure {
            cause: Cause::Other,
            detail: format!("the bucket policy isn't JSON: {error}"),
        })
    }

    async fn policy(&self, wanted: &DesiredSettings) -> Result<State, StorageFailure> {
        let present = self.present_policy().await?;
        let is_right = present.as_ref().is_some_and(|present| policy::has_ours(&self.bucket, wanted, present));
        let found = match &present {
            Some(_) if is_right => policy_text(wanted),
            Some(present) => match policy::link_age(present) {
                Some(age) => format!("links expire after {} s", age / 1000),
                None => "a different policy".into(),
            },
            None => "none".into(),
        };
        Ok(State::new(is_right, found, policy_text(wanted)))
    }

    async fn present_rules(&self) -> Result<Vec<LifecycleRule>, StorageFailure> {
        let get = self.client.get_bucket_lifecycle_configuration().bucket(&self.bucket).send().await;
        Ok(unless(get, "NoSuchLifecycleConfiguration")?.and_then(|found| found.rules).unwrap_or_default())
    }

    async fn lifecycle(&self, wanted: &DesiredSettings) -> Result<State, StorageFailure> {
        let present = self.present_rules().await?;
        let found = match present.len() {
            0 => "no rules".to_owned(),
            1 => "one rule".to_owned(),
            many => format!("{many} rules"),
        };
        let Some(archive) = &wanted.archive else { return Ok(State::new(true, found, "")) };
        let is_right = archive.rules()?.iter().all(|rule| present.iter().any(|other| is_same(rule, other)));
        Ok(State::new(is_right, if is_right { archive.text() } else { found }, archive.text()))
    }

    pub async fn apply(&self, setting: Setting, wanted: &DesiredSettings) -> Result<(), StorageFailure> {
        match setting {
            Setting::Exists => self.create(wanted).await,
            Setting::PublicAccess => self.block_public_access().await,
            Setting::Ownership => self.disable_acls().await,
            Setting::Versioning => self.enable_versioning().await,
            Setting::Encryption => self.encrypt_by_default().await,
            Setting::Policy => self.put_policy(wanted).await,
            Setting::Lifecycle => self.put_lifecycle(wanted).await,
            Setting::ObjectLock => match wanted.lock_years {
                Some(years) => self.lock_checkpoints(years).await,
                None => Ok(()),
            },
        }
    }

    async fn block_public_access(&self) -> Result<(), StorageFailure> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let put = self.client.put_public_access_block().bucket(&self.bucket);
        done(put.public_access_block_configuration(block).send().await)
    }

    async fn disable_acls(&self) -> Result<(), StorageFailure> {
        let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced);
        let rule = rule.build().map_err(unbuildable)?;
        let controls = OwnershipControls::builder().rules(rule).build().map_err(unbuildable)?;
        let put = self.client.put_bucket_ownership_controls().bucket(&self.bucket);
        done(put.ownership_controls(controls).send().await)
    }

    async fn enable_versioning(&self) -> Result<(), StorageFailure> {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        done(self.client.put_bucket_versioning().bucket(&self.bucket).versioning_configuration(on).send().await)
    }

    async fn encrypt_by_default(&self) -> Result<(), StorageFailure> {
        let by_default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
        let by_default = by_default.build().map_err(unbuildable)?;
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default).build();
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(unbuildable)?;
        let put = self.client.put_bucket_encryption().bucket(&self.bucket);
        done(put.server_side_encryption_configuration(rules).send().await)
    }

    async fn put_policy(&self, wanted: &DesiredSettings) -> Result<(), StorageFailure> {
        let present = self.present_policy().await?;
        let policy = policy::of_bucket(&self.bucket, wanted, present.as_ref()).to_string();
        done(self.client.put_bucket_policy().bucket(&self.bucket).policy(policy).send().await)
    }

    /// Replaces the portal's own rules, and keeps every other one.
    async fn put_lifecycle(&self, wanted: &DesiredSettings) -> Result<(), StorageFailure> {
        let Some(archive) = &wanted.archive else { return Ok(()) };
        let mut rules = self.present_rules().await?;
        rules.retain(|rule| ![Some(OLD_BOLS), Some(OLD_VERSIONS)].contains(&rule.id()));
        rules.extend(archive.rules()?);
        let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().map_err(unbuildable)?;
        let put = self.client.put_bucket_lifecycle_configuration().bucket(&self.bucket);
        done(put.lifecycle_configuration(rules).send().await)
    }

    /// Some servers offer Object Lock only to a bucket that is created with it.
    async fn create(&self, wanted: &DesiredSettings) -> Result<(), StorageFailure> {
        let create =
            self.client.create_bucket().bucket(&self.bucket).object_ownership(ObjectOwnership::BucketOwnerEnforced);
        let create = create.set_object_lock_enabled_for_bucket(wanted.lock_years.map(|_| true));
        // S3 expects no location constraint for us-east-1.
        let create = if self.region == "us-east-1" {
            create
        } else {
            let place = BucketLocationConstraint::from(self.region.as_str());
            create.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build())
        };
        done(create.send().await)
    }
}

fn policy_text(wanted: &DesiredSettings) -> String {
    let links = format!("links expire after {} s", wanted.link_life.as_secs());
    if wanted.https_only { format!("https only, and {links}") } else { links }
}

/// Returns `None` when the store responds that there is no such configuration.
pub(super) fn unless<T, E>(
    answer: Result<T, SdkError<E, HttpResponse>>,
    none: &str,
) -> Result<Option<T>, StorageFailure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Some(none) => Ok(None),
        Err(error) => Err(failure(&error)),
    }
}

pub(super) fn done<T, E>(answer: Result<T, SdkError<E, HttpResponse>>) -> Result<(), StorageFailure>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    answer.map(drop).map_err(|error| failure(&error))
}
