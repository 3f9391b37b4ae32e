//! Credentials that may end: renewed well before they do. A link never outlives them ([`super::S3Store::link`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::super::failure::{Cause, StorageFailure};

/// Roles give new credentials some minutes before the old ones end; until then the old ones are the newest there are.
const AHEAD: Duration = Duration::from_secs(10 * 60);
/// A provider that doesn't answer is one that has none.
const WITHIN: Duration = Duration::from_secs(7);
/// So long nobody asks again when there were none.
const FAILED: Duration = Duration::from_secs(5);
/// They are asked for no more often than this while they can't be had.
const PATIENCE: Duration = Duration::from_secs(30);

/// Remembers what the provider gave, until shortly before its end.
#[derive(Clone)]
pub(super) struct Renewed {
    provider: SharedCredentialsProvider,
    /// Never held over an await: who waits for it need not be polled.
    known: Arc<Mutex<Option<Known>>>,
    /// Why there are none, since when: not everybody who wants some asks and waits again.
    failed: Arc<Mutex<Option<(StorageFailure, SystemTime)>>>,
    /// One asks at a time.
    asking: Arc<Semaphore>,
}

struct Known {
    credentials: Credentials,
    asked: SystemTime,
}

impl Renewed {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, known: Arc::default(), failed: Arc::default(), asking: Arc::new(Semaphore::new(1)) }
    }

    /// Asks the provider when what is known ends soon. If it has nothing newer, what is known serves to its end.
    pub(super) async fn get(&self) -> Result<Credentials, StorageFailure> {
        if let Some(known) = self.fresh(SystemTime::now()) {
            return Ok(known);
        }
        let _turn = self.asking.acquire().await;
        let now = SystemTime::now();
        // Whoever was before may have asked.
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
                *self.known() = Some(Known { credentials: credentials.clone(), asked: now });
                Ok(credentials)
            }
            Err(error) => {
                if let Some(known) = self.known().as_mut().filter(|old| old.works(now)) {
                    tracing::warn!(%error, "credentials could not be renewed");
                    known.asked = now;
                    return Ok(known.credentials.clone());
                }
                let failure = StorageFailure { cause: Cause::NoCredentials, detail: super::told(&error) };
                *self.failed() = Some((failure.clone(), now));
                Err(failure)
            }
        }
    }

    /// What is known, if it needn't be asked for again.
    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let known = self.known();
        let known = known.as_ref().filter(|known| known.works(now))?;
        let is_fresh = known.credentials.expiry().is_none_or(|end| end > now + AHEAD);
        (is_fresh || now < known.asked + PATIENCE).then(|| known.credentials.clone())
    }

    fn failed(&self) -> MutexGuard<'_, Option<(StorageFailure, SystemTime)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
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

    /// Gives credentials that live for so many seconds, and counts.
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
        // What has ended is never given.
        assert_eq!(asked(0, 3).await, 3);
    }
}
