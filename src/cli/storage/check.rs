//! `primetrade storage check`: tries everything that downloads and uploads need, and prints a line for each.

mod links;
mod lock;

use std::io::{Read, Seek};

use chrono::DateTime;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cli::Failure;
use crate::cli::findings::{Findings, Verdict};
use crate::clock::Clock;
use crate::config::{Config, S3Config, SecretKey, StorageConfig};
use crate::storage::s3::bucket::Setting;
use crate::storage::s3::desired::DesiredSettings;
use crate::storage::{CHECKS, Cause, LocalStore, ObjectKey, S3Store, Storage, StorageError, StorageFailure};

/// The tolerated clock difference, in seconds. Beyond it links may fail. S3 rejects every request above 15 minutes.
const TOLERATED_SKEW: i64 = 60;
const MAX_CLOCK_SKEW: i64 = 15 * 60;

pub async fn run(config: &Config, json: bool) -> Result<(), Failure> {
    // Fails only if a provider was installed before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut findings = Findings::new(json);
    match &config.s3 {
        Some(s3) => bucket(config, s3, &mut findings).await,
        None => folder(config, &mut findings).await,
    }
    findings.finish()
}

async fn bucket(config: &Config, s3: &S3Config, findings: &mut Findings) {
    let endpoint = s3.endpoint.as_ref().map_or("AWS".to_owned(), ToString::to_string);
    let variables = format!("bucket {}, region {}, server {endpoint}", s3.bucket, s3.region);
    match config.storage {
        StorageConfig::S3(_) => findings.ok("variables", format!("USE_S3=True, {variables}")),
        StorageConfig::Local { .. } => findings.say(
            "variables",
            Verdict::Warn,
            format!("USE_S3=False, {variables}"),
            "the bucket is checked, but documents go to MEDIA_ROOT until USE_S3=True",
        ),
    }
    let store = S3Store::new(s3).await;
    if !credentials(&store, findings).await || !reachable(&store, s3, findings).await {
        for check in ["put", "get", "link", "delete", "settings"] {
            findings.say(check, Verdict::Warn, "not checked: see FAIL above", "");
        }
        return;
    }
    let storage = Storage::from(store.clone());
    objects(&storage, Some(&store), findings).await;
    settings(config, &store, findings).await;
}

async fn credentials(store: &S3Store, findings: &mut Findings) -> bool {
    match store.identity().await {
        Ok(identity) => {
            // The id isn't secret. Its first and last characters reveal a typo.
            let id: Vec<char> = identity.access_key_id.chars().collect();
            let shown: String = match id.len() {
                0..=8 => "a short id".into(),
                long => id[..4].iter().chain(&['…']).chain(&id[long - 4..]).collect(),
            };
            let kind = match (identity.is_temporary, identity.expires) {
                (_, Some(end)) => format!("temporary, until {}", end.format("%Y-%m-%d %H:%M UTC")),
                (true, None) => "temporary, with an unknown expiry".into(),
                (false, None) => "permanent".into(),
            };
            match (identity.is_temporary, identity.expires) {
                (true, None) => findings.say(
                    "credentials",
                    Verdict::Warn,
                    format!("{shown}, {kind}"),
                    "set AWS_CREDENTIAL_EXPIRATION: links must expire before the credentials do",
                ),
                _ => findings.ok("credentials", format!("{shown}, {kind}")),
            }
            true
        }
        Err(failure) => {
            findings.failure("credentials", &failure);
            false
        }
    }
}

/// Checks the bucket, the region and the clock.
async fn reachable(store: &S3Store, s3: &S3Config, findings: &mut Findings) -> bool {
    let listed = store.can_list().await;
    match &listed {
        Ok(()) => findings.ok("bucket", format!("{} can be listed", store.bucket())),
        Err(failure) => findings.failure("bucket", failure),
    }
    let is_listed = listed.is_ok();
    match store.found_region().await {
        Ok(Some(region)) if region != store.region() && s3.endpoint.is_none() => {
            let failure = StorageFailure {
                cause: Cause::WrongRegion,
                detail: format!("the bucket is in {region}, not in {}", store.region()),
            };
            findings.failure("region", &failure);
        }
        Ok(Some(region)) => findings.ok("region", region),
        Ok(None) => findings.ok("region", format!("{} (the server doesn't say)", store.region())),
        // Reported above.
        Err(_) if !is_listed => {}
        Err(failure) => findings.failure("region", &failure),
    }
    clock(store, findings).await;
    is_listed
}

/// Compares the clocks: this machine dates links, and the store checks them against its own clock.
async fn clock(store: &S3Store, findings: &mut Findings) {
    let date = match store.unsigned("") {
        Ok(url) => links::get(&url).await.ok().and_then(|answer| answer.date),
        Err(_) => None,
    };
    let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(&date).ok()) else {
        return findings.say("clock", Verdict::Warn, "the server doesn't report its time", "");
    };
    let skew = (Clock::system().now() - date.to_utc()).num_seconds();
    let found = format!("{} s {} the server's", skew.abs(), if skew < 0 { "behind" } else { "ahead of" });
    match skew.abs() {
        0..=2 => findings.ok("clock", "the same as the server's"),
        3..=TOLERATED_SKEW => findings.ok("clock", found),
        _ if skew.abs() <= MAX_CLOCK_SKEW => findings.say("clock", Verdict::Warn, found, Cause::Clock.advice()),
        _ => findings.say("clock", Verdict::Fail, found, Cause::Clock.advice()),
    }
}

