//! Credentials that expire, renewed in time. No link outlives them ([`super::S3Store::link`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::failure::{Cause, StorageFailure};
use super::error::error_chain;

/// Roles issue new credentials some minutes before the old ones expire. Until then the old ones are the newest.
const AHEAD: Duration = Duration::from_secs(10 * 60);
/// A provider that doesn't answer counts as one without credentials.
const WITHIN: Duration = Duration::from_secs(7);
/// How long a failure is remembered before the provider is asked again.
const FAILED: Duration = Duration::from_secs(5);
/// The interval between renewals that bring nothing newer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Caches the provider's credentials until shortly before they expire.
#[derive(Clone)]
pub(super) struct Renewed {
    provider: SharedCredentialsProvider,
    /// Never held across an await: a waiting task may not be polled.
    known: Arc<Mutex<Option<CachedCredentials>>>,
    /// The last failure and its time, so that not every caller waits for the provider.
    failed: Arc<Mutex<Option<(StorageFailure, SystemTime)>>>,
    /// Only one caller asks the provider at a time.
    asking: Arc<Semaphore>,
}

struct CachedCredentials {
    credentials: Credentials,
    asked: SystemTime,
}

impl Renewed {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, known: Arc::default(), failed: Arc::default(), asking: Arc::new(Semaphore::new(1)) }
    }

    /// Returns the cached credentials, and asks the provider when they expire soon. Without newer ones, the old ones
    /// serve until they expire.
    pub(super) async fn get(&self) -> Result<Credentials, StorageFailure> {
        if let Some(known) = self.fresh(SystemTime::now()) {
            return Ok(known);
        }
        let _turn = self.asking.acquire().await;
        let now = SystemTime::now();
        // The previous caller may have renewed them.
        if let Some(known) = self.fresh(now) {
            return Ok(known);
        }
        if let Some(failure) =
            self.failed().as_ref().filter(|(_, at)| now < *at + FAILED).map(|(failure, _)| failure.clone())
        {
            return Err(failure);
        }
        let asked = timeout(WITHIN, self.provider.provide_credentials()).await;
        let asked = asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(WITHIN)));
        match asked {
            Ok(credentials) => {
                *self.known() = Some(CachedCredentials { credentials: credentials.clone(), asked: now });
                Ok(credentials)
            }
            Err(error) => {
                if let Some(known) = self.known().as_mut().filter(|old| old.works(now)) {
                    tracing::warn!(%error, "credentials could not be renewed");
                    known.asked = now;
                    return Ok(known.credentials.clone());
                }
                let failure = StorageFailure { cause: Cause::NoCredentials, detail: error_chain(&error) };
                *self.failed() = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    /// Returns the cached credentials unless they should be renewed.
    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let known = self.known();
        let known = known.as_ref().filter(|known| known.works(now))?;
        let is_fresh = known.credentials.expiry().is_none_or(|end| end > now + AHEAD);
        (is_fresh || now < known.asked + PATIENCE).then(|| known.credentials.clone())
    }

    fn failed(&self) -> MutexGuard<'_, Option<(StorageFailure, SystemTime)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Option<CachedCredentials>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CachedCredentials {
    fn works(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|end| end > now)
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewed")
    }
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::future;
        future::ProvideCredentials::new(async { self.get().await.map_err(CredentialsError::not_loaded) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Returns credentials that live for so many seconds, and counts the calls.
    #[derive(Clone, Debug)]
    struct Role {
        life: u64,
        asked: Arc<AtomicU64>,
    }

    impl ProvideCredentials for Role {
        fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let end = SystemTime::now() + Duration::from_secs(self.life);
            let credentials = Credentials::new("id", "secret", Some("token".into()), Some(end), "test");
            aws_credential_types::provider::future::ProvideCredentials::ready(Ok(credentials))
        }
    }

    async fn asked(life: u64, times: usize) -> u64 {
        let role = Role { life, asked: Arc::default() };
        let renewed = Renewed::new(SharedCredentialsProvider::new(role.clone()));
        for _ in 0..times {
            renewed.get().await.expect("credentials");
        }
        role.asked.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn they_are_asked_for_when_they_end_soon_and_not_all_the_time() {
        assert_eq!(asked(3600, 5).await, 1);
        // Ten minutes ahead; and then no more than once in half a minute.
        assert_eq!(asked(599, 5).await, 1);
        let role = Role { life: 599, asked: Arc::default() };
        let renewed = Renewed::new(SharedCredentialsProvider::new(role.clone()));
        renewed.get().await.expect("credentials");
        renewed.known().as_mut().expect("known").asked -= PATIENCE;
        renewed.get().await.expect("credentials");
        assert_eq!(role.asked.load(Ordering::SeqCst), 2);
        // Expired credentials are never returned.
        assert_eq!(asked(0, 3).await, 3);
    }
}
