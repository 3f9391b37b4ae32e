//! Renews credentials before they expire. No link outlives its credentials ([`super::S3Store::link`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::failure::{Cause, StorageFailure};
use super::error::error_chain;

/// How early to renew. Roles issue new credentials only some minutes before the old ones expire.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(10 * 60);
/// The timeout of the provider. Without a response, there are no credentials.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(7);
/// How long a failure is remembered before the provider is asked again.
const FAILURE_TTL: Duration = Duration::from_secs(5);
/// The interval between renewals that return nothing newer.
const RENEW_INTERVAL: Duration = Duration::from_secs(30);

/// Caches the provider's credentials until shortly before they expire.
#[derive(Clone)]
pub(super) struct Renewed {
    provider: SharedCredentialsProvider,
    /// Never held across an await: a task that waits for the lock would block its thread.
    cached: Arc<Mutex<Option<CachedCredentials>>>,
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
        Self { provider, cached: Arc::default(), failed: Arc::default(), asking: Arc::new(Semaphore::new(1)) }
    }

    /// Returns the cached credentials, and asks the provider when they expire soon. Without newer ones, the old ones
    /// serve until they expire.
    pub(super) async fn get(&self) -> Result<Credentials, StorageFailure> {
        if let Some(cached) = self.fresh(SystemTime::now()) {
            return Ok(cached);
        }
        let _turn = self.asking.acquire().await;
        let now = SystemTime::now();
        // The previous caller may have renewed them.
        if let Some(cached) = self.fresh(now) {
            return Ok(cached);
        }
        if let Some(failure) =
            self.failed().as_ref().filter(|(_, at)| now < *at + FAILURE_TTL).map(|(failure, _)| failure.clone())
        {
            return Err(failure);
        }
        let asked = timeout(PROVIDER_TIMEOUT, self.provider.provide_credentials()).await;
        let asked = asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(PROVIDER_TIMEOUT)));
        match asked {
            Ok(credentials) => {
                *self.cached() = Some(CachedCredentials { credentials: credentials.clone(), asked: now });
                Ok(credentials)
            }
            Err(error) => {
                if let Some(cached) = self.cached().as_mut().filter(|old| old.works(now)) {
                    tracing::warn!(%error, "can't renew credentials");
                    cached.asked = now;
                    return Ok(cached.credentials.clone());
                }
                let failure = StorageFailure { cause: Cause::NoCredentials, detail: error_chain(&error) };
                *self.failed() = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    /// Returns the cached credentials unless they should be renewed.
    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let cached = self.cached();
        let cached = cached.as_ref().filter(|cached| cached.works(now))?;
        let is_fresh = cached.credentials.expiry().is_none_or(|end| end > now + RENEW_BEFORE_EXPIRY);
        (is_fresh || now < cached.asked + RENEW_INTERVAL).then(|| cached.credentials.clone())
    }

    fn failed(&self) -> MutexGuard<'_, Option<(StorageFailure, SystemTime)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self) -> MutexGuard<'_, Option<CachedCredentials>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
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
        renewed.cached().as_mut().expect("cached").asked -= RENEW_INTERVAL;
        renewed.get().await.expect("credentials");
        assert_eq!(role.asked.load(Ordering::SeqCst), 2);
        // Expired credentials are never returned.
        assert_eq!(asked(0, 3).await, 3);
    }
}