/// Puts an object, puts it again, reads it, links to it and removes it.
async fn objects(storage: &Storage, s3: Option<&S3Store>, findings: &mut Findings) {
    let name = format!("{CHECKS}{}.pdf", Uuid::now_v7());
    let Ok(key) = name.parse::<ObjectKey>() else { return };
    let bytes = format!("%PDF-1.7\n% A test of primetrade storage check: {key}\n").into_bytes();
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    if let Err(error) = storage.put(&key, bytes.clone(), sha256).await {
        findings.error("put", &error);
        return;
    }
    findings.ok("put", format!("{key}, with its SHA-256"));
    let other = b"other".to_vec();
    let bytes = match storage.put(&key, other.clone(), Sha256::digest(&other).into()).await {
        Err(StorageError::Exists(_)) => {
            findings.ok("put again", "rejected, as it should be: nothing is overwritten");
            bytes
        }
        Err(error) => {
            findings.error("put again", &error);
            bytes
        }
        Ok(()) => {
            findings.say(
                "put again",
                Verdict::Fail,
                "the object was overwritten",
                "the server ignores If-None-Match, so documents aren't safe there; use another server or a newer version",
            );
            other
        }
    };
    match read(storage, &key).await {
        Ok(found) if found == bytes => findings.ok("get", "the same bytes"),
        Ok(found) => findings.say("get", Verdict::Fail, format!("{} bytes that differ", found.len()), ""),
        Err(error) => findings.error("get", &error),
    }
    if let Some(store) = s3 {
        links::check(storage, store, &key, &bytes, findings).await;
    }
    match storage.remove_check(&key).await {
        Ok(()) => match storage.head(&key).await {
            Ok(None) => findings.ok("delete", "the test object is gone"),
            Ok(Some(_)) => findings.say("delete", Verdict::Fail, "the test object is still there", ""),
            Err(error) => findings.error("delete", &error),
        },
        Err(error) => findings.error("delete", &error),
    }
}

async fn read(storage: &Storage, key: &ObjectKey) -> Result<Vec<u8>, StorageError> {
    let mut file = tempfile::tempfile().map_err(StorageError::unavailable)?;
    storage.fetch(key, file.try_clone().map_err(StorageError::unavailable)?).await?;
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(StorageError::unavailable)?;
    Ok(bytes)
}

async fn settings(config: &Config, store: &S3Store, findings: &mut Findings) {
    const ADVICE: &str = "run: primetrade storage setup";
    let wanted = DesiredSettings { link_life: config.link_life, archive: None, https_only: true, lock_years: None };
    for setting in
        [Setting::Versioning, Setting::Encryption, Setting::PublicAccess, Setting::Ownership, Setting::Lifecycle]
    {
        let label = setting.label();
        match store.state(setting, &wanted).await {
            Ok(state) if state.is_right => findings.ok(label, state.found),
            // The remaining settings are recommended, not required.
            Ok(state) if setting == Setting::PublicAccess => findings.say(label, Verdict::Fail, state.found, ADVICE),
            Ok(state) => findings.say(label, Verdict::Warn, state.found, ADVICE),
            Err(failure) => unanswered(findings, setting, &failure),
        }
    }
    let label = Setting::Policy.label();
    match store.refuses_links_after().await {
        Ok(Some(end)) if end < config.link_life => findings.say(
            label,
            Verdict::Fail,
            format!(
                "the bucket rejects links after {} s, but DOWNLOAD_URL_TTL_SECONDS is {}",
                end.as_secs(),
                config.link_life.as_secs()
            ),
            ADVICE,
        ),
        Ok(_) => match store.state(Setting::Policy, &wanted).await {
            Ok(state) if state.is_right => findings.ok(label, state.found),
            Ok(state) => {
                findings.say(label, Verdict::Warn, format!("{}, instead of: {}", state.found, state.wanted), ADVICE)
            }
            Err(failure) => unanswered(findings, Setting::Policy, &failure),
        },
        Err(failure) => unanswered(findings, Setting::Policy, &failure),
    }
    lock::check(store, findings).await;
}

/// Warns that a setting can't be read. A missing permission to read it is no fault of the bucket.
fn unanswered(findings: &mut Findings, setting: Setting, failure: &StorageFailure) {
    let advice = if failure.cause == Cause::NotOffered { setting.without() } else { failure.cause.advice() };
    findings.say(setting.label(), Verdict::Warn, format!("can't be read: {failure}"), advice);
}

async fn folder(config: &Config, findings: &mut Findings) {
    let root = &config.media_root;
    findings.say(
        "variables",
        Verdict::Warn,
        format!("USE_S3=False, no AWS_STORAGE_BUCKET_NAME; documents are in {}", root.display()),
        "for production, set the bucket's variables, then run: primetrade storage setup",
    );
    // Signing links isn't needed here, so any key works.
    let store = LocalStore::new(root, &SecretKey::from_bytes(Vec::new()), String::new());
    if let Err(error) = store.prepare() {
        findings.say(
            "folder",
            Verdict::Fail,
            format!("{}: {error}", root.display()),
            "create the folder, or set MEDIA_ROOT",
        );
        return;
    }
    findings.ok("folder", format!("{} is writable", root.display()));
    objects(&store.into(), None, findings).await;
}
